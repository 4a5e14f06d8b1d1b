"""Residual and norm: the reference against fp64 and against transformers' own modules."""

from __future__ import annotations

import pytest
import torch
from critic_kernels import layer_norm, rms_norm
from critic_kernels.elementwise import Impl
from elementwise import DTYPES, assert_rounded, numbers
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRMSNorm

EPSILON = 1e-6


def root_mean_square_truth(
    stream: torch.Tensor, weight: torch.Tensor, epsilon: float = EPSILON
) -> torch.Tensor:
    wide = stream.double()
    return weight.double() * wide / (wide.pow(2).mean(-1, keepdim=True) + epsilon).sqrt()


@pytest.mark.parametrize(
    ("impl", "dtype"), [*(("reference", d) for d in DTYPES), ("compile", torch.bfloat16)]
)
def test_both_norms_are_what_their_formulas_say(impl: Impl, dtype: torch.dtype) -> None:
    x, residual = (numbers(3, 7, 72, dtype=dtype, seed=s) for s in (1, 2))
    weight, bias = (numbers(72, dtype=dtype, seed=s) for s in (3, 4))
    for given in (None, residual):
        stream, normed = rms_norm(x, weight, EPSILON, residual=given, impl=impl)
        assert torch.equal(stream, x if given is None else given + x)
        # Quotient, product, and one each for the sums inside; compiled, the stream is not rounded.
        assert_rounded(normed, root_mean_square_truth(stream, weight), 6)
        stream, normed = layer_norm(x, weight, bias, EPSILON, residual=given, impl=impl)
        truth = torch.nn.functional.layer_norm(
            stream.double(), (72,), weight.double(), bias.double(), EPSILON
        )
        assert_rounded(normed, truth, 6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_the_published_module_bit_for_bit(dtype: torch.dtype) -> None:
    module = Qwen3VLTextRMSNorm(48, eps=EPSILON).to(dtype)
    module.weight.data = numbers(48, dtype=dtype, seed=3)
    x, residual = (numbers(5, 48, dtype=dtype, seed=s) for s in (1, 2))
    with torch.no_grad():
        stream, normed = rms_norm(x, module.weight, EPSILON, residual=residual)
        assert torch.equal(normed, module(residual + x))
        assert torch.equal(stream, residual + x)


@pytest.mark.parametrize("mutant", ["epsilon", "residual", "mean", "weight before rounding"])
def test_wrong_norms_are_seen(mutant: str) -> None:
    x, residual = (numbers(4, 64, dtype=torch.bfloat16, seed=s, spread=1e-3) for s in (1, 2))
    weight = numbers(64, dtype=torch.bfloat16, seed=3)
    _, right = rms_norm(x, weight, EPSILON, residual=residual)
    truth = root_mean_square_truth(residual + x, weight)
    assert_rounded(right, truth, 6)
    if mutant == "epsilon":
        _, wrong = rms_norm(x, weight, 0.0, residual=residual)
    elif mutant == "residual":
        _, wrong = rms_norm(x, weight, EPSILON)
    elif mutant == "mean":
        _, wrong = layer_norm(x, weight, torch.zeros_like(weight), EPSILON, residual=residual)
    else:
        # One rounding fewer is nearer to the truth, but not what the published modules compute.
        wide = (residual + x).float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPSILON)
        wrong = (weight.float() * wide * scale).bfloat16()
        assert not torch.equal(wrong, right)
        return
    with pytest.raises(AssertionError, match="half steps"):
        assert_rounded(wrong, truth, 6)


def test_what_does_not_fit_is_refused() -> None:
    x, weight = torch.ones(2, 8), torch.ones(8)
    with pytest.raises(ValueError, match="weight must be"):
        rms_norm(x, torch.ones(7), EPSILON)
    with pytest.raises(ValueError, match=r"weight is torch\.float64"):
        rms_norm(x, weight.double(), EPSILON)
    with pytest.raises(ValueError, match="bias must be"):
        layer_norm(x, weight, torch.ones(9), EPSILON)
    with pytest.raises(ValueError, match="residual must be"):
        rms_norm(x, weight, EPSILON, residual=torch.ones(2, 9))
    with pytest.raises(ValueError, match="floating point"):
        rms_norm(x.long(), weight.long(), EPSILON)
    with pytest.raises(ValueError, match="no implementation 'cuda'"):
        rms_norm(x, weight, EPSILON, impl="cuda")  # type: ignore[arg-type]
