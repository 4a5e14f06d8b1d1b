"""Which implementations this machine can run, and why not the others."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Literal, get_args

import torch

from critic_kernels._toolchains import KERNEL_DTYPES, why_not_compile, why_not_triton
from critic_kernels.segmented_attention.tiles import MAX_HEAD_DIM, MIN_HEAD_DIM

Impl = Literal["reference", "triton", "flex", "varlen", "flash"]
IMPLS: tuple[Impl, ...] = get_args(Impl)
DETERMINISTIC: tuple[Impl, ...] = ("reference", "triton")
FLASH_MAX_HEAD_DIM = 256


def available_impls(
    device: torch.device, dtype: torch.dtype, head_dim: int
) -> dict[Impl, str | None]:
    """Return for every implementation None if it can run, else the reason why it cannot."""
    return {impl: why_not(impl, device, dtype, head_dim) for impl in IMPLS}


@cache
def why_not(impl: Impl, device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    """Say why an implementation cannot run; None if it can.

    Raises:
        ValueError: for an implementation that there is not.
    """
    if impl == "reference":
        return None
    if impl == "triton":
        return _why_not_triton(device, dtype, head_dim)
    if impl == "flex":
        return _why_not_flex(device, dtype)
    if impl == "varlen":
        return _why_not_flash_attention(device, dtype, head_dim)
    if impl == "flash":
        if importlib.util.find_spec("flash_attn") is None:
            return "the flash-attn package is not installed"
        return _why_not_flash_attention(device, dtype, head_dim)
    raise ValueError(
        f"segmented_attention has no implementation {impl!r}; it has: {', '.join(IMPLS)}"
    )


def _why_not_triton(device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    reason = why_not_triton(device, dtype)
    if reason is None and (not MIN_HEAD_DIM <= head_dim <= MAX_HEAD_DIM or head_dim % 8):
        return (
            f"it takes head dimensions from {MIN_HEAD_DIM} to {MAX_HEAD_DIM}, multiples of 8: "
            f"{head_dim}"
        )
    return reason


def _why_not_flex(device: torch.device, dtype: torch.dtype) -> str | None:
    if dtype not in KERNEL_DTYPES:
        return f"it takes float32, float16 or bfloat16: {dtype}"
    return why_not_compile(device)


def _why_not_flash_attention(device: torch.device, dtype: torch.dtype, head_dim: int) -> str | None:
    if device.type != "cuda":
        return f"it needs a CUDA device: {device}"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return f"it needs compute capability 8.0: {torch.cuda.get_device_name(device)}"
    if dtype not in (torch.float16, torch.bfloat16):
        return f"it takes float16 or bfloat16: {dtype}"
    if head_dim > FLASH_MAX_HEAD_DIM or head_dim % 8:
        return f"it takes head dimensions to {FLASH_MAX_HEAD_DIM}, multiples of 8: {head_dim}"
    return None
