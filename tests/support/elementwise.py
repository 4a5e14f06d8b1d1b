"""Inputs of the elementwise kernels, and how far apart two roundings of one number may be."""

from __future__ import annotations

import torch

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def numbers(*shape: int, dtype: torch.dtype, seed: int = 0, spread: float = 1.0) -> torch.Tensor:
    """Normal numbers, rounded to `dtype` so that all implementations see equal ones."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator, dtype=torch.float64) * spread).to(dtype)


def assert_rounded(got: torch.Tensor, truth: torch.Tensor, roundings: float) -> None:
    """Check values against fp64 truth computed from the same inputs.

    Args:
        roundings: how many times a value of the truth's size may have been rounded by half a step
            of the result's dtype, anywhere on the way.
    """
    assert got.isfinite().all()
    step = torch.finfo(got.dtype).eps
    scale = truth.abs().clamp_min(truth.abs().mean())
    worst = ((got.double() - truth).abs() / scale).max().item()
    assert worst <= roundings * step / 2, (
        f"{worst / (step / 2):.2f} half steps, {roundings} allowed"
    )
