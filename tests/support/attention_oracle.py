"""Segmented attention by its definition: a dense mask, in fp64."""

from __future__ import annotations

import torch

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


def dense(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Softmax attention under a dense mask, in fp64."""
    groups = q.shape[1] // k.shape[1]
    k, v = (x.double().repeat_interleave(groups, dim=1) for x in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q.double(), k) * SCALE
    weights = scores.masked_fill(~mask.to(q.device), -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, v)
