"""The Triton kernel of residual and norm: on a GPU where there is one, else in the interpreter."""

from __future__ import annotations

import pytest
import torch
from critic_kernels import layer_norm, rms_norm
from elementwise import DTYPES, assert_rounded, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from sm90 import Variant

triton = pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")

from critic_kernels.residual_norm import triton as kernel  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
EPSILON = 1e-6
POINTERS = ("x", "residual", "weight", "bias", "stream", "out")


def compare(shape: tuple[int, ...], dtype: torch.dtype, *, add: bool, centre: bool) -> None:
    x, other = (numbers(*shape, dtype=dtype, seed=s).to(DEVICE) for s in (1, 2))
    weight, bias = (numbers(shape[-1], dtype=dtype, seed=s).to(DEVICE) for s in (3, 4))
    residual = other if add else None
    if centre:
        stream, normed = layer_norm(x, weight, bias, EPSILON, residual=residual, impl="triton")
    else:
        stream, normed = rms_norm(x, weight, EPSILON, residual=residual, impl="triton")
    assert torch.equal(stream, x if residual is None else residual + x)
    wide = stream.double()
    if centre:
        wide = wide - wide.mean(-1, keepdim=True)
    truth = weight.double() * wide / (wide.pow(2).mean(-1, keepdim=True) + EPSILON).sqrt()
    assert_rounded(normed, truth + bias.double() if centre else truth, 6)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1280), (3, 5, 128), (37, 72), (2, 3)])
def test_norms(shape: tuple[int, ...], dtype: torch.dtype, add: bool, centre: bool) -> None:
    compare(shape, dtype, add=add, centre=centre)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 70),
    width=st.integers(2, 300),
    add=st.booleans(),
    centre=st.booleans(),
)
def test_any_shape(rows: int, width: int, add: bool, centre: bool) -> None:
    compare((rows, width), torch.bfloat16, add=add, centre=centre)


def test_rows_need_not_follow_each_other() -> None:
    wide = numbers(6, 96, dtype=torch.float32).to(DEVICE)
    weight = numbers(32, dtype=torch.float32, seed=3).to(DEVICE)
    x, residual = wide[:, :32], wide[:, 32:64]
    got = rms_norm(x, weight, EPSILON, residual=residual, impl="triton")
    expected = rms_norm(x.contiguous(), weight, EPSILON, residual=residual, impl="triton")
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_nothing_in_gives_nothing_out() -> None:
    x = torch.empty(0, 64, device=DEVICE)
    stream, normed = rms_norm(x, torch.ones(64, device=DEVICE), EPSILON, residual=x, impl="triton")
    assert stream.shape == normed.shape == (0, 64)


def test_what_the_kernel_lacks_is_refused() -> None:
    x, weight = torch.ones(2, 8, device=DEVICE), torch.ones(8, device=DEVICE)
    with pytest.raises(ValueError, match="float16, bfloat16 or float32"):
        rms_norm(x.double(), weight.double(), EPSILON, impl="triton")
    wide = torch.ones(1, 16_385, device=DEVICE)
    with pytest.raises(ValueError, match="rows of 1 to 16384"):
        rms_norm(wide, wide[0], EPSILON, impl="triton")
    with pytest.raises(ValueError, match="has no gradient"):
        rms_norm(x.requires_grad_(), weight, EPSILON, impl="triton")


# What a launch pads rows to, and for which of the supported models.
WIDTHS = {
    "rms-128": 128,  # heads of Qwen3
    "rms-2048": 1536,  # 1280 to 2048: Qwen2.5's tower, language models of 2 and 3 billion
    "rms-4096": 3584,  # 3584 and 4096: those of 7 and 8 billion
    "layer-1024": 1024,  # towers of Qwen3 of 2 and 4 billion
    "layer-2048": 1280,  # 1152 and 1280: the other towers with mean and variance
}


def variants() -> list[Variant]:
    """Rows of the supported models, with a residual and without."""
    numbers = {"bf16": triton.language.bfloat16, "fp32": triton.language.float32}
    return [
        Variant(
            f"{dtype}-{name}{'-add' if add else ''}",
            kernel.residual_norm_kernel,
            {
                **dict.fromkeys(POINTERS, f"*{dtype}"),
                **dict.fromkeys(("num_rows", "x_row", "residual_row", "width"), "i32"),
                "epsilon": "fp32",
            },
            {
                "ADD": add,
                "CENTRE": name.startswith("layer"),
                "NARROW": number,
                "INTERPRET": False,
                "ROWS": kernel.choose_tiles(width).rows,
                "BLOCK": kernel.choose_tiles(width).block,
            },
            {"num_warps": kernel.choose_tiles(width).num_warps},
            (*POINTERS, "x_row", "residual_row", "width"),
        )
        for dtype, number in numbers.items()
        for name, width in WIDTHS.items()
        for add in (False, True)
    ]
