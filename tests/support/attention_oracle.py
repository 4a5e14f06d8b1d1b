"""Segmented attention by its definition: a dense mask, in fp64; and the error that may remain."""

from __future__ import annotations

import numpy as np
import torch
from critic_kernels.segmented_attention import SegmentLayout

SCALE = 0.3


def inputs(
    num_tokens: int,
    dtype: torch.dtype = torch.float32,
    *,
    heads: int = 4,
    kv_heads: int = 2,
    head_dim: int = 8,
    value_dim: int | None = None,
    device: str = "cpu",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random query, key and value, rounded to `dtype` first so that all see equal numbers."""
    generator = torch.Generator().manual_seed(num_tokens)
    shapes = (
        (num_tokens, heads, head_dim),
        (num_tokens, kv_heads, head_dim),
        (num_tokens, kv_heads, value_dim or head_dim),
    )
    q, k, v = (
        torch.randn(s, generator=generator, dtype=torch.float64).to(device, dtype) for s in shapes
    )
    return q, k, v


def dense(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor,
    dtype: torch.dtype = torch.float64,
) -> torch.Tensor:
    """Softmax attention under a dense mask `[queries, keys]`, computed in `dtype`.

    A row that sees nothing is NaN.
    """
    groups = q.shape[1] // k.shape[1]
    k, v = (x.to(dtype).repeat_interleave(groups, dim=1) for x in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q.to(dtype), k) * SCALE
    weights = scores.masked_fill(~mask.to(q.device), -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, v)


def naive(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The plainest computation in the inputs' own dtype: fp32 inside, rounded at the end.

    Weights of 16 bits are what a matrix unit multiplies, so they are rounded too.
    """
    if q.dtype in (torch.float32, torch.float64):
        return dense(q, k, v, mask, q.dtype)
    groups = q.shape[1] // k.shape[1]
    k, v = (x.float().repeat_interleave(groups, dim=1) for x in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q.float(), k) * SCALE
    scores = scores.masked_fill(~mask.to(q.device), -torch.inf)
    weights = (scores - scores.amax(-1, keepdim=True)).exp()
    mixed = torch.einsum("hqk,khd->qhd", weights.to(q.dtype).float(), v)
    return (mixed / weights.sum(-1).transpose(0, 1)[..., None]).to(q.dtype)


def allowed_error(same_dtype: torch.Tensor, truth: torch.Tensor) -> float:
    """Twice the error of another computation in the same dtype, and of one rounding.

    Args:
        same_dtype: what `naive` gives, or a trusted implementation.
        truth: in fp64.
    """
    own = float((same_dtype.double() - truth).abs().max())
    rounding = float(truth.abs().max()) * torch.finfo(same_dtype.dtype).eps
    return 2 * (own + rounding)


def worst_error(got: torch.Tensor, truth: torch.Tensor) -> float:
    """The largest absolute error; NaN where anything is NaN."""
    return float((got.double() - truth).abs().max())


def assert_true(
    got: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor,
) -> None:
    """Assert that a result is as near the truth as its dtype allows, and has no NaN."""
    assert got.dtype == q.dtype
    assert got.shape == (q.shape[0], q.shape[1], v.shape[2])
    if got.numel():
        error, allowed = worst_error(got, dense(q, k, v, mask)), bound(q, k, v, mask)
        assert error <= allowed, f"off by {error:.3g}; allowed: {allowed:.3g}"


def bound(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> float:
    """The error that a correct computation in the inputs' dtype may have."""
    truth = dense(q, k, v, mask)
    if q.dtype != torch.float64:
        return allowed_error(naive(q, k, v, mask), truth)
    # Nothing wider is at hand: what fp32 is off by, as much smaller as fp64 is finer.
    finer = torch.finfo(torch.float64).eps / torch.finfo(torch.float32).eps
    return allowed_error(dense(q, k, v, mask, torch.float32), truth) * finer


def long_prefix(prefix: int, piece: int, branch: int) -> SegmentLayout:
    """One branch that sees a long prefix and all of itself.

    The prefix is cut in pieces that see themselves only, so that a test need not compute much of
    what it does not look at.
    """
    starts = np.arange(0, prefix + 1, piece)
    ends = np.append(starts[1:], prefix + branch)
    prefix_ends = np.zeros_like(starts)
    prefix_ends[-1] = prefix
    return SegmentLayout(starts, ends, np.zeros_like(starts), prefix_ends, causal=False)
