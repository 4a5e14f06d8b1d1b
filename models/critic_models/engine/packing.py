"""Work items to one packed batch: pure functions of numpy, no model and no device.

Equal prefixes are packed once, whoever asked; every question is a branch that sees its prefix and
itself. Distinct clips appear once among the patches, however many prefixes show them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from critic_kernels import SegmentLayout

from critic_models.engine.work import WorkItem
from critic_models.vlm.positions import branch_positions


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """All that crosses to the engine's device for one forward.

    Attributes:
        patches: float32 `[N, C * tp * p * p]` of the distinct clips.
        grids: `(t, h, w)` of each distinct clip, before merging.
        ids: int64 `[L]`.
        positions: int64 `[3, L]`.
        layout: prefixes and branches.
        visual_rows: int64 `[V]`, rows of `ids` that stand for visual tokens.
        vision_rows: int64 `[V]`, for each the row of the vision tower's output to put there.
        branch_ends: int64 `[B]`, the last row of every branch, items in order.
        branches_per_item: how many of these belong to each item.
    """

    patches: torch.Tensor
    grids: tuple[tuple[int, int, int], ...]
    ids: torch.Tensor
    positions: torch.Tensor
    layout: SegmentLayout
    visual_rows: torch.Tensor
    vision_rows: torch.Tensor
    branch_ends: torch.Tensor
    branches_per_item: tuple[int, ...]

    @property
    def num_tokens(self) -> int:
        return int(self.ids.shape[0])


def pack(items: Sequence[WorkItem]) -> PackedBatch:
    """Pack items into one sequence. The order of items is kept in `branch_ends`."""
    if not items:
        raise ValueError("a batch needs at least one item")
    patches, grids, first_row = _distinct_clips(items)
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(item.prefix_key, []).append(index)

    ids: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    shape: list[tuple[int, list[int]]] = []
    visual_rows: list[np.ndarray] = []
    vision_rows: list[np.ndarray] = []
    ends: list[list[int]] = [[] for _ in items]
    row = 0
    for members in groups.values():
        head = items[members[0]]
        ids.append(head.prefix.ids)
        positions.append(head.prefix_positions)
        visual_rows.append(np.flatnonzero(head.prefix.is_visual) + row)
        for key, clip in zip(head.prefix_key, head.clips, strict=True):
            start = first_row[key]
            vision_rows.append(np.arange(start, start + clip.num_tokens))
        row += len(head.prefix.ids)
        lengths: list[int] = []
        for index in members:
            for branch in items[index].branches:
                ids.append(branch.ids)
                positions.append(branch_positions(items[index].branch_start, len(branch.ids)))
                lengths.append(len(branch.ids))
                row += len(branch.ids)
                ends[index].append(row - 1)
        shape.append((len(head.prefix.ids), lengths))

    return PackedBatch(
        patches=patches,
        grids=grids,
        ids=torch.from_numpy(np.concatenate(ids)),
        positions=torch.from_numpy(np.concatenate(positions, axis=1)),
        layout=SegmentLayout.tree(shape),
        visual_rows=torch.from_numpy(np.concatenate(visual_rows)),
        vision_rows=torch.from_numpy(np.concatenate(vision_rows)),
        branch_ends=torch.tensor([end for item in ends for end in item], dtype=torch.int64),
        branches_per_item=tuple(len(item.branches) for item in items),
    )


def split_by_budget(items: Sequence[WorkItem], max_tokens: int) -> list[list[int]]:
    """Cut a sequence of items into runs of at most `max_tokens`; a larger item runs alone."""
    runs: list[list[int]] = []
    used = 0
    for index, item in enumerate(items):
        if not runs or used + item.num_tokens > max_tokens:
            runs.append([])
            used = 0
        runs[-1].append(index)
        used += item.num_tokens
    return runs


def _distinct_clips(
    items: Sequence[WorkItem],
) -> tuple[torch.Tensor, tuple[tuple[int, int, int], ...], dict[str, int]]:
    """Patches of every distinct clip, their grids, and the first merged row of each."""
    first_row: dict[str, int] = {}
    patches, grids = [], []
    row = 0
    for item in items:
        for key, clip in zip(item.prefix_key, item.clips, strict=True):
            if key in first_row:
                continue
            first_row[key] = row
            row += clip.num_tokens
            patches.append(clip.patches)
            grids.append(clip.patch_grid)
    return torch.cat(patches), tuple(grids), first_row
