"""Figures as small pictures: outline, pattern, relief and light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from critic_models.world.figures import Drawing, Part, draw_figure
from critic_models.world.shot import Figure

_SUBPIXEL_BITS = 4
_MARGIN_PX = 2
_AMBIENT = 0.62


@dataclass(frozen=True, eq=False)
class Sprite:
    """A figure as drawn, before it is placed.

    Attributes:
        albedo: uint8 `[h, w, 4]`, colour and coverage; colour is not multiplied by coverage.
        shade: uint8 `[h, w]`, brightness by light and relief; 128 is neutral.
        origin: the point of the figure, in radii, at the middle of the first pixel.
        scale: pixels to a radius.
    """

    albedo: np.ndarray
    shade: np.ndarray
    origin: tuple[float, float]
    scale: float


def draw_sprite(figure: Figure, scale: float, light: float, beside: Figure | None = None) -> Sprite:
    """Draw a figure.

    Args:
        figure: what to draw.
        scale: pixels to a radius.
        light: the direction that light comes from, in radians.
        beside: another figure that is to fit into the same picture.
    """
    drawing = draw_figure(figure.noun, figure.variant, figure.extent)
    other = draw_figure(beside.noun, beside.variant, beside.extent) if beside else drawing
    low, high = np.minimum(drawing.low, other.low), np.maximum(drawing.high, other.high)
    origin = (float(low[0]) - _MARGIN_PX / scale, float(low[1]) - _MARGIN_PX / scale)
    width, height = (round(float(s)) + 2 * _MARGIN_PX + 1 for s in (high - low) * scale)
    colour = np.empty((height, width, 3), np.uint8)
    colour[:] = figure.rgb
    coverage = np.zeros((height, width), np.uint8)
    pattern = _pattern(figure, origin, scale, (height, width))
    surface = cv2.multiply(colour, pattern, scale=1 / 128)
    for part in drawing.parts:
        contours = [_fixed(contour, origin, scale) for contour in part.contours]
        stencil = np.zeros((height, width), np.uint8)
        cv2.fillPoly(stencil, contours, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        _lay(surface, colour, stencil, part, figure)
        if part.outline:
            cv2.max(coverage, stencil, dst=coverage)
    albedo = cv2.merge([*cv2.split(colour), coverage])
    return Sprite(albedo, _shade(coverage, drawing, light), origin, scale)


def _fixed(contour: np.ndarray, origin: tuple[float, float], scale: float) -> np.ndarray:
    return np.round((contour - origin) * (scale * (1 << _SUBPIXEL_BITS))).astype(np.int32)


def _lay(
    surface: np.ndarray, colour: np.ndarray, stencil: np.ndarray, part: Part, figure: Figure
) -> None:
    """Paint a part over what is there, where the stencil says."""
    if part.rgb is not None:
        paint = np.full_like(colour, part.rgb)
    elif part.tone == 1.0:
        paint = surface
    else:
        paint = cv2.convertScaleAbs(surface, alpha=part.tone)
    share = cv2.merge([stencil] * 3)
    kept = cv2.multiply(colour, cv2.bitwise_not(share), scale=1 / 255)
    cv2.add(kept, cv2.multiply(paint, share, scale=1 / 255), dst=colour)


def _shade(coverage: np.ndarray, drawing: Drawing, light: float) -> np.ndarray:
    """Light a surface that is inflated from its outline."""
    if drawing.relief == 0.0:
        return np.full(coverage.shape, 128, np.uint8)
    solid = (coverage > 127).astype(np.uint8)
    inside = cv2.distanceTransform(solid, cv2.DIST_L2, 3)
    depth = max(float(inside.max()), 1.0)
    rest = 1.0 - inside / depth
    height = np.sqrt(np.maximum(0.0, 1.0 - rest * rest)) * (depth * drawing.relief)
    height = cv2.GaussianBlur(height, (0, 0), 0.6 + 0.06 * depth)
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    steepness = np.sqrt(1.0 + slope_x * slope_x + slope_y * slope_y)
    lit = (0.8 - 0.6 * (np.cos(light) * slope_x + np.sin(light) * slope_y)) / steepness
    gloss = np.maximum(lit, 0.0) ** 24
    return cv2.convertScaleAbs(128 * (_AMBIENT + 0.5 * np.maximum(lit, 0.0)) + 70 * gloss)


def _pattern(
    figure: Figure, origin: tuple[float, float], scale: float, size: tuple[int, int]
) -> np.ndarray:
    """Draw the pattern as a factor of the colour, uint8 `[h, w, 3]`, 128 for 1."""
    if figure.pattern == "plain":
        return np.full((*size, 3), 128, np.uint8)
    rng = np.random.default_rng([figure.seed, 7])
    turn, period, phase = rng.uniform(0, np.pi), rng.uniform(0.42, 0.7), rng.uniform(0, 1, 2)
    u = origin[0] + np.arange(size[1], dtype=np.float32)[None] / scale
    v = origin[1] + np.arange(size[0], dtype=np.float32)[:, None] / scale
    along = (np.cos(turn) * u + np.sin(turn) * v) / period + phase[0]
    across = (np.cos(turn) * v - np.sin(turn) * u) / period + phase[1]
    dark = _PATTERNS[figure.pattern](along, across, rng)
    sharp = np.clip(0.5 + dark * (scale * period * 0.5), 0.0, 1.0)
    # What is nearly black shows a pattern only if that is lighter.
    change = _LIGHTENING if max(figure.rgb) < _BLACK else -_DARKENING
    factor = cv2.convertScaleAbs(128.0 * (1.0 + change * sharp))
    return cv2.merge([factor] * 3)


_DARKENING, _LIGHTENING = 0.34, 0.9
_BLACK = 70


def _speckle(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    waves = rng.uniform(-1, 1, (5, 2)) * 9
    total = sum(np.sin(a * u + b * v + i) for i, (a, b) in enumerate(waves))
    return np.asarray(total) / 5 - 0.1


def _saw(values: np.ndarray) -> np.ndarray:
    """A triangle wave of period 1 between -0.5 and 0.5."""
    return 2 * np.abs(values - np.floor(values) - 0.5) - 0.5


_PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "stripes": lambda u, v, _: _saw(u),
    "dots": lambda u, v, _: 0.30 - np.hypot(u - np.round(u), v - np.round(v)),
    "checks": lambda u, v, _: 4 * _saw(u) * _saw(v),
    "speckle": _speckle,
    "zigzag": lambda u, v, _: _saw(u + 0.5 * _saw(1.3 * v)),
    "bands": lambda u, v, _: _saw(0.9 * np.hypot(u, v)),
}
"""Above 0 where the surface is darker, in periods of the pattern."""
