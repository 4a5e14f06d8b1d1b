"""Normalisation in plain torch: operation by operation what transformers' modules do."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def root_mean_square(
    x: torch.Tensor, weight: torch.Tensor, epsilon: float, residual: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute what `critic_kernels.rms_norm` promises; shapes as there."""
    stream = x if residual is None else residual + x
    wide = stream.to(torch.promote_types(x.dtype, torch.float32))
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return stream, weight * (wide * scale).to(x.dtype)


def mean_and_variance(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    epsilon: float,
    residual: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute what `critic_kernels.layer_norm` promises; shapes as there."""
    stream = x if residual is None else residual + x
    return stream, F.layer_norm(stream, x.shape[-1:], weight, bias, epsilon)
