"""A clip made ready for a critic: resized, normalised, cut into patches; done once per clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from critic_kernels import frame_patches
from critic_kernels.frame_patches import FrameBatch
from critic_kernels.frame_patches.api import Impl as FramePatchesImpl

from critic_models.types import Clip
from critic_models.video.resize import qwen3_smart_resize, qwen_smart_resize
from critic_models.vlm.families import Family
from critic_models.vlm.prompts import VisualGrid
from critic_models.vlm.spec import CriticSpec


@dataclass(frozen=True)
class VisionShape:
    """The constants of a vision tower, from its configuration."""

    patch_size: int
    temporal_patch_size: int
    merge_size: int
    tokens_per_second: float


@dataclass(frozen=True, eq=False)
class PreparedClip:
    """What the engine needs of a clip.

    Attributes:
        clip_id: hash of the clip's bytes.
        patches: float32 `[t * h * w, C * tp * p * p]` for the grid before merging; None where the
            engine's device is to cut them from `frames`.
        patch_grid: `(t, h, w)` before merging.
        grid: the same clip as the language model meets it.
        frames: uint8 `[T, H, W, 3]` as decoded, where there are no patches yet.
        source_indices: which frames of the source these are.

    Raises:
        ValueError: where there are both patches and frames, or neither.
    """

    clip_id: str
    patches: torch.Tensor | None
    patch_grid: tuple[int, int, int]
    grid: VisualGrid
    frames: torch.Tensor | None = None
    source_indices: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.patches is None) == (self.frames is None):
            raise ValueError("a prepared clip has either patches or frames")

    @property
    def num_tokens(self) -> int:
        return self.grid.num_tokens

    @cached_property
    def key(self) -> str:
        """Clips with equal keys look alike to a critic, and are encoded once.

        The bytes alone do not say it: they may have been sampled and resized in several ways.
        """
        return f"{self.clip_id}:{self.patch_grid}:{self.grid.seconds}:{self.source_indices}"


def frame_size(clip: Clip, spec: CriticSpec, shape: VisionShape) -> tuple[int, int]:
    """Choose height and width that a clip is resized to, by the critic's pixel budget."""
    unit = shape.patch_size * shape.merge_size
    if spec.budget_unit == "clip":
        return qwen3_smart_resize(
            max(clip.num_frames, shape.temporal_patch_size),
            clip.height,
            clip.width,
            unit,
            spec.min_pixels,
            spec.max_pixels,
            shape.temporal_patch_size,
        )
    return qwen_smart_resize(clip.height, clip.width, unit, spec.min_pixels, spec.max_pixels)


def prepare_clip(
    clip: Clip, spec: CriticSpec, family: Family, shape: VisionShape, *, cut_patches: bool = True
) -> PreparedClip:
    """Make a clip ready for a critic. Pure; safe to call from many threads.

    Args:
        cut_patches: whether to resize and cut here, in the caller's thread; else the frames are
            kept as they are, for `patches_of_frames` on the engine's device.
    """
    height, width = frame_size(clip, spec, shape)
    per_patch = shape.temporal_patch_size
    times = np.pad(clip.times_s, (0, -clip.num_frames % per_patch), mode="edge")
    times = times.reshape(-1, per_patch)
    seconds = tuple(float(t) for t in (times[:, 0] + times[:, -1]) / 2)
    grid_h, grid_w = height // shape.patch_size, width // shape.patch_size
    grid = VisualGrid(
        temporal=len(seconds),
        height=grid_h // shape.merge_size,
        width=grid_w // shape.merge_size,
        seconds=seconds,
        seconds_per_patch=per_patch * _seconds_between_frames(clip),
    )
    patch_grid = (len(seconds), grid_h, grid_w)
    frames = torch.from_numpy(np.ascontiguousarray(clip.frames))
    patches = patches_of_frames([frames], [patch_grid], family, shape) if cut_patches else None
    return PreparedClip(
        clip.clip_id,
        patches,
        patch_grid,
        grid,
        frames=None if cut_patches else frames,
        source_indices=tuple(int(i) for i in clip.source_indices),
    )


def patches_of_frames(
    frames: FrameBatch | Sequence[torch.Tensor],
    grids: Sequence[tuple[int, int, int]],
    family: Family,
    shape: VisionShape,
    dtype: torch.dtype = torch.float32,
    impl: FramePatchesImpl = "reference",
) -> torch.Tensor:
    """Resize and cut the frames of some clips, where they lie.

    Args:
        frames: uint8 `[T, H, W, 3]` each.
        grids: the patch grid `(t, h, w)` of each clip.

    Returns:
        `[N, C * tp * p * p]` on the frames' device, the clips one after another.
    """
    return frame_patches(
        frames,
        [(h * shape.patch_size, w * shape.patch_size) for _, h, w in grids],
        patch_size=shape.patch_size,
        temporal_patch_size=shape.temporal_patch_size,
        merge_size=shape.merge_size,
        mean=family.mean,
        std=family.std,
        dtype=dtype,
        impl=impl,
    )


def _seconds_between_frames(clip: Clip) -> float:
    if clip.num_frames < 2:
        return 1.0 / clip.source_fps if clip.source_fps > 0 else 0.0
    return float(clip.times_s[-1] - clip.times_s[0]) / (clip.num_frames - 1)
