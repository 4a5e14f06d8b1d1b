"""Two objects at rest, one in a relation to the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from critic_models.world.actions.base import (
    Set,
    foot,
    half_width,
    hanging,
    head,
    nose,
    standing,
    tail,
)
from critic_models.world.curves import hold
from critic_models.world.shot import Body, Figure

_SEAT = 0.12
"""How far below a base's highest point things stand on it, in its radii."""

_COVERED = 0.42
"""Share of the width of what is behind that the other covers."""

_SIDE = {"left of": -1.0, "right of": 1.0}


def arrange(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Place the subject, then its partner."""
    ours, theirs, relation = stage.subject, stage.partner, stage.relation
    if theirs is None or relation is None:
        raise ValueError("a relation needs two objects")
    middle, gap = float(rng.uniform(-14, 14)), float(rng.uniform(5, 14))
    side = float(rng.choice((-1.0, 1.0)))
    if relation in _SIDE:
        step = _SIDE[relation] * (half_width(ours) + half_width(theirs) + gap) / 2
        height = hold(float(rng.uniform(-18, 18)))
        pair = ((ours, hold(middle + step)), (theirs, hold(middle - step)))
        if stage.horizon is None:
            return [hanging(figure, x, height) for figure, x in pair]
        return [standing(figure, x, stage.floor) for figure, x in pair]
    if relation in ("behind", "in front of"):
        further = ours if relation == "behind" else theirs
        covered = _COVERED * (nose(further) + tail(further))
        touching = nose(theirs) + tail(ours) if side > 0 else tail(theirs) + nose(ours)
        shift = side * (touching - covered) / 2
        line = stage.floor - 4.0 if relation == "behind" else stage.floor + 4.0
        return [
            standing(ours, hold(middle + shift), line),
            standing(theirs, hold(middle - shift), 2 * stage.floor - line),
        ]
    offset = middle + side * 0.3 * gap
    if relation == "on":
        return _stacked(stage, ours, offset, theirs, middle)
    if relation == "under":
        return _stacked(stage, theirs, offset, ours, middle)[::-1]
    upper, lower = (ours, theirs) if relation == "above" else (theirs, ours)
    span = foot(upper) + gap + head(lower)
    high = float(rng.uniform(-10, 10)) - span / 2
    two = [
        hanging(upper, hold(offset), hold(high)),
        hanging(lower, hold(middle), hold(high + span)),
    ]
    return two if relation == "above" else two[::-1]


def _stacked(stage: Set, top: Figure, x: float, base: Figure, base_x: float) -> list[Body]:
    seat = stage.floor - foot(base) - head(base) + _SEAT * base.radius
    upper = standing(top, hold(x), seat)
    return [replace(upper, depth=stage.floor + 1), standing(base, hold(base_x), stage.floor)]
