"""The device that an engine runs on, and the dtype of its weights there."""

from __future__ import annotations

import platform

import torch

from critic_models.engine.budget import MOST_TOKENS
from critic_models.errors import UnknownName

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def choose_device(name: str) -> torch.device:
    """Choose by name: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:1`.

    Raises:
        UnknownName: for a device that does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UnknownName(f"no device {name!r}; use auto, cpu, cuda or cuda:N") from error
    if device.type not in MOST_TOKENS:
        raise UnknownName(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UnknownName(f"device {name!r} was asked for, but torch sees no CUDA device")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Choose by name: `auto` (bfloat16 on a GPU, float32 on a CPU) or one of `DTYPES`.

    Raises:
        UnknownName: for another dtype.
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise UnknownName(f"no dtype {name!r}; use auto or one of {', '.join(DTYPES)}")
    return DTYPES[name]


def device_name(device: torch.device) -> str:
    """Name a device as a fingerprint does: numbers depend on the card, or the processor's kind."""
    if device.type == "cuda":
        return f"cuda:{torch.cuda.get_device_name(device)}"
    return f"cpu:{platform.machine()}"
