"""Clips as they come: good ones, large ones, and files that only pretend."""

from __future__ import annotations

import numpy as np
from critic_models.video.encode import encode_mp4


def moving_square(
    num_frames: int = 12, height: int = 128, width: int = 160, *, step: int = 6, seed: int = 0
) -> np.ndarray:
    """A square that crosses a textured background; uint8 `[T, H, W, 3]`."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    background = coarse.repeat(8, 0).repeat(8, 1)[:height, :width]
    frames = np.repeat(background[None], num_frames, 0)
    side = height // 4
    for t in range(num_frames):
        left = (t * step) % (width - side)
        frames[t, side : 2 * side, left : left + side] = (220, 40, 40)
    return frames


def good_mp4(seed: int = 0) -> bytes:
    return encode_mp4(moving_square(seed=seed), fps=12)


def large_mp4() -> bytes:
    """A short 4K clip: small as a file, 25 MB for every decoded frame."""
    return encode_mp4(moving_square(8, 2160, 3840, step=40), fps=8, crf=30)


def truncated_mp4() -> bytes:
    whole = good_mp4(seed=1)
    return whole[: len(whole) // 2]


TEXT_FILE = b"this is not a video, whatever its name says\n" * 20
