"""FlexAttention's mask, block by block, against torch's own; and its compiled kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_oracle import SCALE, assert_true, inputs
from critic_kernels import SegmentLayout, segmented_attention
from critic_kernels.segmented_attention import available_impls
from critic_kernels.segmented_attention.flex import block_mask, visible_blocks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, create_mask

CPU = torch.device("cpu")
TREES = st.lists(
    st.tuples(st.integers(1, 300), st.lists(st.integers(0, 150), max_size=5)),
    min_size=1,
    max_size=3,
)
PACKED = st.lists(st.integers(0, 300), min_size=1, max_size=6).filter(any)
LAYOUTS = st.one_of(
    st.builds(SegmentLayout.tree, TREES),
    st.builds(
        lambda lengths, causal: SegmentLayout.packed(lengths, causal=causal), PACKED, st.booleans()
    ),
)


def whole_blocks(mask: BlockMask) -> list[set[int]]:
    counts, columns = mask.full_kv_num_blocks[0, 0], mask.full_kv_indices[0, 0]
    return [set(row[:n].tolist()) for n, row in zip(counts.tolist(), columns, strict=True)]


@settings(max_examples=15, deadline=None)
@given(LAYOUTS)
def test_the_mask_is_the_layouts(layout: SegmentLayout) -> None:
    """Row by row from `mask_mod`, and block by block as torch finds it from a dense mask."""
    n = layout.num_tokens
    mask = block_mask(layout, CPU)
    assert torch.equal(create_mask(mask.mask_mod, None, None, n, n, "cpu")[0, 0], layout.mask())
    expected = create_block_mask(mask.mask_mod, None, None, n, n, "cpu")
    assert torch.equal(mask.to_dense(), expected.to_dense())
    assert whole_blocks(mask) == whole_blocks(expected)


def test_windows_of_half_a_block_read_one_block_each() -> None:
    some, whole = visible_blocks(SegmentLayout.packed([64] * 8))
    assert np.array_equal(some, np.eye(4, dtype=bool))
    assert not whole.any()


@pytest.mark.slow
@pytest.mark.skipif(
    available_impls(CPU, torch.float32, 16)["flex"] is not None, reason="there is no C++ compiler"
)
def test_the_compiled_kernel_equals_the_truth() -> None:
    for groups in ([(300, [30, 0, 5]), (90, [40])], [(140, [3])]):
        layout = SegmentLayout.tree(groups)
        q, k, v = inputs(layout.num_tokens, head_dim=16)
        got = segmented_attention(q, k, v, layout, SCALE, impl="flex")
        assert_true(got, q, k, v, layout.mask())
