"""Questions about clips as token ids at random, of the lengths that real prompts have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from critic_models.engine import Branch, WorkItem
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.positions import prefix_positions
from critic_models.vlm.prompts import Prefix, VisualGrid

from benchmarks.shapes import Shape

TEMPLATE_TOKENS, TIMESTAMP_TOKENS, QUESTION_TOKENS = 40, 7, 30
SECONDS_PER_PATCH = 1.0  # transformers before 5.18 truncates anything that is not whole
WORDS = (5, 490)
ANSWERS = ("yes", "no")
ANSWER_IDS = (3, 4)
GATE_ANSWERS = 64


def clip(shape: Shape, seed: int, device: torch.device, dtype: torch.dtype) -> PreparedClip:
    """A clip as patches on the host, ready to be sent to the device."""
    t, h, w = shape.patch_grid
    patch = shape.vision["patch_size"]
    pixels = torch.randn(t * h * w, 6 * patch**2, generator=torch.Generator().manual_seed(seed))
    patches = pixels.to(dtype)
    seconds = tuple(SECONDS_PER_PATCH * i for i in range(t))
    return PreparedClip(
        f"clip-{seed}",
        patches.pin_memory() if device.type == "cuda" else patches,
        shape.patch_grid,
        VisualGrid(t, h // 2, w // 2, seconds, SECONDS_PER_PATCH),
    )


def work_item(shape: Shape, clips: Sequence[PreparedClip], num_questions: int) -> WorkItem:
    """Ask the first `num_questions` of one endless list of questions about the clips.

    The prompt is 40 tokens and the clips; a family that writes timestamps has nine tokens around
    every temporal patch, others two around a clip. A question is 30 tokens.
    """
    rng = np.random.default_rng(0)
    pad, start, end = shape.tokens
    parts = [rng.integers(*WORDS, TEMPLATE_TOKENS)]
    for each in clips:
        grid = each.grid
        groups = grid.temporal if shape.family.timestamps else 1
        for _ in range(groups):
            if shape.family.timestamps:
                parts.append(rng.integers(*WORDS, TIMESTAMP_TOKENS))
            parts += [[start], np.full(grid.num_tokens // groups, pad), [end]]
    ids = np.concatenate(parts)
    prefix = Prefix(ids, ids == pad, tuple(each.grid for each in clips))
    tokens_per_second = float(shape.vision.get("tokens_per_second", 1.0))
    positions, branch_start = prefix_positions(prefix, shape.family, "mrope-hf5", tokens_per_second)
    branches = tuple(
        Branch(f"q{i}", question(i), ANSWERS, ANSWER_IDS) for i in range(num_questions)
    )
    return WorkItem(tuple(clips), prefix, positions, branch_start, branches)


def question(index: int) -> np.ndarray:
    return np.random.default_rng(1 + index).integers(*WORDS, QUESTION_TOKENS)


def gated(item: WorkItem) -> WorkItem:
    """The same questions with 64 answers each, so that a hidden state is seen from many sides."""
    ids = tuple(range(WORDS[0], WORDS[0] + GATE_ANSWERS))
    words = tuple(map(str, ids))
    return replace(
        item, branches=tuple(replace(b, words=words, answer_ids=ids) for b in item.branches)
    )
