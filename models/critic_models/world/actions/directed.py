"""Actions without forces: rest, even motion, and turning in place."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from critic_models.world.actions.base import (
    OUTSIDE,
    REACH,
    Set,
    foot,
    half_width,
    hanging,
    head,
    standing,
    travelling,
)
from critic_models.world.actions.relations import arrange
from critic_models.world.curves import Curve, Leg, ease, hold, line
from critic_models.world.shot import Body


def rest(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Stand side by side, or in a relation to a partner; on a wall, hang."""
    bodies = _row(stage, rng) if stage.relation is None else _pair(stage, rng)
    begin = float(rng.uniform(0.2, 0.4))
    first = bodies[0]
    if severity := stage.breach("unsupported"):
        bodies[0] = replace(first, y=first.y.scaled(1.0, -(3.0 + 34.0 * severity)))
    if severity := stage.breach("rise"):
        lift = ease(begin, 0.0, 1.25, -(4.0 + 60.0 * severity))
        bodies[0] = replace(first, y=first.y + lift)
    if severity := stage.breach("uncaused"):
        side = float(np.sign(first.x.legs[0].value + 0.01))
        away = ease(begin, 0.0, 0.95, -side * (4.0 + 50.0 * severity))
        bodies[0] = replace(first, x=first.x + away)
    return bodies


def _pair(stage: Set, rng: np.random.Generator) -> list[Body]:
    subject, partner = arrange(stage, rng)
    return [subject, replace(partner, role="bystander")]


def _row(stage: Set, rng: np.random.Generator) -> list[Body]:
    widths = [half_width(figure) for figure in stage.figures]
    gap = float(rng.uniform(4, 9))
    total = 2 * sum(widths) + gap * (len(widths) - 1)
    at = float(rng.uniform(-0.5, 0.5)) * max(0.0, 2 * REACH - total) - total / 2
    height = hold(float(rng.uniform(-18, 18)))
    bodies = []
    for figure, half in zip(stage.figures, widths, strict=True):
        x = hold(at + half)
        at += 2 * half + gap
        hangs = stage.horizon is None
        bodies.append(hanging(figure, x, height) if hangs else standing(figure, x, stage.floor))
    return bodies


def move(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Go evenly in one direction, all together."""
    if stage.direction in ("closer", "away"):
        return _approach(stage, rng)
    sideways = stage.direction in ("left", "right")
    spans = [2 * half_width(f) if sideways else head(f) + foot(f) for f in stage.figures]
    gap = rng.uniform(3, 6)
    train = sum(spans) + gap * (len(spans) - 1)
    travel = float(np.clip(rng.uniform(42, 70), 30, max(30.0, 2 * REACH + 8 - train)))
    start = -stage.sign * (travel / 2) - train / 2 + rng.uniform(-4, 4)
    across = float(rng.uniform(-22, 22))
    bodies = []
    for figure, span in zip(stage.figures, spans, strict=True):
        at = float(start + span / 2)
        start += span + gap
        along = Curve((Leg(0.0, at, stage.sign * travel),))
        flip = stage.direction == "left"
        if not sideways:
            bodies.append(hanging(figure, hold(across), along))
        elif stage.horizon is None:
            bodies.append(hanging(figure, along, hold(across), flip=flip))
        else:
            bodies.append(travelling(figure, along, stage.floor, flip))
    return bodies


def _approach(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Come closer or go away: grow or shrink, and on the ground move down or up the frame."""
    near, far = rng.uniform(1.25, 1.5), rng.uniform(0.4, 0.55)
    first, last = (far, near) if stage.direction == "closer" else (near, far)
    size = Curve((Leg(0.0, first, last - first),))
    count = len(stage.figures)
    bodies = []
    for index, figure in enumerate(stage.figures):
        lane = (index - (count - 1) / 2) * (2.9 * half_width(figure)) + rng.uniform(-4, 4)
        x = size.scaled(float(lane))
        if stage.horizon is None:
            y = hold(float(rng.uniform(-8, 8)))
            bodies.append(replace(hanging(figure, x, y), size=size))
            continue
        # A point of the ground is as far below the horizon as things there are large.
        ground = size.scaled((54.0 - stage.horizon) / near, stage.horizon)
        body = standing(figure, x, stage.floor)
        bodies.append(replace(body, y=ground, floor=ground, size=size))
    return bodies


def enter(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Come in from outside and stop."""
    end = float(rng.uniform(-12, 20)) * stage.sign
    x = line(0.0, -stage.sign * OUTSIDE, float(rng.uniform(0.7, 0.85)), end)
    return [_sideways(stage, x, rng)]


def leave(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Go out of the frame."""
    start = -float(rng.uniform(-12, 20)) * stage.sign
    x = line(float(rng.uniform(0.1, 0.2)), start, 1.0, stage.sign * OUTSIDE)
    return [_sideways(stage, x, rng)]


def _sideways(stage: Set, x: Curve, rng: np.random.Generator) -> Body:
    height = float(rng.uniform(-20, 20))
    flip = stage.direction == "left"
    if stage.horizon is None:
        return hanging(stage.subject, x, hold(height), flip=flip)
    return travelling(stage.subject, x, stage.floor, flip)


def spin(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Turn evenly in place."""
    turns = float(rng.uniform(0.6, 1.2)) * float(rng.choice((-1.0, 1.0)))
    x, y = (hold(float(v)) for v in rng.uniform(-24, 24, 2))
    turning = Curve((Leg(0.0, 0.0, 2 * math.pi * turns),))
    return [replace(hanging(stage.subject, x, y), angle=turning)]
