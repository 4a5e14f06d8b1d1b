"""Small clips that are the same on every machine: integer arithmetic from a seed, and one file.

Other code renders nicer clips, but floating point and image libraries differ in the last bit from
processor to processor. Nothing here does, so a score that moves has moved in the critic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from critic_models.video.encode import encode_mp4

FILE_CLIP = "file"
_SEED = 97
_CELL_PX = 16
_CRF = 30

_SHAPES: dict[str, tuple[int, int, int, float]] = {
    "native size": (8, 128, 128, 8.0),
    "wide, odd count": (11, 90, 162, 12.0),
    "tall, longer": (26, 200, 152, 24.0),
}
"""Frames, height, width and rate: with and without resizing, with and without a choice of frames.
"""


def golden_frames() -> dict[str, tuple[np.ndarray, float]]:
    """Draw the clips that are given as frames: uint8 `[T, H, W, 3]` and frames per second."""
    clips: dict[str, tuple[np.ndarray, float]] = {}
    for index, (name, (count, height, width, fps)) in enumerate(_SHAPES.items()):
        frames = _draw(np.random.default_rng([_SEED, index]), count, height, width)
        clips[name] = (frames, fps)
    frames, fps = clips["native size"]
    for index, (name, spoil) in enumerate(_DEFECTS.items()):
        clips[name] = (spoil(frames, np.random.default_rng([_SEED, 100 + index])), fps)
    return clips


def golden_file() -> bytes:
    """Encode the clip that is given as an MP4; its bytes belong to one version of x264."""
    frames = _draw(np.random.default_rng([_SEED, 50]), 10, 96, 128)
    return encode_mp4(frames, 10.0, _CRF)


def _draw(rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    """Move a disc from right to left over a smooth pattern."""
    ground = _smooth_pattern(rng, height, width)
    rows, columns = np.mgrid[0:height, 0:width]
    radius = min(height, width) // 6
    frames = np.empty((count, height, width, 3), np.uint8)
    for t, frame in enumerate(frames):
        x = width - radius - (width - 2 * radius) * t // max(1, count - 1)
        inside = (rows - height // 2) ** 2 + (columns - x) ** 2 <= radius**2
        frame[:] = np.where(inside[..., None], (215, 45, 50), ground)
    return frames


def _smooth_pattern(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Interpolate random cells linearly; int64 `[height, width, 3]` in [40, 200]."""
    cells = rng.integers(40, 201, (height // _CELL_PX + 2, width // _CELL_PX + 2, 3))
    y, fy = np.divmod(np.arange(height), _CELL_PX)
    x, fx = np.divmod(np.arange(width), _CELL_PX)
    fy, fx = fy[:, None, None], fx[None, :, None]
    upper = cells[y][:, x] * (_CELL_PX - fx) + cells[y][:, x + 1] * fx
    lower = cells[y + 1][:, x] * (_CELL_PX - fx) + cells[y + 1][:, x + 1] * fx
    pattern: np.ndarray = (upper * (_CELL_PX - fy) + lower * fy) // _CELL_PX**2
    return pattern


def _noisy(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grain = rng.integers(-40, 41, frames.shape)
    return np.clip(frames + grain, 0, 255).astype(np.uint8)


def _blurred(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    padded = np.pad(frames, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge").astype(np.int64)
    height, width = frames.shape[1:3]
    total = sum(padded[:, y : y + height, x : x + width] for y in range(7) for x in range(7))
    return (np.asarray(total) // 49).astype(np.uint8)


def _flickering(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gains = rng.integers(180, 333, (len(frames), 1, 1, 1))
    return np.minimum(frames * gains // 256, 255).astype(np.uint8)


def _frozen(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sources = np.arange(len(frames))
    sources[2:6] = 2
    return frames[sources]


_DEFECTS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "noisy": _noisy,
    "blurred": _blurred,
    "flickering": _flickering,
    "frozen": _frozen,
}
