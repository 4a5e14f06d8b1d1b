"""Figures: the outlines of nouns and props, in multiples of the radius, `y` downwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from critic_models.world.figures import props, solids, things
from critic_models.world.figures.parts import Part, Parts

_NOUNS: dict[str, Callable[[int], Parts]] = {
    "ball": solids.ball,
    "blob": solids.blob,
    "box": solids.box,
    "car": things.car,
    "cat": things.cat,
    "cloth": solids.cloth,
    "cone": solids.cone,
    "cup": things.cup,
    "cylinder": solids.cylinder,
    "fish": things.fish,
    "heart": solids.heart,
    "ring": solids.ring,
    "star": solids.star,
}
_PROPS: dict[str, Callable[[float, float], Parts]] = {
    "block": props.block,
    "hand": props.hand,
    "pillar": props.pillar,
}


@dataclass(frozen=True, eq=False)
class Drawing:
    """The parts of a figure.

    Attributes:
        parts: from back to front.
        relief: how round it looks, from 0 (flat faces) to 1 (a ball).
        low, high: corners of the box around its silhouette, `(x, y)` in radii.
        hull: float64 `[K, 2]`, the convex hull of the silhouette.
    """

    parts: tuple[Part, ...]
    relief: float
    low: tuple[float, float]
    high: tuple[float, float]
    hull: np.ndarray

    @property
    def outlines(self) -> tuple[Part, ...]:
        """The parts that make the silhouette."""
        return tuple(part for part in self.parts if part.outline)


@lru_cache(maxsize=512)
def draw_figure(noun: str, variant: int, extent: tuple[float, float] = (1.0, 1.0)) -> Drawing:
    """Make the drawing of a noun in one of its variants, or of a prop of some extent."""
    if noun in _PROPS:
        parts, relief = _PROPS[noun](*extent)
    else:
        parts, relief = _NOUNS[noun](variant)
    points = np.concatenate([c for part in parts if part.outline for c in part.contours])
    low, high = points.min(0), points.max(0)
    around = cv2.convexHull(points.astype(np.float32), returnPoints=False)
    hull = points[around[:, 0]]
    return Drawing(
        parts, relief, (float(low[0]), float(low[1])), (float(high[0]), float(high[1])), hull
    )


__all__ = ["Drawing", "Part", "draw_figure"]
