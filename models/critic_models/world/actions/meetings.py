"""Two bodies that meet: collisions, and one that hides another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from critic_models.world.actions.base import (
    Set,
    half_width,
    masonry,
    nose,
    tail,
    travelling,
)
from critic_models.world.curves import Curve, Leg
from critic_models.world.shot import Body

_PILLAR_HALF_HEIGHT = 110.0


def collide(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Run into a body at rest, which takes over the impulse.

    Masses go with the squares of the radii; speeds after the impact follow from the conservation
    of momentum and Newton's coefficient of restitution.
    """
    partner = stage.partner
    if partner is None:
        raise ValueError("a collision needs a partner")
    ours, theirs = stage.subject.radius**2, partner.radius**2
    reach = stage.sign * (nose(stage.subject) + tail(partner))
    at = float(rng.uniform(2, 10)) * stage.sign
    start = -stage.sign * float(rng.uniform(50, 58))
    impact = float(rng.uniform(0.32, 0.45))
    speed = (at - reach - start) / impact
    taken = (1.0 + stage.restitution) * speed / (ours + theirs)
    ahead, kept = taken * ours, speed - taken * theirs
    through = stage.breach("pass_through")
    meeting = impact + reach * through / speed
    ahead, kept = ahead * (1.0 - through), kept + (speed - kept) * through
    apart = stage.breach("uncaused")
    parting = impact * (0.85 - 0.6 * apart) if apart else meeting
    x = Curve((Leg(0.0, start, speed), Leg(meeting, start + speed * meeting, kept)))
    other = Curve((Leg(-1.0, at), Leg(parting, at, ahead)))
    flip = stage.sign < 0
    struck = travelling(partner, other, stage.floor, flip)
    return [travelling(stage.subject, x, stage.floor, flip), replace(struck, role="bystander")]


def hide(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Pass behind a pillar and come out again."""
    own = half_width(stage.subject)
    half = own + float(rng.uniform(4, 7))
    at = float(rng.uniform(-8, 8))
    pillar = masonry("pillar", at, stage.floor + 4.0, (half, _PILLAR_HALF_HEIGHT), rng)
    travel = stage.sign * (half + own + float(rng.uniform(10, 16)))
    x = Curve((Leg(0.0, at - travel, 2 * travel),))
    return [travelling(stage.subject, x, stage.floor, stage.sign < 0), pillar]
