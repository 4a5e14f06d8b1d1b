"""Work items to one packed batch: pure functions on the host, no model and no device.

Equal prefixes are packed once, whoever asked; every question is a branch that sees its prefix and
itself. Distinct clips are encoded once, however many prefixes show them, and not at all where
their features are still there from an earlier batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from critic_kernels import SegmentLayout

from critic_models.engine.work import Branch, WorkItem
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.positions import branch_positions


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """All that one forward is made from.

    Attributes:
        clips: the distinct clips by key, in the order of their rows in `vision_rows`.
        to_encode: those of them whose features are not known yet, in the same order.
        patches: of the clips to encode, float32 `[N, C * tp * p * p]`; no rows where they come as
            frames.
        grids: `(t, h, w)` of each clip to encode, before merging.
        ids: int64 `[L]`.
        positions: int64 `[3, L]`.
        layout: prefixes and branches.
        visual_rows: int64 `[V]`, rows of `ids` that stand for visual tokens.
        vision_rows: int64 `[V]`, for each the row of the clips' features to put there.
        branch_ends: int64 `[B]`, the last row of every branch, items in order.
        answer_ids: int64 `[B, A]`, the tokens that may answer each; rows of fewer answers are
            filled up with their first one, which is not read again.
        branches_per_item: how many of these belong to each item.
    """

    clips: dict[str, PreparedClip]
    to_encode: tuple[PreparedClip, ...]
    patches: torch.Tensor
    grids: tuple[tuple[int, int, int], ...]
    ids: torch.Tensor
    positions: torch.Tensor
    layout: SegmentLayout
    visual_rows: torch.Tensor
    vision_rows: torch.Tensor
    branch_ends: torch.Tensor
    answer_ids: torch.Tensor
    branches_per_item: tuple[int, ...]

    @property
    def num_tokens(self) -> int:
        return int(self.ids.shape[0])

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> PackedBatch:
        """Return the same with every tensor but the pixels moved to where the forward runs."""
        return replace(
            self,
            ids=move(self.ids),
            positions=move(self.positions),
            visual_rows=move(self.visual_rows),
            vision_rows=move(self.vision_rows),
            branch_ends=move(self.branch_ends),
            answer_ids=move(self.answer_ids),
        )


def pack(items: Sequence[WorkItem], encoded: Collection[str] = ()) -> PackedBatch:
    """Pack items into one sequence. The order of items is kept in `branch_ends`.

    Args:
        encoded: keys of clips whose features are known.
    """
    if not items:
        raise ValueError("a batch needs at least one item")
    clips = {clip.key: clip for item in items for clip in item.clips}
    to_encode = tuple(clip for key, clip in clips.items() if key not in encoded)
    first_row = _first_rows(clips)
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
        for clip in head.clips:
            start = first_row[clip.key]
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
        clips=clips,
        to_encode=to_encode,
        patches=_patches(to_encode),
        grids=tuple(clip.patch_grid for clip in to_encode),
        ids=torch.from_numpy(np.concatenate(ids)),
        positions=torch.from_numpy(np.concatenate(positions, axis=1)),
        layout=SegmentLayout.tree(shape),
        visual_rows=torch.from_numpy(np.concatenate(visual_rows)),
        vision_rows=torch.from_numpy(np.concatenate(vision_rows)),
        branch_ends=torch.tensor([end for item in ends for end in item], dtype=torch.int64),
        answer_ids=_answer_ids([branch for item in items for branch in item.branches]),
        branches_per_item=tuple(len(item.branches) for item in items),
    )


def split_by_budget(
    items: Sequence[WorkItem],
    max_tokens: int,
    tokens_of: Callable[[WorkItem], int] = lambda item: item.num_tokens,
) -> list[list[int]]:
    """Cut a sequence of items into runs of at most `max_tokens`; a larger item runs alone.

    The order is kept. Neighbours that show a common clip stay together where they fit into one
    run, so that the clip is encoded, and an equal prefix computed, once.

    Args:
        tokens_of: the cost of an item; what neighbours share is counted for each of them.
    """
    costs = [tokens_of(item) for item in items]
    runs: list[list[int]] = []
    used = 0
    for group in _neighbours_with_common_clips(items):
        whole = sum(costs[i] for i in group)
        apart = used + whole > max_tokens >= whole
        for index in group:
            if not runs or apart or used + costs[index] > max_tokens:
                runs.append([])
                used, apart = 0, False
            runs[-1].append(index)
            used += costs[index]
    return runs


def _patches(clips: Sequence[PreparedClip]) -> torch.Tensor:
    patches = [clip.patches for clip in clips if clip.patches is not None]
    if patches and len(patches) < len(clips):
        raise ValueError("some clips of one batch have patches, others frames")
    return torch.cat(patches) if patches else torch.empty(0, 0)


def _first_rows(clips: dict[str, PreparedClip]) -> dict[str, int]:
    first_row, row = {}, 0
    for key, clip in clips.items():
        first_row[key] = row
        row += clip.num_tokens
    return first_row


def _answer_ids(branches: Sequence[Branch]) -> torch.Tensor:
    most = max(len(branch.answer_ids) for branch in branches)
    return torch.tensor(
        [b.answer_ids + b.answer_ids[:1] * (most - len(b.answer_ids)) for b in branches],
        dtype=torch.int64,
    )


def _neighbours_with_common_clips(items: Sequence[WorkItem]) -> Iterator[list[int]]:
    group: list[int] = []
    for index, item in enumerate(items):
        if group and set(item.prefix_key).isdisjoint(items[index - 1].prefix_key):
            yield group
            group = []
        group.append(index)
    if group:
        yield group
