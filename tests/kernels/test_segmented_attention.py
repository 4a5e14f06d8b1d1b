"""The reference against a dense mask in fp64, and what the public door refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_oracle import (
    SCALE,
    assert_true,
    bound,
    dense,
    inputs,
    long_prefix,
    worst_error,
)
from critic_kernels.segmented_attention import (
    IMPLS,
    SegmentLayout,
    available_impls,
    segmented_attention,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=6)
TREES = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.integers(0, 7), max_size=5)), min_size=1, max_size=4
)
DTYPES = [torch.float64, torch.float32, torch.bfloat16]
CPU = torch.device("cpu")


def check(layout: SegmentLayout, deterministic: bool) -> None:
    for dtype in DTYPES:
        q, k, v = inputs(layout.num_tokens, dtype, value_dim=6)
        got = segmented_attention(q, k, v, layout, SCALE, deterministic=deterministic)
        assert_true(got, q, k, v, layout.mask())


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.booleans(), st.booleans())
def test_packed_segments_match_a_dense_mask(
    lengths: list[int], causal: bool, deterministic: bool
) -> None:
    check(SegmentLayout.packed(lengths, causal=causal), deterministic)


@settings(max_examples=40, deadline=None)
@given(TREES, st.booleans())
def test_trees_match_a_dense_mask(groups: list[tuple[int, list[int]]], deterministic: bool) -> None:
    check(SegmentLayout.tree(groups), deterministic)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_tree_mask_is_what_the_words_say(groups: list[tuple[int, list[int]]]) -> None:
    """A row sees its clip's prefix and its own branch, up to itself; nothing else."""
    owner, branch = [], []
    for clip, (prefix, lengths) in enumerate(groups):
        owner += [clip] * (prefix + sum(lengths))
        branch += [-1] * prefix
        for i, n in enumerate(lengths):
            branch += [i] * n
    expected = [
        [
            owner[row] == owner[col] and col <= row and branch[col] in (-1, branch[row])
            for col in range(len(owner))
        ]
        for row in range(len(owner))
    ]
    assert torch.equal(SegmentLayout.tree(groups).mask(), torch.tensor(expected))


def test_branches_of_a_prefix_that_is_not_causal_see_all_of_themselves() -> None:
    starts, ends = np.array([0, 6, 9]), np.array([6, 9, 14])
    prefix_starts, prefix_ends = np.array([0, 1, 1]), np.array([0, 5, 5])
    layout = SegmentLayout(starts, ends, prefix_starts, prefix_ends, causal=False)
    check(layout, deterministic=False)
    check(layout, deterministic=True)


def test_branches_that_see_their_neighbours_are_caught() -> None:
    layout = SegmentLayout.tree([(7, [4, 3, 5]), (6, [2, 2])])
    q, k, v = inputs(layout.num_tokens)
    leaking = torch.ones_like(layout.mask()).tril()
    got = segmented_attention(q, k, v, layout, SCALE)
    assert worst_error(got, dense(q, k, v, leaking)) > 1e3 * bound(q, k, v, layout.mask())


def test_a_prefix_of_32k_rows() -> None:
    layout = long_prefix(32_768, piece=512, branch=3)
    q, k, v = inputs(layout.num_tokens, heads=1, kv_heads=1)
    got = segmented_attention(q, k, v, layout, SCALE)
    assert_true(got[-3:], q[-3:], k, v, torch.ones(3, layout.num_tokens, dtype=torch.bool))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    TREES,
    TREES,
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_deterministic_results_do_not_depend_on_neighbours(
    prefix: int,
    branches: list[int],
    before: list[tuple[int, list[int]]],
    after: list[tuple[int, list[int]]],
    dtype: torch.dtype,
) -> None:
    """A clip with one question gives the same bits among other questions and other clips."""
    together = SegmentLayout.tree([*before, (prefix, branches), *after])
    first = SegmentLayout.tree(before).num_tokens
    q, k, v = inputs(together.num_tokens, dtype)
    packed = segmented_attention(q, k, v, together, SCALE, deterministic=True)
    start = first + prefix
    for length in branches:
        rows = [*range(first, first + prefix), *range(start, start + length)]
        alone = SegmentLayout.tree([(prefix, [length])])
        single = segmented_attention(q[rows], k[rows], v[rows], alone, SCALE, deterministic=True)
        assert torch.equal(packed[rows], single)
        start += length


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    alone = SegmentLayout.tree([(7, [4, 3])])
    q, k, v = inputs(40)
    together = SegmentLayout.tree([(7, [4, 3]), (9, [5]), (12, [])])
    n = alone.num_tokens
    single = segmented_attention(q[:n], k[:n], v[:n], alone, SCALE)
    packed = segmented_attention(q, k, v, together, SCALE)
    assert torch.equal(packed[:n], single)


@pytest.mark.parametrize(
    ("starts", "ends", "prefix"),
    [([0, 5], [4, 9], (0, 0)), ([0, 3], [4, 9], (0, 0)), ([0, 4], [4, 9], (0, 6))],
    ids=["gap", "overlap", "prefix inside the segment"],
)
def test_impossible_layouts_are_refused(
    starts: list[int], ends: list[int], prefix: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match=r"segment|prefix"):
        SegmentLayout(
            np.array(starts),
            np.array(ends),
            np.array([0, prefix[0]]),
            np.array([0, prefix[1]]),
            causal=True,
        )


def test_shapes_and_implementations_are_checked() -> None:
    q, k, v = inputs(6)
    layout = SegmentLayout.packed([6])
    with pytest.raises(ValueError, match="covers 5 tokens"):
        segmented_attention(q, k, v, SegmentLayout.packed([5]), 1.0)
    with pytest.raises(ValueError, match="dtypes differ"):
        segmented_attention(q.double(), k, v, layout, 1.0)
    with pytest.raises(ValueError, match="devices differ"):
        segmented_attention(q.to("meta"), k, v, layout, 1.0)
    with pytest.raises(ValueError, match="not a multiple"):
        segmented_attention(q[:, :3], k, v, layout, 1.0)
    with pytest.raises(ValueError, match="no implementation 'magic'"):
        segmented_attention(q, k, v, layout, 1.0, impl="magic")  # type: ignore[arg-type]


@pytest.mark.parametrize("impl", ["varlen", "flash"])
def test_what_needs_a_gpu_says_so_on_a_cpu(impl: str) -> None:
    q, k, v = inputs(6, torch.bfloat16)
    reason = available_impls(CPU, torch.bfloat16, 8)[impl]
    assert "CUDA" in reason or "not installed" in reason
    with pytest.raises(ValueError, match=reason):
        segmented_attention(q, k, v, SegmentLayout.packed([6]), 1.0, impl=impl)


def test_every_implementation_runs_or_says_why_not() -> None:
    found = available_impls(CPU, torch.float32, 64)
    assert tuple(found) == IMPLS
    assert found["reference"] is None
    assert "float64" in available_impls(CPU, torch.float64, 64)["flex"]


def test_only_two_implementations_are_deterministic() -> None:
    q, k, v = inputs(6)
    with pytest.raises(ValueError, match="'flex' has no deterministic mode"):
        segmented_attention(
            q, k, v, SegmentLayout.packed([6]), 1.0, impl="flex", deterministic=True
        )
