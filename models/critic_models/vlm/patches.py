"""A clip made ready for a critic: resized, normalised, cut into patches; done once per clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from critic_kernels import frame_patches

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
        patches: float32 `[t * h * w, C * tp * p * p]` for the grid before merging.
        patch_grid: `(t, h, w)` before merging.
        grid: the same clip as the language model meets it.
    """

    clip_id: str
    patches: torch.Tensor
    patch_grid: tuple[int, int, int]
    grid: VisualGrid

    @property
    def num_tokens(self) -> int:
        return self.grid.num_tokens


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


def prepare_clip(clip: Clip, spec: CriticSpec, family: Family, shape: VisionShape) -> PreparedClip:
    """Cut a clip into the patches that a critic reads. Pure; safe to call from many threads."""
    height, width = frame_size(clip, spec, shape)
    patches = frame_patches(
        torch.from_numpy(np.ascontiguousarray(clip.frames)),
        (height, width),
        patch_size=shape.patch_size,
        temporal_patch_size=shape.temporal_patch_size,
        merge_size=shape.merge_size,
        mean=family.mean,
        std=family.std,
    )
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
    return PreparedClip(clip.clip_id, patches, (len(seconds), grid_h, grid_w), grid)


def _seconds_between_frames(clip: Clip) -> float:
    if clip.num_frames < 2:
        return 1.0 / clip.source_fps if clip.source_fps > 0 else 0.0
    return float(clip.times_s[-1] - clip.times_s[0]) / (clip.num_frames - 1)
