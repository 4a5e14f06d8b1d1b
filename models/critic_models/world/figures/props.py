"""Parts of an action: blocks, pillars and hands, in units."""

from __future__ import annotations

import numpy as np

from critic_models.world.figures.parts import Part, Parts, ellipse, painted, points, rectangle


def block(half_width: float, half_height: float) -> Parts:
    rise = min(5.0, half_height)
    front = rectangle(-half_width, -half_height, half_width, half_height)
    top = points(
        (-half_width, -half_height),
        (half_width, -half_height),
        (half_width, -half_height + rise),
        (-half_width, -half_height + rise),
    )
    return (Part((front,), 0.82), painted(top, 1.2)), 0.0


def pillar(half_width: float, half_height: float) -> Parts:
    front = rectangle(-half_width, -half_height, half_width, half_height)
    flutes = tuple(
        painted(rectangle(x * half_width, -half_height, (x + 0.2) * half_width, half_height), tone)
        for x, tone in ((-1.0, 0.66), (-0.8, 0.86), (0.2, 1.12), (0.4, 1.2), (0.8, 0.8))
    )
    foot = painted(rectangle(-half_width, half_height - 4.0, half_width, half_height), 0.7)
    return (Part((front,)), *flutes, foot), 0.0


def hand(length: float, _: float) -> Parts:
    """An arm that comes from the left and touches with its fingertips at the origin."""
    fingers = [
        np.concatenate(
            [
                points((-13.0, y - 1.9)),
                ellipse(-1.9, y, 1.9, 1.9, -np.pi / 2, np.pi / 2),
                points((-13.0, y + 1.9)),
            ]
        )
        for y in (-5.1, -1.7, 1.7, 5.1)
    ]
    palm = ellipse(-15.5, 0.0, 7.0, 7.6)
    thumb = ellipse(-12.5, 7.4, 5.2, 2.3)
    wrist = rectangle(-30.0, -4.6, -16.0, 4.6)
    sleeve = rectangle(-length, -7.6, -27.0, 7.6)
    return (
        Part((wrist,), 0.92),
        *(Part((f,), t) for f, t in zip(fingers, (0.94, 1.04, 1.0, 0.92), strict=True)),
        Part((palm,)),
        Part((thumb,), 1.06),
        Part((sleeve,), rgb=(62, 72, 96)),
    ), 0.3
