"""The Triton kernel: on a GPU where there is one, else in Triton's interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
from critic_kernels import SegmentLayout, segmented_attention
from critic_kernels.segmented_attention.plan import WorkList
from critic_kernels.segmented_attention.tiles import Tiles, candidates, choose_tiles, split_head_dim
from hypothesis import given, settings
from hypothesis import strategies as st
from sm90 import Variant

triton = pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")

import triton.language as tl  # noqa: E402
from critic_kernels.segmented_attention import triton as kernel  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SMALL = Tiles(block_rows=16, block_keys=16, num_warps=4, num_stages=1)
LAYOUTS = {
    "windows": SegmentLayout.packed([7, 16, 0, 33, 1]),
    "tree": SegmentLayout.tree([(21, [3, 0, 9, 18, 1]), (5, [40]), (7, [])]),
    "one token": SegmentLayout.packed([1], causal=True),
    "one branch": SegmentLayout.tree([(16, [16])]),
    "many short branches": SegmentLayout.tree([(9, [1] * 35)]),
    "causal only": SegmentLayout.packed([40], causal=True),
    "nothing": SegmentLayout.packed([0]),
}
TREES = st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.integers(0, 20), max_size=6)), min_size=1, max_size=3
)


def tensors(
    layout: SegmentLayout, dtype: torch.dtype = torch.float32, head_dim: int = 16, kv_heads: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return inputs(
        layout.num_tokens, dtype, heads=2, kv_heads=kv_heads, head_dim=head_dim, device=DEVICE
    )


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill new tensors with NaN: a row that the kernel forgets to write is seen."""
    empty = torch.empty

    def poisoned(*size: int, **options: object) -> torch.Tensor:
        tensor = empty(*size, **options)  # type: ignore[call-overload]
        return tensor.fill_(torch.nan) if tensor.is_floating_point() else tensor

    monkeypatch.setattr(torch, "empty", poisoned)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LAYOUTS)
def test_equals_the_truth(name: str, dtype: torch.dtype, aligned: bool) -> None:
    layout = LAYOUTS[name]
    q, k, v = tensors(layout, dtype)
    got = kernel.launch(q, k, v, layout, SCALE, aligned=aligned, tiles=SMALL)
    assert_true(got, q, k, v, layout.mask())


@pytest.mark.parametrize("head_dim", [24, 48, 64, 72, 80, 96, 128])
def test_every_head_dimension_of_the_supported_models(head_dim: int) -> None:
    q, k, v = tensors(LAYOUTS["tree"], torch.bfloat16, head_dim, kv_heads=2)
    got = kernel.launch(q, k, v, LAYOUTS["tree"], SCALE, tiles=SMALL)
    assert_true(got, q, k, v, LAYOUTS["tree"].mask())


def test_views_of_packed_projections_are_read_where_they_lie() -> None:
    """A vision tower's query, key and value are slices of one product, with gaps between rows."""
    layout = LAYOUTS["windows"]
    packed = torch.stack(tensors(layout, torch.bfloat16, 24, kv_heads=2), dim=1)
    q, k, v = packed.unbind(1)
    assert not q.is_contiguous()
    got = kernel.launch(q, k, v, layout, SCALE, tiles=SMALL)
    assert_true(got, q, k, v, layout.mask())


@settings(max_examples=8, deadline=None)
@given(TREES, st.booleans())
def test_random_trees(groups: list[tuple[int, list[int]]], aligned: bool) -> None:
    layout = SegmentLayout.tree(groups)
    q, k, v = tensors(layout)
    got = kernel.launch(q, k, v, layout, SCALE, aligned=aligned, tiles=SMALL)
    assert_true(got, q, k, v, layout.mask())


def test_hundreds_of_branches() -> None:
    layout = SegmentLayout.tree([(70, [1, 2, 3, 0] * 50)])
    q, k, v = tensors(layout)
    wide = Tiles(block_rows=128, block_keys=32, num_warps=4, num_stages=1)
    for aligned in (False, True):
        got = kernel.launch(q, k, v, layout, SCALE, aligned=aligned, tiles=wide)
        assert_true(got, q, k, v, layout.mask())


def test_a_prefix_of_32k_rows() -> None:
    layout = long_prefix(32_768, piece=512, branch=3)
    q, k, v = inputs(layout.num_tokens, heads=1, kv_heads=1, head_dim=16, device=DEVICE)
    large = Tiles(block_rows=512, block_keys=512, num_warps=4, num_stages=1)
    got = kernel.launch(q, k, v, layout, SCALE, tiles=large if DEVICE == "cpu" else None)
    assert_true(got[-3:], q[-3:], k, v, torch.ones(3, layout.num_tokens, dtype=torch.bool))


