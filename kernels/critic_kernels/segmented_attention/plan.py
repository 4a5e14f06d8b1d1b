"""A host-built work list: which rows a program computes, and which tiles of keys it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from critic_kernels.segmented_attention.layout import SegmentLayout, Span


@dataclass(frozen=True, eq=False)
class WorkList:
    """Query blocks of a layout, and the tiles of keys that each of them reads.

    A block reads `(prefix_end - prefix_start) // block_keys` tiles from its prefix's start on, then
    `own_tiles` tiles from `own_start` on; every row sees all of these keys. Then it reads its
    edges, where a row sees the keys of its prefix and those in `[row_first, row_last]`.

    Attributes:
        blocks: int32 `[B, 8]`: first and end row; `prefix_start`, `prefix_end`; `own_start`,
            `own_tiles`; first and end of its edges.
        edges: int32 `[E, 2]`: first and end key of a tile, at most `block_keys` apart.
        row_first, row_last: int32 `[L]`, the first and last key of its own segment that each row
            sees.
        num_tiles: how many tiles all blocks read.
    """

    blocks: np.ndarray
    edges: np.ndarray
    row_first: np.ndarray
    row_last: np.ndarray
    num_tiles: int


def work_list(
    layout: SegmentLayout, block_rows: int, block_keys: int, *, aligned: bool = False
) -> WorkList:
    """Cut a layout into blocks of at most `block_rows` query rows.

    Branches of one prefix are cut as if they were one segment, so that many short ones fill a
    block. Segments without a prefix share a block only if they fit whole: a longer one begins its
    own, since a block that spans two would read the keys of both. Blocks with the most tiles come
    first: the last programs of a launch are then the short ones.

    Args:
        aligned: begin the tiles of every segment at its own start, so that the order in which a
            row's keys are added up depends on its own segment and prefix alone. Otherwise short
            segments share tiles.
    """
    blocks: list[tuple[int, ...]] = []
    edges: list[Span] = []
    for row, row_end, prefix, own in _cuts(layout, block_rows):
        first_edge = len(edges)
        prefix_rest = (prefix[1] - prefix[0]) % block_keys
        own_start, own_tiles = own[0][0], 0
        # Keys past the block are not seen by any row if causal; neither is what they follow.
        own = [(start, min(end, row_end) if layout.causal else end) for start, end in own]
        if len(own) == 1:
            seen_by_all = row + 1 if layout.causal else own[0][1]
            own_tiles = (seen_by_all - own_start) // block_keys
            own = [(own_start + own_tiles * block_keys, own[0][1])]
        elif not aligned:
            own = [(own[0][0], own[-1][1])]
        for start, end in own:
            edges += [(k, min(k + block_keys, end)) for k in range(start, end, block_keys)]
        # Last: a row then meets its tiles in one order, whatever its block.
        if prefix_rest:
            edges.append((prefix[1] - prefix_rest, prefix[1]))
        blocks.append((row, row_end, *prefix, own_start, own_tiles, first_edge, len(edges)))
    table = np.asarray(blocks, dtype=np.int32).reshape(-1, 8)
    tiles = (table[:, 3] - table[:, 2]) // block_keys + table[:, 5] + table[:, 7] - table[:, 6]
    lengths = layout.ends - layout.starts
    rows = np.arange(layout.num_tokens)
    last = rows if layout.causal else np.repeat(layout.ends, lengths) - 1
    return WorkList(
        np.ascontiguousarray(table[np.argsort(-tiles, kind="stable")]),
        np.asarray(edges, dtype=np.int32).reshape(-1, 2),
        np.repeat(layout.starts, lengths).astype(np.int32),
        last.astype(np.int32),
        int(tiles.sum()),
    )


def _cuts(layout: SegmentLayout, block_rows: int) -> Iterator[tuple[int, int, Span, list[Span]]]:
    """Yield first and end row of every block, its prefix, and the segments that it touches."""
    for prefix, segments in layout.groups():
        if prefix == (0, 0):
            for together in _fitting(segments, block_rows):
                yield from _cut(together, prefix, block_rows)
        else:
            yield from _cut(segments, prefix, block_rows)


def _fitting(segments: list[Span], block_rows: int) -> Iterator[list[Span]]:
    """Yield as many consecutive segments as fit one block, or one that does not."""
    together = [segments[0]]
    for segment in segments[1:]:
        if segment[1] - together[0][0] > block_rows:
            yield together
            together = []
        together.append(segment)
    yield together


def _cut(
    segments: list[Span], prefix: Span, block_rows: int
) -> Iterator[tuple[int, int, Span, list[Span]]]:
    stop, first = segments[-1][1], 0
    for row in range(segments[0][0], stop, block_rows):
        row_end = min(row + block_rows, stop)
        while segments[first][1] <= row:
            first += 1
        end = first + 1
        while end < len(segments) and segments[end][0] < row_end:
            end += 1
        yield row, row_end, prefix, segments[first:end]
