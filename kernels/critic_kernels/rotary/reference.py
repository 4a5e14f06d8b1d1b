"""Rotary embedding in plain torch: operation by operation what transformers' modules do."""

from __future__ import annotations

import torch

from critic_kernels.residual_norm.reference import root_mean_square
from critic_kernels.rotary.api import HeadNorm


def rotate_heads(
    query: torch.Tensor,
    key: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    norm: HeadNorm | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute what `critic_kernels.rotate` promises; shapes as there."""
    if norm is not None:
        _, query = root_mean_square(query, norm.query_weight, norm.epsilon, None)
        _, key = root_mean_square(key, norm.key_weight, norm.epsilon, None)
    return _rotated(query, cos, sin), _rotated(key, cos, sin)


def rotate_wide(
    query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the first two of what `critic_kernels.rotate_packed` promises; shapes as there."""
    wide = torch.promote_types(query.dtype, torch.float32)
    angles = cos.to(wide), sin.to(wide)
    return (
        _rotated(query.to(wide), *angles).to(query.dtype),
        _rotated(key.to(wide), *angles).to(key.dtype),
    )


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x * cos[:, None] + turned * sin[:, None]
