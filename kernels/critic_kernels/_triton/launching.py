"""What every launch checks, and how it names dtypes."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

_DTYPES = {
    torch.float32: tl.float32,
    torch.float16: tl.float16,
    torch.bfloat16: tl.bfloat16,
}


def triton_dtype(kernel: str, x: torch.Tensor) -> Any:
    """Name the dtype of a tensor as kernels do, and check that a kernel can run where it lies.

    Raises:
        ValueError: for another dtype than fp16, bf16 and fp32, or a tensor on a CPU without the
            interpreter.
    """
    if x.dtype not in _DTYPES:
        raise ValueError(f"{kernel} in triton takes float16, bfloat16 or float32: {x.dtype}")
    if x.device.type != "cuda" and not triton.knobs.runtime.interpret:
        raise ValueError(
            f"{kernel} in triton needs a GPU, or TRITON_INTERPRET=1: its input is on {x.device}"
        )
    return _DTYPES[x.dtype]


def require_inference(kernel: str, *tensors: torch.Tensor | None) -> None:
    """Refuse to drop a gradient in silence.

    Raises:
        ValueError: where autograd would have to pass through the kernel.
    """
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        raise ValueError(f"{kernel} in triton has no gradient; run it in inference mode")
