"""Activations: the reference against fp64 and against transformers' own modules."""

from __future__ import annotations

import pytest
import torch
from critic_kernels import quick_gelu, swiglu
from critic_kernels.elementwise import Impl
from elementwise import DTYPES, assert_rounded, numbers
from transformers.activations import ACT2FN


@pytest.mark.parametrize(
    ("impl", "dtype"), [*(("reference", d) for d in DTYPES), ("compile", torch.bfloat16)]
)
def test_both_are_what_their_formulas_say(impl: Impl, dtype: torch.dtype) -> None:
    gate, up = (numbers(5, 72, dtype=dtype, seed=s, spread=3) for s in (1, 2))
    truth = gate.double() * torch.sigmoid(gate.double()) * up.double()
    assert_rounded(swiglu(gate, up, impl=impl), truth, 4)
    truth = gate.double() * torch.sigmoid(1.702 * gate.double())
    # The rounded argument of the exponential: a step there moves the result by its own size.
    assert_rounded(quick_gelu(gate, impl=impl), truth, 16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_the_published_modules_bit_for_bit(dtype: torch.dtype) -> None:
    gate, up = (numbers(5, 72, dtype=dtype, seed=s, spread=3) for s in (1, 2))
    assert torch.equal(swiglu(gate, up), ACT2FN["silu"](gate) * up)
    assert torch.equal(quick_gelu(gate), ACT2FN["quick_gelu"](gate))


def test_wrong_activations_are_seen() -> None:
    gate, up = (numbers(5, 72, dtype=torch.float32, seed=s, spread=3) for s in (1, 2))
    truth = gate.double() * torch.sigmoid(gate.double()) * up.double()
    for wrong in (swiglu(up, gate), quick_gelu(gate) * up, torch.sigmoid(gate) * up):
        with pytest.raises(AssertionError, match="half steps"):
            assert_rounded(wrong, truth, 4)


def test_what_does_not_fit_is_refused() -> None:
    x = torch.ones(2, 8)
    with pytest.raises(ValueError, match="must be alike"):
        swiglu(x, torch.ones(2, 9))
    with pytest.raises(ValueError, match="must be alike"):
        swiglu(x, x.double())
    with pytest.raises(ValueError, match="floating point"):
        quick_gelu(x.long())
    with pytest.raises(ValueError, match="no implementation 'cuda'"):
        swiglu(x, x, impl="cuda")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no implementation 'cuda'"):
        quick_gelu(x, impl="cuda")  # type: ignore[arg-type]
