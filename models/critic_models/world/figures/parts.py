"""What outlines are made of, in multiples of a figure's radius, `y` downwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from critic_models.world.catalogue import Rgb

DARK: Rgb = (28, 28, 32)
GLASS: Rgb = (150, 182, 200)
PALE: Rgb = (238, 238, 232)

SMOOTH = 48
"""Points of a smooth contour."""


@dataclass(frozen=True, eq=False)
class Part:
    """A filled area.

    Attributes:
        contours: float64 `[K, 2]` each; a second one inside the first is a hole.
        tone: factor of the body's colour; ignored where `rgb` is given.
        rgb: a colour of its own.
        outline: whether it adds to the silhouette, or is only painted on it.
    """

    contours: tuple[np.ndarray, ...]
    tone: float = 1.0
    rgb: Rgb | None = None
    outline: bool = True


Parts = tuple[tuple[Part, ...], float]
"""Parts from back to front, and how round they look."""


def points(*pairs: tuple[float, float]) -> np.ndarray:
    """Write a contour, float64 `[K, 2]`."""
    return np.asarray(pairs, np.float64)


def ellipse(
    x: float, y: float, a: float, b: float, start: float = 0.0, stop: float = 2 * np.pi
) -> np.ndarray:
    """Write an arc around `(x, y)`, clockwise from the right; a whole ellipse by default."""
    angle = np.linspace(start, stop, SMOOTH, endpoint=stop - start < 6.28)
    return np.stack([x + a * np.cos(angle), y + b * np.sin(angle)], 1)


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Write a rectangle."""
    return points((left, top), (right, top), (right, bottom), (left, bottom))


def painted(contour: np.ndarray, tone: float = 1.0, rgb: Rgb | None = None) -> Part:
    """Paint on what is there already."""
    return Part((contour,), tone, rgb, outline=False)
