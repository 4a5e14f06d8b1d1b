"""Frame patches against an independent construction, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from critic_kernels import frame_patches

HALF = (0.5, 0.5, 0.5)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def clip(num_frames: int, height: int, width: int) -> torch.Tensor:
    rng = np.random.default_rng(num_frames * height + width)
    return torch.from_numpy(rng.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8))


def expected_rows(
    pixels: np.ndarray, patch: int, merge: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> np.ndarray:
    """Write every row by its definition: merge block by merge block, frame pair by frame pair."""
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    values = (pixels / 255.0 - np.array(mean)) / np.array(std)
    rows = []
    for t in range(0, len(pixels), 2):
        for top in range(0, pixels.shape[1], patch * merge):
            for left in range(0, pixels.shape[2], patch * merge):
                for dy in range(merge):
                    for dx in range(merge):
                        y, x = top + dy * patch, left + dx * patch
                        cut = values[t : t + 2, y : y + patch, x : x + patch]
                        rows.append(cut.transpose(3, 0, 1, 2).ravel())
    return np.stack(rows)


@pytest.mark.parametrize("num_frames", [1, 2, 5])
@pytest.mark.parametrize(("mean", "std"), [(HALF, HALF), (CLIP_MEAN, CLIP_STD)])
def test_rows_follow_the_definition(
    num_frames: int, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    frames = clip(num_frames, 64, 96)
    got = frame_patches(frames, (64, 96), patch_size=16, mean=mean, std=std)
    expected = expected_rows(frames.numpy(), 16, 2, mean, std)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-6)
    assert not np.allclose(got.numpy(), expected_rows(frames.numpy(), 16, 1, mean, std))


def test_resize_rounds_to_bytes_and_keeps_flat_colour() -> None:
    flat = torch.full((2, 50, 70, 3), 200, dtype=torch.uint8)
    got = frame_patches(flat, (64, 64), patch_size=16, mean=HALF, std=HALF)
    assert torch.allclose(got, torch.full_like(got, (200 - 127.5) / 127.5))
    resized = frame_patches(clip(2, 50, 70), (64, 64), patch_size=16, mean=HALF, std=HALF)
    levels = resized * 127.5 + 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        frame_patches(torch.zeros(2, 8, 8, 3), (32, 32), patch_size=16, mean=HALF, std=HALF)
    with pytest.raises(ValueError, match="multiples of 32"):
        frame_patches(clip(2, 32, 32), (32, 40), patch_size=16, mean=HALF, std=HALF)
    with pytest.raises(ValueError, match="at least one frame"):
        frame_patches(clip(2, 32, 32)[:0], (32, 32), patch_size=16, mean=HALF, std=HALF)
