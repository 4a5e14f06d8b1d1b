"""What kernels are made with, and why a machine may lack it."""

from __future__ import annotations

import importlib.util
import os
import shutil

import torch

KERNEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def why_not_triton(device: torch.device, dtype: torch.dtype) -> str | None:
    """Say why a Triton kernel cannot run; None if it can."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if device.type != "cuda":
        import triton

        if not triton.knobs.runtime.interpret:
            return f"it needs a CUDA device, or TRITON_INTERPRET=1 from the start: {device}"
    elif torch.cuda.get_device_capability(device) < (8, 0):
        return f"it needs compute capability 8.0: {torch.cuda.get_device_name(device)}"
    if dtype not in KERNEL_DTYPES:
        return f"it takes float32, float16 or bfloat16: {dtype}"
    return None


def why_not_compile(device: torch.device) -> str | None:
    """Say why torch cannot compile for a device; None if it can."""
    if device.type == "cuda":
        missing = importlib.util.find_spec("triton") is None
        return "it compiles with triton, which is not installed" if missing else None
    if device.type == "cpu":
        compiler = os.environ.get("CXX", "g++")
        missing = shutil.which(compiler) is None
        return f"it needs a C++ compiler, and there is no {compiler}" if missing else None
    return f"it needs a CUDA device or a CPU: {device}"
