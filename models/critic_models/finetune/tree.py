"""Prefix and branches of a rectangular training batch.

Serving packs ragged trees one after another; in training all clips of a batch have equal prefixes
in length and equally many questions, padded to two lengths, so that a batch is a few dense
products. Padding comes after a branch's end, where causal order hides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from critic_models.vlm.families import FAMILIES
from critic_models.vlm.positions import PositionVersion, branch_positions, prefix_positions
from critic_models.vlm.prompts import VisualGrid, build_prefix
from critic_models.vlm.tokens import PromptTokenizer

POSITIONS: PositionVersion = "mrope-hf5"
"""critic-nano's version of the rotary positions."""


@dataclass(frozen=True)
class TreeShape:
    """`prefix` rows, then for every group its number of branches and their padded length."""

    prefix: int
    groups: tuple[tuple[int, int], ...]

    @property
    def num_tokens(self) -> int:
        return self.prefix + sum(count * length for count, length in self.groups)


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree as tensors.

    Attributes:
        shape: see there.
        positions: int64 `[3, L]`.
        is_visual: bool `[L]`, which rows are visual.
        patch_ends: int64 `[P]`, rows of the tokens that end the temporal patches.
    """

    shape: TreeShape
    positions: torch.Tensor
    is_visual: torch.Tensor
    patch_ends: torch.Tensor

    def to(self, device: torch.device) -> Tree:
        """Move the tensors."""
        moved = (self.positions, self.is_visual, self.patch_ends)
        return Tree(self.shape, *(tensor.to(device) for tensor in moved))


def build_tree(
    tokenizer: PromptTokenizer,
    grids: Sequence[VisualGrid],
    branches: Sequence[Sequence[Sequence[np.ndarray]]],
) -> tuple[Tree, np.ndarray, np.ndarray]:
    """Write a batch of prompts.

    Args:
        grids: of each clip; equal but for their times.
        branches: for each clip, groups of branches (token ids).

    Returns:
        The tree, ids int64 `[B, L]` and the last row of every branch, int64 `[B, Q]`.

    Raises:
        ValueError: where clips differ in the length of their prefixes or number of branches.
    """
    family = FAMILIES["qwen3_vl"]
    prefixes = [build_prefix(tokenizer, family, [grid], None) for grid in grids]
    head = prefixes[0]
    counts = [len(group) for group in branches[0]]
    if any(len(p.ids) != len(head.ids) for p in prefixes) or any(
        [len(group) for group in groups] != counts for groups in branches
    ):
        raise ValueError("clips of a training batch need equal prefixes and numbers of questions")
    lengths = [
        max(len(branch) for groups in branches for branch in groups[i]) for i in range(len(counts))
    ]
    shape = TreeShape(len(head.ids), tuple(zip(counts, lengths, strict=True)))
    pad = tokenizer.special_id("<|endoftext|>")
    ids = np.full((len(prefixes), shape.num_tokens), pad, np.int64)
    ends = np.empty((len(prefixes), sum(counts)), np.int64)
    for clip, (prefix, groups) in enumerate(zip(prefixes, branches, strict=True)):
        ids[clip, : shape.prefix] = prefix.ids
        row, column = shape.prefix, 0
        for group, length in zip(groups, lengths, strict=True):
            for branch in group:
                ids[clip, row : row + len(branch)] = branch
                ends[clip, column] = row + len(branch) - 1
                row, column = row + length, column + 1

    positions, start = prefix_positions(head, family, POSITIONS, tokens_per_second=1.0)
    own = [branch_positions(start, length) for count, length in shape.groups for _ in range(count)]
    is_visual = np.zeros(shape.num_tokens, bool)
    is_visual[: shape.prefix] = head.is_visual
    tree = Tree(
        shape,
        torch.from_numpy(np.concatenate([positions, *own], axis=1)),
        torch.from_numpy(is_visual),
        torch.from_numpy(np.flatnonzero(head.ids == tokenizer.special_id("<|vision_end|>"))),
    )
    return tree, ids, ends
