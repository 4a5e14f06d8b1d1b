"""Activations in one pass over flat memory."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from critic_kernels._triton.launching import require_inference, triton_dtype
from critic_kernels._triton.numerics import narrow, rounded
from critic_kernels.swiglu.reference import QUICK

BLOCK = 2_048
NUM_WARPS = 8


@triton.jit
def swiglu_kernel(
    gate,
    up,
    out,
    count,
    quick,
    GATED: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """`silu(gate) * up` where `GATED`, else `gate * sigmoid(quick * gate)`, of `BLOCK` elements."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    alive = at < count
    x = tl.load(gate + at, mask=alive, other=0.0).to(tl.float32)
    if GATED:
        result = rounded(x / (1.0 + tl.exp(-x)), NARROW, INTERPRET)
        result = result * tl.load(up + at, mask=alive, other=0.0).to(tl.float32)
    else:
        inner = rounded(quick * x, NARROW, INTERPRET)
        result = x * rounded(1.0 / (1.0 + tl.exp(-inner)), NARROW, INTERPRET)
    tl.store(out + at, narrow(result, NARROW, INTERPRET), mask=alive)


def launch(gate: torch.Tensor, up: torch.Tensor | None) -> torch.Tensor:
    """Compute what `swiglu`, or without `up` `quick_gelu`, promises; shapes as there.

    Raises:
        ValueError: for a dtype or strides that the kernel does not have, or where a gradient would
            be needed.
    """
    require_inference("swiglu", gate, up)
    dtype = triton_dtype("swiglu", gate)
    if not gate.is_contiguous() or (up is not None and not up.is_contiguous()):
        raise ValueError("the triton kernel takes contiguous tensors")
    out = torch.empty_like(gate)
    if gate.numel() == 0:
        return out
    swiglu_kernel[(triton.cdiv(gate.numel(), BLOCK),)](
        gate,
        gate if up is None else up,
        out,
        gate.numel(),
        QUICK,
        GATED=up is not None,
        NARROW=dtype,
        INTERPRET=bool(triton.knobs.runtime.interpret),
        BLOCK=BLOCK,
        num_warps=NUM_WARPS,
    )
    return out
