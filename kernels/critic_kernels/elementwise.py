"""Which implementations of the elementwise operations this machine can run.

These are `rms_norm`, `layer_norm`, `rotate`, `rotate_packed`, `swiglu` and `quick_gelu`.
"""

from __future__ import annotations

from typing import Literal

import torch

from critic_kernels._toolchains import why_not_compile, why_not_triton

Impl = Literal["reference", "compile", "triton"]


def available_impls(device: torch.device, dtype: torch.dtype) -> dict[Impl, str | None]:
    """Return for every implementation None if it can run, else the reason why it cannot."""
    return {
        "reference": None,
        "compile": why_not_compile(device),
        "triton": why_not_triton(device, dtype),
    }
