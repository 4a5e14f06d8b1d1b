"""The public door of frame patching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

Impl = Literal["reference"]


def frame_patches(
    frames: torch.Tensor,
    size: tuple[int, int],
    *,
    patch_size: int,
    temporal_patch_size: int = 2,
    merge_size: int = 2,
    mean: Sequence[float],
    std: Sequence[float],
    impl: Impl = "reference",
) -> torch.Tensor:
    """Resize, normalise and cut frames into patches, as the Qwen-VL video processors do.

    Frames are resized with antialiased bicubic interpolation on uint8, normalised, and cut into
    rows ordered `(t, block_h, block_w, in_h, in_w)` with columns `(channel, frame, ph, pw)`. A
    last odd frame is repeated until the temporal patch is full.

    Args:
        frames: uint8 `[T, H, W, 3]`.
        size: height and width to resize to; multiples of `patch_size * merge_size`.
        mean, std: of the three channels, for pixels in [0, 1].

    Returns:
        float32 `[ceil(T / tp) * (h / p) * (w / p), 3 * tp * p * p]`.

    Raises:
        ValueError: where shape, dtype or size do not fit, or `impl` is unknown.
    """
    unit = patch_size * merge_size
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != torch.uint8:
        raise ValueError(
            f"frames must be uint8 [T, H, W, 3]; found {frames.dtype} {tuple(frames.shape)}"
        )
    if frames.shape[0] == 0 or size[0] <= 0 or size[1] <= 0 or size[0] % unit or size[1] % unit:
        raise ValueError(f"need at least one frame and sides that are multiples of {unit}: {size}")
    if impl == "reference":
        from critic_kernels.frame_patches.reference import to_patches

        return to_patches(frames, size, patch_size, temporal_patch_size, merge_size, mean, std)
    raise ValueError(f"frame_patches has no implementation {impl!r}; it has: reference")
