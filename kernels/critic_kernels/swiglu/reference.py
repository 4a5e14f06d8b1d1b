"""Activations in plain torch: operation by operation what transformers' modules do."""

from __future__ import annotations

import torch
import torch.nn.functional as F

QUICK = 1.702


def silu_times(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Compute what `critic_kernels.swiglu` promises; shapes as there."""
    return F.silu(gate) * up


def times_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Compute what `critic_kernels.quick_gelu` promises; shapes as there."""
    return x * torch.sigmoid(QUICK * x)
