"""The work list of the Triton kernel: what blocks read, and in which order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from critic_kernels.segmented_attention import SegmentLayout
from critic_kernels.segmented_attention.plan import WorkList, work_list
from critic_kernels.segmented_attention.tiles import candidates, choose_tiles, split_head_dim
from hypothesis import given, settings
from hypothesis import strategies as st

TREES = st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.integers(0, 20), max_size=6)), min_size=1, max_size=3
)
ROWS, KEYS = st.sampled_from([16, 32, 128]), st.sampled_from([8, 16, 32])


def layout_of(groups: list[tuple[int, list[int]]], kind: str) -> SegmentLayout:
    if kind == "tree":
        return SegmentLayout.tree(groups)
    return SegmentLayout.packed([n for p, b in groups for n in (p, *b)], causal=kind == "causal")


LAYOUTS = st.builds(layout_of, TREES, st.sampled_from(["tree", "causal", "whole"]))


def reads(plan: WorkList, block: list[int], block_keys: int) -> list[tuple[range, bool]]:
    """The tiles of a block in the kernel's order, and whether every row sees all of a tile."""
    _, _, prefix_start, prefix_end, own_start, own_tiles, edge, edges_end = block
    starts = [
        *range(prefix_start, prefix_end - block_keys + 1, block_keys),
        *range(own_start, own_start + own_tiles * block_keys, block_keys),
    ]
    return [(range(start, start + block_keys), True) for start in starts] + [
        (range(start, end), False) for start, end in plan.edges[edge:edges_end].tolist()
    ]


def seen_by(plan: WorkList, block: list[int], tile: range, row: int) -> list[int]:
    """The keys of an edge that a row sees, by the kernel's rule."""
    if tile.stop <= block[3]:
        return list(tile)
    first, last = int(plan.row_first[row]), int(plan.row_last[row])
    return [col for col in tile if first < tile.stop and first <= col <= last]


@settings(max_examples=100, deadline=None)
@given(LAYOUTS, ROWS, KEYS, st.booleans())
def test_every_row_reads_what_it_sees_and_each_key_once(
    layout: SegmentLayout, block_rows: int, block_keys: int, aligned: bool
) -> None:
    plan = work_list(layout, block_rows, block_keys, aligned=aligned)
    mask = layout.mask().numpy()
    covered: list[int] = []
    num_tiles = 0
    for block in plan.blocks.tolist():
        assert 0 < block[1] - block[0] <= block_rows
        tiles = reads(plan, block, block_keys)
        num_tiles += len(tiles)
        assert all(0 < len(tile) <= block_keys for tile, _ in tiles)
        for row in range(block[0], block[1]):
            read = [
                col
                for tile, whole in tiles
                for col in (tile if whole else seen_by(plan, block, tile, row))
            ]
            assert sorted(read) == np.flatnonzero(mask[row]).tolist()
        covered += range(block[0], block[1])
    assert sorted(covered) == list(range(layout.num_tokens))
    assert num_tiles == plan.num_tiles


@settings(max_examples=60, deadline=None)
@given(LAYOUTS, LAYOUTS, ROWS, KEYS)
def test_aligned_tiles_of_a_row_do_not_depend_on_its_neighbours(
    layout: SegmentLayout, before: SegmentLayout, block_rows: int, block_keys: int
) -> None:
    """Tiles that hold a visible key, as distances from the row, are those of a lone segment."""
    together = joined(before, layout)
    plan = work_list(together, block_rows, block_keys, aligned=True)
    got = orders(plan, block_keys)
    for segment in range(layout.num_segments):
        start, end = int(layout.starts[segment]), int(layout.ends[segment])
        lo, hi = int(layout.prefix_starts[segment]), int(layout.prefix_ends[segment])
        # The segment and its prefix, with nothing in between or around them.
        alone = SegmentLayout(
            np.array([0, hi - lo]),
            np.array([hi - lo, hi - lo + end - start]),
            np.array([0, 0]),
            np.array([0, hi - lo]),
            layout.causal,
        )
        expected = orders(work_list(alone, block_rows, block_keys, aligned=True), block_keys)
        for row in range(end - start):
            shift = start - (hi - lo)
            moved = [
                [col + (shift if col >= hi - lo else lo) + before.num_tokens for col in tile]
                for tile in expected[hi - lo + row]
            ]
            assert got[before.num_tokens + start + row] == moved


