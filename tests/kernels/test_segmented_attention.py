"""Segmented attention against a dense mask in fp64, with masks that must not pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_oracle import SCALE, dense, inputs
from critic_kernels import SegmentLayout, segmented_attention
from hypothesis import given, settings
from hypothesis import strategies as st

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=6)
TREES = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.integers(0, 7), max_size=5)), min_size=1, max_size=4
)


def error(layout: SegmentLayout, mask: torch.Tensor, dtype: torch.dtype = torch.float32) -> float:
    q, k, v = inputs(layout.num_tokens, dtype, value_dim=6)
    got = segmented_attention(q, k, v, layout, SCALE)
    return float((got.double() - dense(q, k, v, mask)).abs().max()) if layout.num_tokens else 0.0


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.booleans())
def test_packed_segments_match_a_dense_mask(lengths: list[int], causal: bool) -> None:
    layout = SegmentLayout.packed(lengths, causal=causal)
    assert error(layout, layout.mask()) < 1e-5
    assert error(layout, layout.mask(), torch.float64) < 1e-12


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_trees_match_a_dense_mask(groups: list[tuple[int, list[int]]]) -> None:
    layout = SegmentLayout.tree(groups)
    assert error(layout, layout.mask()) < 1e-5
    assert error(layout, layout.mask(), torch.float64) < 1e-12


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


def test_branches_that_see_their_neighbours_are_caught() -> None:
    layout = SegmentLayout.tree([(7, [4, 3, 5]), (6, [2, 2])])
    leaking = torch.ones_like(layout.mask()).tril()
    assert error(layout, layout.mask()) < 1e-5
    assert error(layout, leaking) > 1e-2


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    alone = SegmentLayout.tree([(7, [4, 3])])
    q, k, v = inputs(40)
    together = SegmentLayout.tree([(7, [4, 3]), (9, [5]), (12, [])])
    n = alone.num_tokens
    single = segmented_attention(q[:n], k[:n], v[:n], alone, SCALE)
    packed = segmented_attention(q, k, v, together, SCALE)
    assert torch.equal(packed[:n], single)


def test_bf16_error_is_that_of_rounding() -> None:
    layout = SegmentLayout.tree([(64, [9, 17])])
    q, k, v = inputs(layout.num_tokens, torch.bfloat16)
    truth = dense(q, k, v, layout.mask())
    got = segmented_attention(q, k, v, layout, SCALE)
    rounding = float((truth.to(torch.bfloat16).double() - truth).abs().max())
    assert float((got.double() - truth).abs().max()) <= 4 * rounding


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
    with pytest.raises(ValueError, match="not a multiple"):
        segmented_attention(q[:, :3], k, v, layout, 1.0)
    with pytest.raises(ValueError, match="no implementation 'magic'"):
        segmented_attention(q, k, v, layout, 1.0, impl="magic")  # type: ignore[arg-type]
