"""Actions by a hand, and bodies that change their form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from critic_models.world.actions.base import (
    OUTSIDE,
    Set,
    foot,
    hanging,
    head,
    standing,
    tail,
)
from critic_models.world.curves import Curve, ease, hold, line
from critic_models.world.shot import Body, Figure

_ARM = 175.0
_SKINS = ((232, 190, 160), (200, 150, 116), (150, 102, 74), (96, 64, 48))


def _hand(rng: np.random.Generator, x: Curve, y: Curve, angle: float, depth: float) -> Body:
    skin = _SKINS[int(rng.integers(len(_SKINS)))]
    figure = Figure("hand", 0, "", skin, "plain", 0, 1.0, (_ARM, 1.0))
    return Body(figure, "prop", x, y, depth=depth, angle=hold(angle))


def take(stage: Set, rng: np.random.Generator) -> list[Body]:
    """A hand comes from above, lifts the subject and carries it off."""
    gap = 42.0 * stage.breach("uncaused") + (3.0 if stage.breach("uncaused") else 0.0)
    x = float(rng.uniform(-30, 30))
    touch, lift = float(rng.uniform(0.3, 0.4)), float(rng.uniform(0.42, 0.5))
    top = stage.floor - foot(stage.subject) - head(stage.subject)
    away = ease(lift, 0.0, 1.3, -OUTSIDE - 60)
    subject = standing(stage.subject, hold(x), stage.floor)
    subject = replace(subject, y=subject.y + away)
    reach = line(0.0, -OUTSIDE, touch, top + 4.0 - gap) + away
    return [subject, _hand(rng, hold(x), reach, math.pi / 2, stage.floor + 1)]


def push(stage: Set, rng: np.random.Generator) -> list[Body]:
    """A hand comes from the side and pushes the subject along."""
    behind = tail(stage.subject)
    apart = stage.breach("uncaused")
    gap = 3.0 + 34.0 * apart if apart else 0.0
    gap -= 1.7 * behind * stage.breach("pass_through")
    x = -stage.sign * float(rng.uniform(16, 30))
    touch, end = float(rng.uniform(0.22, 0.32)), float(rng.uniform(0.8, 0.95))
    travel = stage.sign * float(rng.uniform(40, 52))
    shift = line(touch, 0.0, end, travel)
    subject = standing(stage.subject, shift.scaled(1.0, x), stage.floor, stage.sign < 0)
    side = x - stage.sign * (behind + gap)
    reach = line(0.0, side - stage.sign * 70.0, touch, side) + shift
    height = stage.floor - 0.45 * (foot(stage.subject) + head(stage.subject))
    angle = 0.0 if stage.sign > 0 else math.pi
    return [subject, _hand(rng, reach, hold(height), angle, stage.floor + 1)]


def squeeze(stage: Set, rng: np.random.Generator) -> list[Body]:
    """A hand presses the subject flat; it gives way to the sides and keeps its area."""
    x = float(rng.uniform(-26, 26))
    touch, end = float(rng.uniform(0.2, 0.3)), float(rng.uniform(0.75, 0.9))
    flat = float(rng.uniform(0.42, 0.55))
    tall = line(touch, 1.0, end, flat)
    wide = line(touch, 1.0, end, min(1.6, 0.9 / flat))
    height = foot(stage.subject) + head(stage.subject)
    subject = standing(stage.subject, hold(x), stage.floor)
    subject = replace(subject, wide=wide, tall=tall)
    above = tall.scaled(-height, stage.floor)
    reach = line(0.0, -90.0, touch, 0.0) + above
    return [subject, _hand(rng, hold(x), reach, math.pi / 2, stage.floor + 1)]


def stretch(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Grow longer one way and thinner the other."""
    begin, end = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.75, 0.95))
    long = ease(begin, 1.0, end, float(rng.uniform(1.6, 2.0)))
    thin = ease(begin, 1.0, end, float(rng.uniform(0.6, 0.72)))
    wide, tall = (long, thin) if rng.random() < 0.5 else (thin, long)
    x = hold(float(rng.uniform(-22, 22)))
    return [replace(standing(stage.subject, x, stage.floor), wide=wide, tall=tall)]


def fold(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Lay the right half over the left."""
    begin, end = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.8, 0.95))
    over = ease(begin, 0.0, end, float(rng.uniform(0.85, 0.97)) * math.pi)
    x = hold(float(rng.uniform(-24, 24)))
    if stage.horizon is None:
        sheet = hanging(stage.subject, x, hold(float(rng.uniform(-20, 20))))
    else:
        sheet = standing(stage.subject, x, stage.floor)
    return [replace(sheet, fold=over)]
