"""A host-built work list: which rows a program computes, and which it reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from critic_kernels.segmented_attention.layout import SegmentLayout


@dataclass(frozen=True, eq=False)
class WorkList:
    """Query blocks of a layout.

    Attributes:
        blocks: int32 `[B, 6]`: first and end row; the prefix that all of them see, `[lo, hi)`; the
            keys among which each row has its own segment, `[lo, hi)`.
        row_starts, row_ends: int32 `[L]`, the segment of every row.
    """

    blocks: np.ndarray
    row_starts: np.ndarray
    row_ends: np.ndarray


def work_list(layout: SegmentLayout, block_rows: int) -> WorkList:
    """Cut a layout into blocks of at most `block_rows` query rows.

    A block spans as many consecutive segments as fit, as long as they share a prefix (or have
    none), so that many short branches or windows fill one block. Long blocks come first: the last
    programs of a launch are then the short ones.
    """
    starts, ends = layout.starts, layout.ends
    lengths = ends - starts
    row_starts, row_ends = np.repeat(starts, lengths), np.repeat(ends, lengths)
    rows: list[tuple[int, ...]] = []
    first = 0
    for i in range(1, layout.num_segments + 1):
        if i < layout.num_segments and _prefix(layout, i) == _prefix(layout, first):
            continue
        lo, hi = _prefix(layout, first)
        for row in range(int(starts[first]), int(ends[i - 1]), block_rows):
            end = min(row + block_rows, int(ends[i - 1]))
            own_end = end if layout.causal else int(row_ends[end - 1])
            rows.append((row, end, lo, hi, int(row_starts[row]), own_end))
        first = i
    blocks = np.asarray(rows, dtype=np.int32).reshape(-1, 6)
    keys = (blocks[:, 3] - blocks[:, 2]) + (blocks[:, 5] - blocks[:, 4])
    return WorkList(
        np.ascontiguousarray(blocks[np.argsort(-keys, kind="stable")]),
        row_starts.astype(np.int32),
        row_ends.astype(np.int32),
    )


def _prefix(layout: SegmentLayout, segment: int) -> tuple[int, int]:
    lo, hi = int(layout.prefix_starts[segment]), int(layout.prefix_ends[segment])
    return (lo, hi) if hi > lo else (0, 0)
