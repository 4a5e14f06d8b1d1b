"""Frame patching in plain torch: the readable truth, and the path of a CPU.

On a CPU, torch resizes uint8 images in two integer passes, width first, with rounding to uint8
after each; this is what the published processors run there, so the values are theirs bit for bit.
Elsewhere torch has no such resize. There the same two passes are products of float64 matrices,
exact because every sum stays far below 2^53.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from critic_kernels.frame_patches.layout import PatchLayout, normalisation
from critic_kernels.frame_patches.resample import Axis, Resample, axis


def to_patches(
    clips: Sequence[torch.Tensor],
    sizes: Sequence[tuple[int, int]],
    layout: PatchLayout,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype,
    resample: Resample,
) -> torch.Tensor:
    """Compute what `critic_kernels.frame_patches` promises; shapes as there."""
    counts = [layout.rows(len(clip), size) for clip, size in zip(clips, sizes, strict=True)]
    device = clips[0].device if clips else None
    rows = torch.empty(sum(counts), layout.columns, dtype=dtype, device=device)
    for clip, size, part in zip(clips, sizes, rows.split(counts), strict=True):
        _write_patches(_resize(clip, size, resample), layout, mean, std, part)
    return rows


def resize_in_two_passes(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize uint8 `[T, 3, H, W]` as torch does on a CPU, on any device; a frame at a time."""
    across = axis(images.shape[3], size[1], "uint8")
    down = axis(images.shape[2], size[0], "uint8")
    weights = [torch.from_numpy(a.matrix()).to(images.device) for a in (across, down)]
    frames = []
    for image in images:
        narrow = _levels(image.double() @ weights[0], across)
        frames.append(_levels(narrow.transpose(1, 2) @ weights[1], down).transpose(1, 2))
    return torch.stack(frames).to(torch.uint8)


def _levels(total: torch.Tensor, along: Axis) -> torch.Tensor:
    one = 1 << along.shift
    return ((total + one // 2) / one).floor().clamp(0, 255)


def _resize(clip: torch.Tensor, size: tuple[int, int], resample: Resample) -> torch.Tensor:
    """Return a clip, uint8 `[T, H, W, 3]`, as whole levels `[T, 3, h, w]`."""
    images = clip.permute(0, 3, 1, 2)
    if tuple(images.shape[2:]) == tuple(size):
        return images
    if resample == "uint8" and images.device.type != "cpu":
        return resize_in_two_passes(images, size)
    if resample == "float":
        images = images.float()
    resized = F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(0, 255).round() if resample == "float" else resized


def _write_patches(
    images: torch.Tensor,
    layout: PatchLayout,
    mean: Sequence[float],
    std: Sequence[float],
    rows: torch.Tensor,
) -> None:
    """Cut levels `[T, 3, h, w]` into patches, then normalise them into `rows`.

    In this order because the cut is the slow part, and levels are a quarter of the bytes.
    """
    missing = -images.shape[0] % layout.temporal_patch_size
    if missing:
        images = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)])
    patch, merge = layout.patch_size, layout.merge_size
    levels = images.view(
        -1,
        layout.temporal_patch_size,
        3,
        images.shape[2] // layout.block,
        merge,
        patch,
        images.shape[3] // layout.block,
        merge,
        patch,
    ).permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    levels = levels.reshape(len(rows), 3, -1)
    centre, spread = (x.view(3, 1) for x in normalisation(mean, std, images.device))
    torch.div(levels.to(torch.float32).sub_(centre), spread, out=rows.view(levels.shape))
