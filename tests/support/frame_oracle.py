"""Clips of noise, and the rows that they must become, built pixel by pixel."""

from __future__ import annotations

import numpy as np
import torch

HALF = (0.5, 0.5, 0.5)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def noise(num_frames: int, height: int, width: int) -> torch.Tensor:
    """A clip with the hardest edges: uint8 `[T, H, W, 3]`, half of it black or full.

    A hash of the pixel's index, so that the same sizes give the same pixels everywhere.
    """
    shape = (num_frames, height, width, 3)
    bits = np.arange(num_frames * height * width * 3, dtype=np.uint64) + np.uint64(width)
    for factor in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93):
        bits *= np.uint64(factor)
        bits ^= bits >> np.uint64(32)
    extreme = (bits >> np.uint64(8)) % np.uint64(2) * np.uint64(255)
    pixels = np.where((bits >> np.uint64(9)) % np.uint64(2), extreme, bits % np.uint64(256))
    return torch.from_numpy(pixels.astype(np.uint8).reshape(shape))


def rows_by_definition(
    pixels: np.ndarray,
    patch: int,
    merge: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    temporal: int = 2,
) -> np.ndarray:
    """Write every row by its definition: merge block by merge block, frame group by frame group."""
    missing = -len(pixels) % temporal
    pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
    values = (pixels / 255.0 - np.array(mean)) / np.array(std)
    rows = []
    for t in range(0, len(pixels), temporal):
        for top in range(0, pixels.shape[1], patch * merge):
            for left in range(0, pixels.shape[2], patch * merge):
                for dy in range(merge):
                    for dx in range(merge):
                        y, x = top + dy * patch, left + dx * patch
                        cut = values[t : t + temporal, y : y + patch, x : x + patch]
                        rows.append(cut.transpose(3, 0, 1, 2).ravel())
    return np.stack(rows)
