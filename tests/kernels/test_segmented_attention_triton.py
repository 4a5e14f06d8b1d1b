"""The Triton kernel: on a GPU where there is one, else in Triton's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from attention_oracle import SCALE, dense, inputs
from critic_kernels import SegmentLayout, segmented_attention
from critic_kernels.segmented_attention.plan import WorkList, work_list
from hypothesis import given, settings
from hypothesis import strategies as st

triton = pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")

from critic_kernels.segmented_attention import triton as kernel  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SMALL = kernel.Tiles(block_rows=16, block_keys=16, num_warps=4, num_stages=1)
LAYOUTS = {
    "windows": SegmentLayout.packed([7, 16, 0, 33, 1]),
    "tree": SegmentLayout.tree([(21, [3, 9, 18, 1]), (5, [40]), (7, [])]),
    "one token": SegmentLayout.packed([1], causal=True),
    "many short branches": SegmentLayout.tree([(9, [1] * 35)]),
    "causal only": SegmentLayout.packed([40], causal=True),
}
TREES = st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.integers(0, 20), max_size=6)), min_size=1, max_size=3
)


def launch(
    layout: SegmentLayout, dtype: torch.dtype, head_dim: int = 16, kv_heads: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The kernel's result, the fp64 truth, and the torch reference in the same dtype."""
    q, k, v = inputs(
        layout.num_tokens, dtype, heads=2, kv_heads=kv_heads, head_dim=head_dim, device=DEVICE
    )
    got = kernel.launch(q, k, v, layout, SCALE, SMALL)
    return got, dense(q, k, v, layout.mask()), segmented_attention(q, k, v, layout, SCALE)


def assert_as_good_as_the_reference(
    got: torch.Tensor, truth: torch.Tensor, reference: torch.Tensor
) -> None:
    """Allow twice the reference's own error, and one rounding of the largest value."""
    assert not got.isnan().any()
    own = float((reference.double() - truth).abs().max())
    rounding = float(truth.abs().max()) * torch.finfo(got.dtype).eps
    assert float((got.double() - truth).abs().max()) <= 2 * own + rounding


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill new tensors with NaN: a row that the kernel forgets to write is seen."""
    empty = torch.empty

    def poisoned(*size: int, **options: object) -> torch.Tensor:
        tensor = empty(*size, **options)  # type: ignore[call-overload]
        return tensor.fill_(torch.nan) if tensor.is_floating_point() else tensor

    monkeypatch.setattr(torch, "empty", poisoned)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", LAYOUTS)
def test_equals_the_truth(name: str, dtype: torch.dtype) -> None:
    assert_as_good_as_the_reference(*launch(LAYOUTS[name], dtype))


@pytest.mark.parametrize("head_dim", [64, 72, 80, 128])
def test_every_head_dimension_of_the_supported_models(head_dim: int) -> None:
    assert_as_good_as_the_reference(*launch(LAYOUTS["tree"], torch.bfloat16, head_dim, 2))


@settings(max_examples=10, deadline=None)
@given(TREES)
def test_random_trees(groups: list[tuple[int, list[int]]]) -> None:
    assert_as_good_as_the_reference(*launch(SegmentLayout.tree(groups), torch.float32))


def test_a_leaking_mask_is_caught() -> None:
    got, _, _ = launch(SegmentLayout.packed([46], causal=True), torch.float32)
    tree = SegmentLayout.tree([(20, [13, 13])])
    q, k, v = inputs(46, torch.float32, heads=2, kv_heads=1, head_dim=16, device=DEVICE)
    assert float((got - dense(q, k, v, tree.mask())).abs().max()) > 1e-2


@settings(max_examples=50, deadline=None)
@given(TREES, st.sampled_from([16, 32, 128]), st.booleans())
def test_the_work_list_covers_every_row_once(
    groups: list[tuple[int, list[int]]], block_rows: int, causal: bool
) -> None:
    """And each block reads at least what its rows see, and none of another prefix."""
    layout = SegmentLayout.tree(groups)
    if not causal:
        layout = SegmentLayout.packed([n for p, b in groups for n in (p, *b)])
    plan: WorkList = work_list(layout, block_rows)
    covered = [row for lo, hi, *_ in plan.blocks.tolist() for row in range(lo, hi)]
    assert sorted(covered) == list(range(layout.num_tokens))
    mask = layout.mask().numpy()
    for lo, hi, prefix_lo, prefix_hi, own_lo, own_hi in plan.blocks.tolist():
        assert hi - lo <= block_rows
        read = np.zeros(layout.num_tokens, dtype=bool)
        read[prefix_lo:prefix_hi] = True
        assert mask[lo:hi, prefix_lo:prefix_hi].all(), "a row reads a prefix that it may not see"
        read[own_lo:own_hi] = True
        assert not (mask[lo:hi].any(0) & ~read).any(), "a visible key is not read"


def test_what_the_kernel_does_not_have_is_refused() -> None:
    layout = SegmentLayout.packed([4])
    with pytest.raises(ValueError, match="multiples of 8"):
        kernel.launch(*inputs(4, head_dim=20), layout, SCALE)
    with pytest.raises(ValueError, match="float16, bfloat16 or float32"):
        kernel.launch(*inputs(4, torch.float64, head_dim=16), layout, SCALE)
    q, k, v = inputs(4, head_dim=32)
    with pytest.raises(ValueError, match="contiguous"):
        kernel.launch(q[..., ::2], k[..., ::2], v[..., ::2], layout, SCALE)


COMPILE = """
import sys
import torch, triton.language as tl
from critic_kernels.segmented_attention.triton import (
    choose_tiles, segmented_attention_kernel, split_head_dim)
