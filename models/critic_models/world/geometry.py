"""Where bodies are: from radii to units, in closed form."""

from __future__ import annotations

import numpy as np

from critic_models.world.figures import draw_figure
from critic_models.world.shot import Body

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

_SWEEP = np.linspace(0.0, 1.0, 13)


def placements(body: Body, times: np.ndarray) -> np.ndarray:
    """Map the figure's radii to world units, float64 `[T, 2, 3]`."""
    angle = body.angle(times)
    cos, sin = np.cos(angle), np.sin(angle)
    radius = body.figure.radius * body.size(times)
    across = radius * body.wide(times) * (-1.0 if body.flip else 1.0)
    down = radius * body.tall(times)
    maps = np.empty((len(times), 2, 3))
    maps[:, 0, 0], maps[:, 0, 1] = cos * across, -sin * down
    maps[:, 1, 0], maps[:, 1, 1] = sin * across, cos * down
    maps[:, 0, 2], maps[:, 1, 2] = body.x(times), body.y(times)
    maps[:, :, 2] -= maps[:, :, :2] @ np.asarray(body.anchor)
    return maps


def halves(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut a contour along the middle, for a sheet that is folded there."""
    left, right = points.copy(), points.copy()
    left[:, 0], right[:, 0] = np.minimum(points[:, 0], 0.0), np.maximum(points[:, 0], 0.0)
    return left, right


def folded(right: np.ndarray, angle: float) -> np.ndarray:
    """Turn a right half out of the picture's plane."""
    return right * (np.cos(angle), 1.0)


def boxes(body: Body, maps: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Compute the boxes around a body's silhouette.

    Args:
        body: the body.
        maps: float64 `[T, 2, 3]`, from radii to the space of the boxes.
        folds: float64 `[T]`, the angles of its fold.

    Returns:
        float64 `[T, 4]`: left, top, right, bottom.
    """
    hull = draw_figure(body.figure.noun, body.figure.variant, body.figure.extent).hull
    points: np.ndarray = hull[None]
    if folds.any():
        left, right = halves(hull)
        points = np.stack([np.concatenate([left, folded(right, float(a))]) for a in folds])
    points = points @ maps[:, :, :2].transpose(0, 2, 1) + maps[:, None, :, 2]
    return np.concatenate([points.min(1), points.max(1)], 1)


def chain(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Compose affine maps `[T, 2, 3]`: first `before`, then `after`."""
    linear = after[:, :, :2] @ before[:, :, :2]
    shift = after[:, :, :2] @ before[:, :, 2:] + after[:, :, 2:]
    return np.concatenate([linear, shift], 2)


def swept_box(body: Body) -> Box:
    """Bound a body over the whole clip."""
    each = boxes(body, placements(body, _SWEEP), body.fold(_SWEEP))
    left, top = each[:, :2].min(0)
    right, bottom = each[:, 2:].max(0)
    return float(left), float(top), float(right), float(bottom)


def overlap(one: Box, other: Box, margin: float = 0.0) -> bool:
    """Whether two boxes come closer than a margin."""
    apart_x = max(one[0], other[0]) - min(one[2], other[2])
    apart_y = max(one[1], other[1]) - min(one[3], other[3])
    return max(apart_x, apart_y) < margin
