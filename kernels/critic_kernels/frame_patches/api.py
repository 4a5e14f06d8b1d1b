"""The public door of frame patching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from critic_kernels.frame_patches.frames import FrameBatch, check_clips
from critic_kernels.frame_patches.layout import PatchLayout
from critic_kernels.frame_patches.resample import Resample

Impl = Literal["reference", "triton"]
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def frame_patches(
    clips: FrameBatch | Sequence[torch.Tensor],
    sizes: Sequence[tuple[int, int]],
    *,
    patch_size: int,
    temporal_patch_size: int = 2,
    merge_size: int = 2,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype = torch.float32,
    resample: Resample = "uint8",
    impl: Impl = "reference",
) -> torch.Tensor:
    """Resize, normalise and cut clips into patches, as the Qwen-VL video processors do.

    Clips may differ in size and length. Frames are resized with antialiased bicubic interpolation,
    normalised, and cut into rows ordered `(t, block_h, block_w, in_h, in_w)` with columns
    `(channel, frame, ph, pw)`. A clip that ends inside a temporal patch repeats its last frame. A
    clip that has its size already is not resampled.

    Args:
        clips: uint8 `[T, H, W, 3]` each, all on one device; or the same packed in one buffer, which
            the Triton kernel reads where it lies (clips handed over one by one it packs first).
        sizes: height and width to resize each clip to; multiples of `patch_size * merge_size`.
        mean, std: of the three channels, for pixels in [0, 1].
        dtype: of the result. Values are computed in float32 and rounded once.
        resample: `uint8` is the processors' arithmetic on a CPU: integer weights, rounding to uint8
            between the passes. `float` is their arithmetic on a GPU: float32 throughout, rounded
            once; it differs by some levels.
        impl: the implementation; never chosen in silence.

    Returns:
        `[sum of ceil(T / tp) * (h / p) * (w / p), 3 * tp * p * p]` on the device of the clips,
        clips one after another. Bit-equal between implementations for `uint8`; for `float` they may
        round a value that lies halfway between two levels to different sides.

    Raises:
        ValueError: where shapes, dtypes, devices or sizes do not fit, or a choice is unknown.
    """
    layout = PatchLayout(patch_size, temporal_patch_size, merge_size)
    if not isinstance(clips, FrameBatch):
        check_clips(clips)
    _validate(clips, sizes, layout, mean, std)
    if dtype not in DTYPES:
        raise ValueError(f"patches can be {', '.join(map(str, DTYPES))}; not {dtype}")
    if resample not in ("uint8", "float"):
        raise ValueError(f"frames can be resampled as uint8 or float, not {resample!r}")
    if impl == "reference":
        from critic_kernels.frame_patches.reference import to_patches

        views = clips.clips if isinstance(clips, FrameBatch) else clips
        return to_patches(views, sizes, layout, mean, std, dtype, resample)
    if impl == "triton":
        from critic_kernels.frame_patches.triton import launch

        batch = clips if isinstance(clips, FrameBatch) else FrameBatch.of(clips)
        return launch(batch, sizes, layout, mean, std, dtype, resample)
    raise ValueError(f"frame_patches has no implementation {impl!r}; it has: reference, triton")


def _validate(
    clips: FrameBatch | Sequence[torch.Tensor],
    sizes: Sequence[tuple[int, int]],
    layout: PatchLayout,
    mean: Sequence[float],
    std: Sequence[float],
) -> None:
    num_clips = len(clips.shapes if isinstance(clips, FrameBatch) else clips)
    if len(sizes) != num_clips:
        raise ValueError(f"{num_clips} clips need as many sizes; found {len(sizes)}")
    for size in sizes:
        if len(size) != 2 or min(size) < 1 or size[0] % layout.block or size[1] % layout.block:
            raise ValueError(
                f"a size is a height and a width, multiples of {layout.block}; found {size}"
            )
    if len(mean) != 3 or len(std) != 3 or not all(std):
        raise ValueError(f"mean and std need three values each, std none of 0: {mean}, {std}")