from sm90 import MAX_SHARED_BYTES, compile_for_sm90
head_dim, narrow, causal = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "causal"
dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[narrow]
tiles, (d1, d2) = choose_tiles(dtype), split_head_dim(head_dim)
strides = [f"{x}_{y}" for x in ("q", "k", "v", "out") for y in ("row", "head")]
tables = ["blocks", "row_starts", "row_ends"]
found = compile_for_sm90(
    segmented_attention_kernel,
    {**dict.fromkeys(["q", "k", "v", "out"], "*" + narrow), **dict.fromkeys(tables, "*i32")},
    {**dict.fromkeys(strides, "i32"), "scale_log2": "fp32", "heads_per_kv": "i32"},
    {"D": head_dim, "D1": d1, "D2": d2, "CAUSAL": causal, "INTERPRET": False,
     "NARROW": {"bf16": tl.bfloat16, "fp32": tl.float32}[narrow],
     "BLOCK_ROWS": tiles.block_rows, "BLOCK_KEYS": tiles.block_keys},
    ["q", "k", "v", "out", *tables, *(strides if head_dim % 16 == 0 else [])],
    tiles.num_warps, tiles.num_stages)
print(found)
assert found.spill_stores == found.spill_loads == 0, found
assert found.shared_bytes <= MAX_SHARED_BYTES, found
assert narrow == "fp32" or found.wgmma > 0, found
"""


@pytest.mark.parametrize("narrow", ["bf16", "fp32"])
@pytest.mark.parametrize(
    ("head_dim", "kind"),
    [(64, "causal"), (64, "whole"), (72, "whole"), (80, "whole"), (128, "causal")],
)
def test_compiles_for_sm90_without_spilling(
    head_dim: int, kind: str, narrow: str, tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    support = str(Path(__file__).parents[1] / "support")
    environment |= {
        "TRITON_CACHE_DIR": str(tmp_path),
        "TRITON_DEFAULT_FP_FUSION": "1",
        "PYTHONPATH": os.pathsep.join([support, environment.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-c", COMPILE, str(head_dim), narrow, kind]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
