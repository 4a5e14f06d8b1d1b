"""Plans: how the bodies of each action move, by the laws of nature or against them.

Each plan returns the subjects first, then whoever else takes part. A breach changes only curves of
time: whatever else the shot is made of stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from critic_models.world.actions import directed, falls, hands, meetings
from critic_models.world.actions.base import Set, disturb
from critic_models.world.shot import Body

PLANS: dict[str, Callable[[Set, np.random.Generator], list[Body]]] = {
    "rest": directed.rest,
    "move": directed.move,
    "enter": directed.enter,
    "leave": directed.leave,
    "take": hands.take,
    "push": hands.push,
    "collide": meetings.collide,
    "hide": meetings.hide,
    "squeeze": hands.squeeze,
    "stretch": hands.stretch,
    "fold": hands.fold,
    "fall": falls.drop,
    "land": falls.land,
    "bounce": falls.drop,
    "topple": falls.topple,
    "roll_off": falls.roll_off,
    "spin": directed.spin,
}

__all__ = ["PLANS", "Set", "disturb"]
