"""An item of blank frames, to run before any real one comes."""

from __future__ import annotations

import numpy as np
import torch

from critic_models.engine.work import Branch, WorkItem
from critic_models.vlm.model import CriticModel
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.prompts import Prefix, VisualGrid

VISUAL_TOKENS = 4_096
SIDE = 16
"""In visual tokens: 448 pixels for patches of 14, 512 for 16."""

QUESTIONS, QUESTION_TOKENS = 16, 32


def synthetic_item(model: CriticModel, *, as_frames: bool) -> WorkItem:
    """Build questions about a clip of `VISUAL_TOKENS` visual tokens, all of token 0.

    Args:
        as_frames: whether the engine's device is to cut the patches.
    """
    shape = model.vision_shape
    temporal = VISUAL_TOKENS // SIDE**2
    patches_a_side = SIDE * shape.merge_size
    patch_grid = (temporal, patches_a_side, patches_a_side)
    pixels_a_side = patches_a_side * shape.patch_size
    clip = PreparedClip(
        clip_id="warm-up",
        patches=None
        if as_frames
        else torch.zeros(
            temporal * patches_a_side**2, 3 * shape.temporal_patch_size * shape.patch_size**2
        ),
        patch_grid=patch_grid,
        grid=VisualGrid(temporal, SIDE, SIDE, tuple(float(t) for t in range(temporal)), 1.0),
        frames=torch.zeros(
            temporal * shape.temporal_patch_size, pixels_a_side, pixels_a_side, 3, dtype=torch.uint8
        )
        if as_frames
        else None,
    )
    ids = np.zeros(clip.num_tokens, dtype=np.int64)
    prefix = Prefix(ids, np.ones(clip.num_tokens, dtype=bool), (clip.grid,))
    positions = np.tile(np.arange(clip.num_tokens), (3, 1))
    branches = tuple(
        Branch(str(i), np.zeros(QUESTION_TOKENS, dtype=np.int64), ("a", "b"), (0, 1))
        for i in range(QUESTIONS)
    )
    return WorkItem((clip,), prefix, positions, clip.num_tokens, branches)
