"""What film and lens make of the picture: fall-off to the corners, tone curve, tint and grain."""

from __future__ import annotations

import cv2
import numpy as np

from critic_models.world.shot import UNITS, Grade

_GRAIN_SLACK = 16


def develop(frames: np.ndarray, grade: Grade) -> np.ndarray:
    """Develop frames; uint8 `[T, H, W, 3]`, same shape."""
    height, width = frames.shape[1:3]
    table = _tone_table(grade)
    corners = _vignette(height, width, grade.vignette) if grade.vignette else None
    grain = _grain(height, width, grade) if grade.grain else None
    rng = np.random.default_rng([grade.seed, 41])
    out = np.empty_like(frames)
    for target, frame in zip(out, frames, strict=True):
        image = frame if corners is None else cv2.multiply(frame, corners, scale=1 / 255)
        cv2.LUT(image, table, dst=target)
        if grain is not None:
            down, right = (rng.random(2) * (np.asarray(grain.shape[:2]) - (height, width))).astype(
                int
            )
            patch = grain[down : down + height, right : right + width]
            cv2.add(target, patch, dst=target, dtype=cv2.CV_8U)
    return out


def _tone_table(grade: Grade) -> np.ndarray:
    """Tabulate gamma, an S-curve and a tint for each channel, uint8 `[1, 256, 3]`."""
    level = (np.arange(256) / 255.0) ** grade.gamma
    level = level + grade.contrast * (level * level * (3 - 2 * level) - level)
    tint = grade.warmth * 4 * level * (1 - level)
    channels = [255 * level + tint, 255 * level, 255 * level - tint]
    return np.clip(np.round(np.stack(channels, -1)), 0, 255).astype(np.uint8)[None]


def _vignette(height: int, width: int, strength: float) -> np.ndarray:
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (np.arange(height) + 0.5) / height * 2 - 1
    away = (x[None] ** 2 + y[:, None] ** 2) / 2
    return cv2.merge([cv2.convertScaleAbs(255 * (1 - strength * away * away))] * 3)


def _grain(height: int, width: int, grade: Grade) -> np.ndarray:
    """Draw grain of about one unit, with room to be shifted from frame to frame."""
    unit = min(height, width) / UNITS
    rng = np.random.default_rng([grade.seed, 43])
    grid = (round(height / unit) + _GRAIN_SLACK, round(width / unit) + _GRAIN_SLACK)
    grain = rng.standard_normal(grid, dtype=np.float32) * np.float32(grade.grain)
    if unit != 1.0:
        size = (width + round(_GRAIN_SLACK * unit), height + round(_GRAIN_SLACK * unit))
        smooth = cv2.INTER_CUBIC if unit > 1.0 else cv2.INTER_AREA
        grain = cv2.resize(grain, size, interpolation=smooth)
    return cv2.merge([np.clip(np.round(grain), -127, 127).astype(np.int8)] * 3)