def orders(plan: WorkList, block_keys: int) -> dict[int, list[list[int]]]:
    """The visible keys of every row, tile by tile in the order of the kernel."""
    found = {}
    for block in plan.blocks.tolist():
        for row in range(block[0], block[1]):
            tiles = [
                list(tile) if whole else seen_by(plan, block, tile, row)
                for tile, whole in reads(plan, block, block_keys)
            ]
            found[row] = [tile for tile in tiles if tile]
    return found


def joined(before: SegmentLayout, layout: SegmentLayout) -> SegmentLayout:
    """Put one layout behind another; both as causal as the second."""
    n = before.num_tokens
    none = np.zeros_like(before.starts)
    has_prefix = layout.prefix_ends > layout.prefix_starts
    return SegmentLayout(
        np.concatenate([before.starts, layout.starts + n]),
        np.concatenate([before.ends, layout.ends + n]),
        np.concatenate([none, np.where(has_prefix, layout.prefix_starts + n, 0)]),
        np.concatenate([none, np.where(has_prefix, layout.prefix_ends + n, 0)]),
        layout.causal,
    )


def test_packed_tiles_do_depend_on_neighbours() -> None:
    """What `aligned` is for: without it the branch's keys are cut elsewhere."""
    alone, among = SegmentLayout.tree([(16, [20])]), SegmentLayout.tree([(16, [5, 20])])
    for aligned in (False, True):
        first, second = (
            orders(work_list(layout, 32, 16, aligned=aligned), 16)[layout.num_tokens - 1]
            for layout in (alone, among)
        )
        assert ([len(tile) for tile in first] == [len(tile) for tile in second]) == aligned


def test_short_segments_fill_a_block_and_long_ones_do_not_straddle() -> None:
    windows = work_list(SegmentLayout.packed([64] * 128), 128, 64)
    assert len(windows.blocks) == 64
    assert windows.num_tiles == 128
    frames = work_list(SegmentLayout.packed([784] * 8), 128, 64)
    assert len(frames.blocks) == 8 * 7
    assert frames.num_tiles == 8 * 7 * 13
    tree = work_list(SegmentLayout.tree([(2090, [30] * 16)]), 128, 64)
    assert len(tree.blocks) == 17 + 4


def test_no_tile_is_read_for_nothing() -> None:
    """Blocks that end with a branch do not read it again; causal ones stop at their last row."""
    plan = work_list(SegmentLayout.tree([(128, [64] * 3)]), 64, 64)
    assert plan.num_tiles == (1 + 2) + 3 * (2 + 1)
    causal = work_list(SegmentLayout.packed([1000], causal=True), 64, 64)
    assert causal.num_tiles == sum(range(1, 17))


def test_longest_blocks_come_first() -> None:
    plan = work_list(SegmentLayout.tree([(500, [30] * 8), (100, [3])]), 64, 32)
    lengths = [len(reads(plan, block, 32)) for block in plan.blocks.tolist()]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(
    ("head_dim", "parts"),
    [
        (16, (16, 0)),
        (48, (32, 16)),
        (72, (64, 16)),
        (80, (64, 16)),
        (96, (64, 32)),
        (128, (128, 0)),
    ],
)
def test_head_dimensions_are_cut_in_powers_of_two(head_dim: int, parts: tuple[int, int]) -> None:
    assert split_head_dim(head_dim) == parts


def test_the_default_tiles_are_the_first_candidate() -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for head_dim in range(16, 129, 8):
            table = candidates(dtype, head_dim)
            assert choose_tiles(dtype, head_dim) == table[0]
            assert len(set(table)) == len(table)
