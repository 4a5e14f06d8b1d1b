"""Segmented attention by torch's FlexAttention, compiled, with a mask of blocks from the layout.

The first call for a number of heads, a head dimension and a dtype compiles: seconds on a GPU, more
on a CPU. Other layouts and lengths do not compile again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from critic_kernels.segmented_attention.layout import SegmentLayout

BLOCK_SIZE = 128


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
) -> torch.Tensor:
    """Compute what `critic_kernels.segmented_attention` promises; shapes as there."""
    if query.shape[0] == 0:
        return query.new_empty(0, query.shape[1], value.shape[2])
    at = ("flex", query.device)
    if at not in layout.device_tables:
        layout.device_tables[at] = block_mask(layout, query.device)
    mixed = _compiled()(
        *(x.transpose(0, 1)[None] for x in (query, key, value)),
        block_mask=layout.device_tables[at],
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return mixed[0].transpose(0, 1)


def block_mask(layout: SegmentLayout, device: torch.device) -> BlockMask:
    """Build the mask from the layout's tables, without a dense mask on the way."""
    some, whole = visible_blocks(layout)
    lengths = layout.ends - layout.starts
    rows = np.arange(layout.num_tokens)
    last = rows if layout.causal else np.repeat(layout.ends, lengths) - 1
    first, prefix_start, prefix_end = (
        np.repeat(table, lengths)
        for table in (layout.starts, layout.prefix_starts, layout.prefix_ends)
    )
    # One tensor: torch's code generator for CPUs goes wrong over the sizes of many.
    tables = np.stack([first, last, prefix_start, prefix_end]).astype(np.int32)
    return BlockMask.from_kv_blocks(
        *_chosen_first(some & ~whole, device),
        *_chosen_first(whole, device),
        BLOCK_SIZE=BLOCK_SIZE,
        mask_mod=_mask_mod(torch.from_numpy(tables).to(device)),
        seq_lengths=(layout.num_tokens, layout.num_tokens),
    )


def visible_blocks(layout: SegmentLayout) -> tuple[np.ndarray, np.ndarray]:
    """Say which blocks of columns the rows of a block see, bool `[N, N]`.

    Returns:
        Whether any row sees any column, and whether every row sees every column.
    """
    filled = layout.ends > layout.starts
    starts, ends, lows, highs = (
        table[filled].astype(np.int32)
        for table in (layout.starts, layout.ends, layout.prefix_starts, layout.prefix_ends)
    )
    # Every pair of a segment and a block that holds rows of it, by block.
    counts = (ends - 1) // BLOCK_SIZE - starts // BLOCK_SIZE + 1
    segment = np.repeat(np.arange(len(starts)), counts)
    step = np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)
    block = starts[segment] // BLOCK_SIZE + step
    starts, ends, lows, highs = (table[segment] for table in (starts, ends, lows, highs))
    # Of rows of one segment the first sees the fewest keys, the last the most.
    first_row = np.maximum(starts, block * BLOCK_SIZE)
    last_row = np.minimum(ends, (block + 1) * BLOCK_SIZE) - 1
    num_blocks = int(block[-1]) + 1
    prefix = _overlap(lows, highs, num_blocks)
    fewest, most = (
        prefix + _overlap(starts, row + 1 if layout.causal else ends, num_blocks)
        for row in (first_row, last_row)
    )
    firsts = np.searchsorted(block, np.arange(num_blocks))
    fewest = np.minimum.reduceat(fewest, firsts)
    if layout.num_tokens % BLOCK_SIZE:
        fewest[-1] = 0  # rows past the end see nothing
    return np.maximum.reduceat(most, firsts) > 0, fewest == BLOCK_SIZE


@cache
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=True)


def _mask_mod(tables: torch.Tensor) -> Callable[..., torch.Tensor]:
    def sees(b: Any, h: Any, row: torch.Tensor, col: torch.Tensor) -> torch.Tensor:
        own = (col >= tables[0, row]) & (col <= tables[1, row])
        return own | ((col >= tables[2, row]) & (col < tables[3, row]))

    return sees


def _overlap(lows: np.ndarray, highs: np.ndarray, num_blocks: int) -> np.ndarray:
    """Count the columns of every block that lie in each `[low, high)`: `[ranges, num_blocks]`."""
    starts = np.arange(num_blocks, dtype=np.int32) * BLOCK_SIZE
    ends = np.minimum(starts + BLOCK_SIZE, highs[:, None])
    return np.maximum(ends - np.maximum(starts, lows[:, None]), 0)


def _chosen_first(chosen: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how many blocks each block of rows reads, and all of them, the chosen ones first."""
    order = np.argsort(~chosen, axis=1, kind="stable").astype(np.int32)
    counts = chosen.sum(1).astype(np.int32)
    return (
        torch.from_numpy(counts).to(device)[None, None],
        torch.from_numpy(order).to(device)[None, None],
    )
