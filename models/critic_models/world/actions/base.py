"""What a plan is given, and how bodies are put on the stage."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from critic_models.world.curves import Curve, Leg, hold, step
from critic_models.world.figures import Drawing, draw_figure
from critic_models.world.shot import Body, Figure, Violation

OUTSIDE = 150.0
"""A distance from the middle at which nothing is in view, whatever the frame's shape."""

REACH = 52.0
"""A distance from the middle that is in view whatever the frame's shape."""

STONES = ((128, 124, 120), (150, 128, 104), (108, 100, 96), (164, 158, 146))
"""Colours of blocks and pillars."""


@dataclass(frozen=True)
class Set:
    """What a plan is given.

    Attributes:
        figures: of the subjects.
        partner: of the object that takes part in the action, where one does.
        direction: of the action, where it has one.
        relation: of the subject to the partner, where they only stand there.
        horizon: where ground begins; None where there is no ground.
        floor: height at which things stand on the ground.
        gravity, restitution: see `Shot`.
        violation: what is to go wrong, if anything.
    """

    figures: tuple[Figure, ...]
    partner: Figure | None
    direction: str | None
    relation: str | None
    horizon: float | None
    floor: float
    gravity: float
    restitution: float
    violation: Violation | None

    @property
    def subject(self) -> Figure:
        return self.figures[0]

    @property
    def sign(self) -> float:
        return -1.0 if self.direction in ("left", "up", "away") else 1.0

    def breach(self, kind: str) -> float:
        """How severely the law is broken in this way; 0 where it is not."""
        if self.violation is None or self.violation.kind != kind:
            return 0.0
        return self.violation.severity


def drawing(figure: Figure) -> Drawing:
    """Return the parts of a figure."""
    return draw_figure(figure.noun, figure.variant, figure.extent)


def half_width(figure: Figure) -> float:
    """The larger distance from a figure's middle to its sides, in units."""
    outline = drawing(figure)
    return max(-outline.low[0], outline.high[0]) * figure.radius


def nose(figure: Figure) -> float:
    """Distance from a figure's middle to the side that it faces, in units."""
    return drawing(figure).high[0] * figure.radius


def tail(figure: Figure) -> float:
    """Distance from a figure's middle to the side that it turns away, in units."""
    return -drawing(figure).low[0] * figure.radius


def foot(figure: Figure) -> float:
    """Distance from a figure's middle to its lowest point, in units."""
    return drawing(figure).high[1] * figure.radius


def head(figure: Figure) -> float:
    """Distance from a figure's middle to its highest point, in units."""
    return -drawing(figure).low[1] * figure.radius


def standing(figure: Figure, x: Curve, floor: float, flip: bool = False) -> Body:
    """Put a subject on the ground, anchored at the middle of its foot."""
    anchor = (0.0, drawing(figure).high[1])
    ground = hold(floor)
    return Body(figure, "subject", x, ground, anchor, floor, floor=ground, flip=flip)


def hanging(figure: Figure, x: Curve, y: Curve, flip: bool = False) -> Body:
    """Put a subject somewhere, anchored at its middle."""
    return Body(figure, "subject", x, y, flip=flip)


def is_round(figure: Figure) -> bool:
    """Whether it rolls rather than slides."""
    return figure.noun in ("ball", "ring")


def travelling(figure: Figure, x: Curve, floor: float, flip: bool) -> Body:
    """Roll what is round along the ground, and slide the rest."""
    if not is_round(figure):
        return standing(figure, x, floor, flip)
    turn = x.scaled(1.0 / figure.radius, -x.legs[0].value / figure.radius)
    return replace(
        hanging(figure, x, hold(floor - foot(figure))),
        depth=floor,
        floor=hold(floor),
        angle=turn,
        rolls=figure.noun == "ball",
    )


def masonry(
    noun: str, x: float, foot_y: float, extent: tuple[float, float], rng: np.random.Generator
) -> Body:
    """Stand a block or a pillar of some half width and half height on the ground."""
    colour = STONES[int(rng.integers(len(STONES)))]
    figure = Figure(noun, 0, "", colour, "plain", 0, 1.0, extent)
    return Body(
        figure,
        "prop",
        hold(x),
        hold(foot_y - extent[1]),
        depth=foot_y,
        floor=hold(foot_y),
    )


def disturb(body: Body, violation: Violation) -> Body:
    """Make a body vanish, appear or jump, whatever else it does."""
    rng = np.random.default_rng([violation.seed, 23])
    at, severity = float(rng.uniform(0.35, 0.6)), violation.severity
    if violation.kind == "vanish":
        return replace(body, opacity=Curve((Leg(-1.0, 1.0), Leg(at, 1.0 - severity))))
    if violation.kind == "appear":
        return replace(body, opacity=Curve((Leg(-1.0, 1.0 - severity), Leg(at, 1.0))))
    if violation.kind == "teleport":
        later = float(body.x(np.asarray([(1.0 + at) / 2]))[0])
        side = -1.0 if later > 0 else 1.0
        return replace(body, x=body.x + step(at, side * (4.0 + 46.0 * severity)))
    return body
