"""Weights for networks that depend on nothing but the names and shapes of their tensors.

Ours and a reference that hold the same names hold the same numbers, whoever built them. They are
large enough that features differ from frame to frame: plain initial values give nearly constant
features, which hide a wrong preprocessing.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import nn

GAIN = 1.4


def seeded_tensor(name: str, shape: tuple[int, ...], gain: float = GAIN) -> torch.Tensor:
    """Return the values of one tensor, float32."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    drawn = np.random.default_rng(seed).random(shape, dtype=np.float32) * 2 - 1
    if name.endswith("running_var"):
        return torch.from_numpy(1.5 + drawn)
    if len(shape) < 2:
        centre = 1.0 if _scales(name) else 0.0
        return torch.from_numpy(np.asarray(centre + 0.05 * drawn, dtype=np.float32))
    fan_in = math.prod(shape[1:])
    return torch.from_numpy(drawn * np.float32(gain * math.sqrt(3 / fan_in)))


def _scales(name: str) -> bool:
    return name.endswith("weight")


def fill(network: nn.Module, gain: float = GAIN) -> nn.Module:
    """Give a network its seeded weights, and make it ready to be read."""
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros_like(tensor)
        else:
            state[name] = seeded_tensor(name, tuple(tensor.shape), gain)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def layout_digest(network: nn.Module) -> str:
    """Return a digest of the names and shapes that a checkpoint of a network must have."""
    lines = sorted(f"{name} {tuple(t.shape)}" for name, t in network.state_dict().items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


SMALL: dict[str, dict[str, Any]] = {
    "dino_vitb16": {"width": 96, "depth": 3, "num_heads": 3},
    "musiq_spaq": {"depth": 2},
    # A flow that stays within the picture, and a guess that is not clamped everywhere.
    "raft_things": {"gain": 0.3},
    "amt_s": {"gain": 0.6},
    "clip": {"width": 64, "depth": 2, "text_width": 64, "out": 48},
    "viclip_l_14": {
        "width": 64,
        "depth": 2,
        "num_heads": 1,
        "text_width": 64,
        "text_depth": 2,
        "text_heads": 1,
        "out": 48,
    },
    "umt_l16_k400": {"width": 48, "depth": 2, "num_heads": 2},
}
"""How goldens cut networks down, or how large their weights are, by name."""
