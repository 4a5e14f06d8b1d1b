"""Operations on the frames of a clip, uint8 `[T, H, W, 3]`; none changes its input."""

from __future__ import annotations

import cv2
import numpy as np

_GRAIN_SLACK = 24


def shift(frames: np.ndarray, offsets_px: np.ndarray) -> np.ndarray:
    """Displace each frame by `(x, y)` pixels, float64 `[T, 2]`; what comes in is mirrored."""
    height, width = frames.shape[1:3]
    out = np.empty_like(frames)
    for target, frame, (x, y) in zip(out, frames, offsets_px, strict=True):
        matrix = np.asarray([[1, 0, x], [0, 1, y]], np.float64)
        cv2.warpAffine(frame, matrix, (width, height), dst=target, borderMode=cv2.BORDER_REFLECT)
    return out


def blur(frames: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur by a Gaussian."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma_px) for frame in frames])


def scale(frames: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Multiply each frame by its gain, float64 `[T]`; what is too bright is clipped."""
    return np.stack([cv2.convertScaleAbs(f, alpha=g) for f, g in zip(frames, gains, strict=True)])


def add_noise(
    frames: np.ndarray, deviation: float, unit: float, rng: np.random.Generator
) -> np.ndarray:
    """Add Gaussian grain, independent in every frame.

    Args:
        frames: the clip.
        deviation: of 255.
        unit: size of a grain, in pixels.
        rng: of the grain.
    """
    height, width = frames.shape[1:3]
    grid = (max(1, round(height / unit)), max(1, round(width / unit)))
    # A frame shows a part of one sheet of grain: no two frames show the same, and drawing numbers
    # for each would cost more than all else.
    sheet = (grid[0] + _GRAIN_SLACK, grid[1] + _GRAIN_SLACK, 3)
    sheet_of_grain = rng.standard_normal(sheet, dtype=np.float32) * np.float32(deviation)
    places = rng.choice(_GRAIN_SLACK**2, len(frames), replace=len(frames) > _GRAIN_SLACK**2)
    out = np.empty_like(frames)
    for target, frame, place in zip(out, frames, places, strict=True):
        down, right = divmod(int(place), _GRAIN_SLACK)
        grain = sheet_of_grain[down : down + grid[0], right : right + grid[1]]
        if grid != (height, width):
            grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.add(frame, grain, dst=target, dtype=cv2.CV_8U)
    return out


def trail(frames: np.ndarray, share: float) -> np.ndarray:
    """Let `share` of what was shown before shine through each frame."""
    out = np.empty_like(frames)
    shown = frames[0].astype(np.float32)
    for target, frame in zip(out, frames, strict=True):
        shown = cv2.addWeighted(frame.astype(np.float32), 1.0 - share, shown, share, 0.0)
        target[:] = np.round(shown)
    return out


def posterise(frames: np.ndarray, levels: int, rng: np.random.Generator) -> np.ndarray:
    """Keep only some levels of each channel; where they lie is random."""
    step = 255.0 / (levels - 1)
    values = np.arange(256)[:, None]
    phase = rng.uniform(-0.5, 0.5, 3) * step
    kept = np.clip(np.round((values - phase) / step) * step + phase, 0, 255)
    table = np.round(kept).astype(np.uint8)[None]
    return np.stack([cv2.LUT(frame, table) for frame in frames])


def compress(frames: np.ndarray, quality: int, unit: float) -> np.ndarray:
    """Add the error of JPEG at 128 lines, so that a block is always 8 units wide.

    Args:
        frames: the clip.
        quality: of JPEG, 1 to 100.
        unit: pixels to a unit.
    """
    height, width = frames.shape[1:3]
    grid = (max(8, round(width / unit)), max(8, round(height / unit)))
    out = np.empty_like(frames)
    for target, frame in zip(out, frames, strict=True):
        native = grid == (width, height)
        small = frame if native else cv2.resize(frame, grid, interpolation=cv2.INTER_AREA)
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))
        if native:
            target[:] = decoded
            continue
        error = decoded.astype(np.float32) - small
        error = cv2.resize(error, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.add(frame, error, dst=target, dtype=cv2.CV_8U)
    return out
