"""Scenes with a known motion, rendered to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

Pan = Callable[..., np.ndarray]

_TEXTURE = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8),
    (960, 640),
    interpolation=cv2.INTER_CUBIC,
)


def _pan(offsets: Sequence[float], height: int = 128, width: int = 192) -> np.ndarray:
    """Look at a texture from points `offsets` pixels to the right; `[T, H, W, 3]` uint8."""
    frames = []
    for offset in offsets:
        shift = np.array([[1, 0, -100.0 - offset], [0, 1, -100.0]], dtype=np.float32)
        frames.append(cv2.warpAffine(_TEXTURE, shift, (width, height), flags=cv2.INTER_LINEAR))
    return np.stack(frames)


def _crossing(offsets: Sequence[float], height: int = 128, width: int = 192) -> np.ndarray:
    """A textured square in front of a still, plain wall."""
    frames = np.full((len(offsets), height, width, 3), 90, dtype=np.uint8)
    for frame, offset in zip(frames, offsets, strict=True):
        shift = np.array([[1, 0, 20.0 + offset], [0, 1, 40.0]], dtype=np.float32)
        square = cv2.warpAffine(
            _TEXTURE[300:348, 300:348],
            shift,
            (width, height),
            dst=frame.copy(),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
        frame[:] = square
    return frames


@pytest.fixture(scope="session")
def pan() -> Pan:
    return _pan


@pytest.fixture(scope="session")
def crossing() -> Pan:
    return _crossing
