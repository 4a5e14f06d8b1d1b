"""Backgrounds: seeded patterns in relative units, equal in look at every resolution."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

_COARSEST_CELLS = 5
_OCTAVES = 6


def draw_texture(family: str, seed: int, height: int, width: int) -> np.ndarray:
    """Draw a background.

    Args:
        family: a key of `TEXTURES`.
        seed: of everything random in it; the same at every size.
        height, width: of the canvas in pixels.

    Returns:
        uint8 `[height, width, 3]`.
    """
    rng = np.random.default_rng([seed, 101])
    base = rng.uniform(50, 165) + rng.uniform(-28, 28, 3)
    contrast = rng.uniform(14, 40)
    tint = rng.uniform(0.6, 1.4, 3)
    pattern = TEXTURES[family](rng, height, width)
    detail = _fractal(rng, height, width, decay=rng.uniform(1.0, 1.5))
    luma = contrast * pattern + rng.uniform(8, 20) * detail
    chroma = cv2.resize(
        rng.standard_normal((6, 6, 3)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_LINEAR,
    )
    image = base + luma[..., None] * tint + rng.uniform(2, 9) * chroma
    return np.clip(image, 0, 255).astype(np.uint8)


def _fractal(
    rng: np.random.Generator, height: int, width: int, decay: float, octaves: int = _OCTAVES
) -> np.ndarray:
    """Sum value noise over octaves, amplitude falling by `decay`; zero mean, unit deviation."""
    longest = max(height, width)
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = _COARSEST_CELLS * 2**octave
        grid = (max(2, cells * height // longest), max(2, cells * width // longest))
        noise = rng.standard_normal(grid, dtype=np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / decay**octave
    return (total - total.mean()) / (total.std() + 1e-6)


def _plain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _fractal(rng, height, width, decay=rng.uniform(1.3, 2.2), octaves=4)


def _panels(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Flat rectangles of random brightness."""
    pattern = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(3, 10))):
        corner = rng.uniform(0, 1, 2) * (width, height)
        extent = rng.uniform(0.08, 0.4, 2) * (width, height)
        opposite = corner + extent
        level = float(rng.uniform(-1.6, 1.6))
        cv2.rectangle(pattern, _point(corner), _point(opposite), level, -1)
    return pattern


def _ramp(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A brightness ramp across the frame."""
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    return (1.2 * (np.cos(angle) * x[None] + np.sin(angle) * y[:, None])).astype(np.float32)


def _waves(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A few plane waves."""
    longest = max(height, width)
    x, y = np.arange(width) / longest, np.arange(height) / longest
    pattern = np.zeros((height, width))
    for _ in range(int(rng.integers(2, 5))):
        angle, cycles = rng.uniform(0, np.pi), rng.uniform(2, 14)
        along = np.cos(angle) * x[None] + np.sin(angle) * y[:, None]
        pattern += np.sin(2 * np.pi * (cycles * along + rng.uniform()))
    return (0.8 * pattern).astype(np.float32)


def _cells(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Flat Voronoi cells around random seeds."""
    count = int(rng.integers(8, 24))
    longest = max(height, width)
    seeds = rng.uniform(0, 1, (count, 2)) * (height / longest, width / longest)
    levels = rng.uniform(-1.4, 1.4, count).astype(np.float32)
    y, x = np.arange(height) / longest, np.arange(width) / longest
    squared = (y[:, None, None] - seeds[:, 0]) ** 2 + (x[None, :, None] - seeds[:, 1]) ** 2
    return levels[squared.argmin(-1)]


def _strokes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Straight lines of random width and brightness."""
    pattern = np.zeros((height, width), np.float32)
    longest = max(height, width)
    for _ in range(int(rng.integers(6, 18))):
        start, end = rng.uniform(-0.1, 1.1, (2, 2)) * (width, height)
        thickness = max(1, round(rng.uniform(0.008, 0.05) * longest))
        level = float(rng.uniform(-1.6, 1.6))
        cv2.line(pattern, _point(start), _point(end), level, thickness, cv2.LINE_8)
    return pattern


def _point(xy: np.ndarray) -> tuple[int, int]:
    return round(float(xy[0])), round(float(xy[1]))


TEXTURES: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "fractal": _plain,
    "panels": _panels,
    "ramp": _ramp,
    "waves": _waves,
    "cells": _cells,
    "strokes": _strokes,
}
