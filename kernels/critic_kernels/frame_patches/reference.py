"""Frame patching in plain torch.

torch resizes uint8 images on a CPU in two integer passes with rounding between them; this is what
the published processors run, so the values agree with theirs bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def to_patches(
    frames: torch.Tensor,
    size: tuple[int, int],
    patch_size: int,
    temporal_patch_size: int,
    merge_size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> torch.Tensor:
    """Compute what `critic_kernels.frame_patches` promises; shapes as there."""
    images = frames.permute(0, 3, 1, 2)
    if tuple(images.shape[2:]) != size:
        images = F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)
    missing = -images.shape[0] % temporal_patch_size
    if missing:
        images = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)])
    centre = images.new_tensor(mean, dtype=torch.float32).mul(255).view(1, 3, 1, 1)
    spread = images.new_tensor(std, dtype=torch.float32).mul(255).view(1, 3, 1, 1)
    pixels = (images.to(torch.float32) - centre) / spread
    grid_h, grid_w = size[0] // patch_size, size[1] // patch_size
    pixels = pixels.view(
        -1,
        temporal_patch_size,
        3,
        grid_h // merge_size,
        merge_size,
        patch_size,
        grid_w // merge_size,
        merge_size,
        patch_size,
    )
    rows = pixels.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return rows.reshape(-1, 3 * temporal_patch_size * patch_size * patch_size)
