"""The Triton kernel of activations: on a GPU where there is one, else in the interpreter."""

from __future__ import annotations

import pytest
import torch
from critic_kernels import quick_gelu, swiglu
from elementwise import DTYPES, assert_rounded, numbers
from sm90 import Variant

triton = pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")

from critic_kernels.swiglu import triton as kernel  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (3, 700), (2, 2048), (7, 1025)])
def test_activations(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    gate, up = (numbers(*shape, dtype=dtype, seed=s, spread=3).to(DEVICE) for s in (1, 2))
    truth = gate.double() * torch.sigmoid(gate.double()) * up.double()
    assert_rounded(swiglu(gate, up, impl="triton"), truth, 4)
    truth = gate.double() * torch.sigmoid(1.702 * gate.double())
    assert_rounded(quick_gelu(gate, impl="triton"), truth, 16)


def test_large_numbers_of_either_sign() -> None:
    gate = torch.tensor([-3e4, -100.0, 0.0, 100.0, 3e4], device=DEVICE)
    got = swiglu(gate, torch.ones_like(gate), impl="triton")
    assert torch.equal(got, torch.tensor([0.0, 0.0, 0.0, 100.0, 3e4], device=DEVICE))


def test_nothing_in_gives_nothing_out() -> None:
    x = torch.empty(0, 64, device=DEVICE)
    assert swiglu(x, x, impl="triton").shape == (0, 64)


def test_what_the_kernel_lacks_is_refused() -> None:
    x = torch.ones(4, 8, device=DEVICE)
    with pytest.raises(ValueError, match="contiguous"):
        swiglu(x[:, :4], x[:, 4:], impl="triton")
    with pytest.raises(ValueError, match="float16, bfloat16 or float32"):
        quick_gelu(x.double(), impl="triton")
    with pytest.raises(ValueError, match="has no gradient"):
        quick_gelu(x.requires_grad_(), impl="triton")


def variants() -> list[Variant]:
    """Both activations in every dtype; the number of elements does not matter."""
    numbers = {"bf16": triton.language.bfloat16, "fp32": triton.language.float32}
    return [
        Variant(
            f"{dtype}-{'swiglu' if gated else 'quick-gelu'}",
            kernel.swiglu_kernel,
            {**dict.fromkeys(("gate", "up", "out"), f"*{dtype}"), "count": "i32", "quick": "fp32"},
            {"GATED": gated, "NARROW": number, "INTERPRET": False, "BLOCK": kernel.BLOCK},
            {"num_warps": kernel.NUM_WARPS},
            ("gate", "up", "out", "count"),
        )
        for dtype, number in numbers.items()
        for gated in (True, False)
    ]