@settings(max_examples=6, deadline=None)
@given(
    st.integers(1, 40),
    st.lists(st.integers(1, 30), min_size=1, max_size=2),
    TREES.map(lambda groups: groups[:1]),
    TREES.map(lambda groups: groups[:1]),
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
    q, k, v = tensors(together, dtype)
    packed = kernel.launch(q, k, v, together, SCALE, aligned=True, tiles=SMALL)
    first = SegmentLayout.tree(before).num_tokens
    start = first + prefix
    for length in branches:
        rows = [*range(first, first + prefix), *range(start, start + length)]
        alone = SegmentLayout.tree([(prefix, [length])])
        single = kernel.launch(q[rows], k[rows], v[rows], alone, SCALE, aligned=True, tiles=SMALL)
        assert torch.equal(packed[rows], single)
        start += length


def test_without_it_a_branch_does_depend_on_its_neighbours() -> None:
    together, alone = SegmentLayout.tree([(40, [10, 30])]), SegmentLayout.tree([(40, [30])])
    q, k, v = tensors(together, head_dim=64)
    rows = [*range(40), *range(50, 80)]
    tiles = Tiles(block_rows=32, block_keys=16, num_warps=4, num_stages=1)
    for aligned in (False, True):
        packed = kernel.launch(q, k, v, together, SCALE, aligned=aligned, tiles=tiles)[rows]
        single = kernel.launch(
            q[rows], k[rows], v[rows], alone, SCALE, aligned=aligned, tiles=tiles
        )
        assert torch.equal(packed, single) == aligned


def leaking(plan: WorkList) -> WorkList:
    """Rows of branches see the keys of their neighbours before them."""
    return replace(plan, row_first=np.zeros_like(plan.row_first))


def one_key_late(plan: WorkList) -> WorkList:
    return replace(plan, row_last=plan.row_last + 1)


def an_edge_less(plan: WorkList) -> WorkList:
    blocks = plan.blocks.copy()
    blocks[:, 7] -= 1
    return replace(plan, blocks=blocks)


def prefix_one_row_short(plan: WorkList) -> WorkList:
    edges = plan.edges.copy()
    edges[edges[:, 1] == 21, 1] = 20
    return replace(plan, edges=edges)


def a_block_less(plan: WorkList) -> WorkList:
    return replace(plan, blocks=plan.blocks[1:])


@pytest.mark.filterwarnings("ignore:invalid value")  # a row that saw nothing is divided by zero
@pytest.mark.parametrize(
    "wrong", [leaking, one_key_late, an_edge_less, prefix_one_row_short, a_block_less]
)
def test_a_wrong_work_list_is_caught(
    wrong: Callable[[WorkList], WorkList], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = kernel.work_list
    monkeypatch.setattr(
        kernel, "work_list", lambda *args, **options: wrong(right(*args, **options))
    )
    layout = SegmentLayout.tree([(21, [13, 9])])
    q, k, v = tensors(layout)
    got = kernel.launch(q, k, v, layout, SCALE, tiles=SMALL)
    allowed = bound(q, k, v, layout.mask())
    assert not worst_error(got, dense(q, k, v, layout.mask())) <= 1e3 * allowed


def test_what_the_kernel_does_not_have_is_refused() -> None:
    layout = SegmentLayout.packed([4])

    def call(*qkv: torch.Tensor, scale: float = SCALE) -> None:
        segmented_attention(*qkv, layout, scale, impl="triton")

    with pytest.raises(ValueError, match="multiples of 8: 20"):
        call(*inputs(4, head_dim=20, device=DEVICE))
    with pytest.raises(ValueError, match="from 16 to 128"):
        call(*inputs(4, head_dim=136, device=DEVICE))
    with pytest.raises(ValueError, match="float32, float16 or bfloat16"):
        call(*inputs(4, torch.float64, head_dim=16, device=DEVICE))
    with pytest.raises(ValueError, match="keys and values differ"):
        call(*inputs(4, head_dim=16, value_dim=24, device=DEVICE))
    q, k, v = inputs(4, head_dim=32, device=DEVICE)
    with pytest.raises(ValueError, match="contiguous"):
        call(q[..., ::2], k[..., ::2], v[..., ::2])
    with pytest.raises(ValueError, match="multiples of 8 elements apart"):
        call(*(x[..., :28].contiguous()[..., :24] for x in (q, k, v)))
    with pytest.raises(ValueError, match="positive"):
        call(q, k, v, scale=0.0)
    with pytest.raises(ValueError, match="no backward"):
        call(q.requires_grad_(), k, v)


def variants() -> list[Variant]:
    """All tiles that a sweep would try in bf16, and the defaults of the rest."""
    cases = [
        *((torch.bfloat16, d, t) for d in (64, 72, 80, 128) for t in candidates(torch.bfloat16, d)),
        (torch.bfloat16, 48, choose_tiles(torch.bfloat16, 48)),
        (torch.float16, 128, choose_tiles(torch.float16, 128)),
        *((torch.float32, d, choose_tiles(torch.float32, d)) for d in (48, 64, 72, 80, 128)),
    ]
    return [variant(*case) for case in cases]


def variant(dtype: torch.dtype, head_dim: int, tiles: Tiles) -> Variant:
    name = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}[dtype]
    first, second = split_head_dim(head_dim)
    tables = ("blocks", "edges", "row_first", "row_last")
    strides = [f"{x}_{of}" for x in ("q", "k", "v", "out") for of in ("row", "head")]
    # Vision towers have as many key heads as query heads; language models mostly do not.
    grouped = head_dim == 128
    size = f"{tiles.block_rows}x{tiles.block_keys}-w{tiles.num_warps}-s{tiles.num_stages}"
    return Variant(
        name=f"{name}-d{head_dim}-{size}",
        kernel=kernel.segmented_attention_kernel,
        signature={
            **dict.fromkeys(("q", "k", "v", "out"), f"*{name}"),
            **dict.fromkeys(tables, "*i32"),
            **dict.fromkeys(strides, "i32"),
            "scale_log2": "fp32",
            **({"heads_per_kv": "i32"} if grouped else {}),
        },
        constexprs={
            **({} if grouped else {"heads_per_kv": 1}),
            "D": head_dim,
            "D1": first,
            "D2": second,
            "NARROW": {"bf16": tl.bfloat16, "fp16": tl.float16, "fp32": tl.float32}[name],
            "INTERPRET": False,
            "UNIT": kernel.UNIT,
            "BLOCK_ROWS": tiles.block_rows,
            "BLOCK_KEYS": tiles.block_keys,
        },
        options={"num_warps": tiles.num_warps, "num_stages": tiles.num_stages},
        aligned=("q", "k", "v", "out", *tables),
        needs_wgmma=dtype != torch.float32,
    )
