"""Networks whose every row is computed alike, whatever other rows are beside it.

A row of a packed batch goes through three kinds of operation that may round differently with the
number of rows or with the row's place among them:

- **Matrix products.** A library chooses its kernel, and how threads share the work, by the number
  of rows: on a CPU oneMKL's fp32 product has other code below about 16 rows, and with two threads
  switches between two orders of summation as the rows grow. Here rows go through in tiles of a
  fixed number, the last one padded, so that there is one shape, and one kernel, per layer.
- **Activations on a CPU.** torch runs whole vectors with one approximation of `exp`, and what is
  left over at the end of each thread's share with another; how much is left over depends on the
  number of rows. Here they are written with functions that torch computes alike everywhere.
- **Attention.** Kernels that are told to be deterministic; see `critic_kernels`.

Everything else on the way (norms, rotary embeddings, sums over a row) is computed per row, or per
element by the same code. Both replacements are made on instances; the classes are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import activations

TILE_ROWS = {"cpu": 128, "cuda": 1024}

_ROWWISE = (nn.Embedding, nn.LayerNorm)
_ROWWISE_NAMES = ("RMSNorm", "RotaryEmbedding")


def make_invariant(network: nn.Module, device: torch.device) -> None:
    """Replace the products and, on a CPU, the activations of a network; for inference only.

    Raises:
        ValueError: where the network has a module that is not known to treat every row alike.
    """
    tile_rows = TILE_ROWS[device.type]
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv3d):
            _replace(module, partial(_linear, module, tile_rows))
        elif (activation := _activation(module)) is not None:
            if device.type == "cpu":
                _replace(module, partial(_in_single_or_wider, activation))
        elif not any(module.children()) and not _is_rowwise(module):
            raise ValueError(
                f"cannot be made batch-invariant: {name} is a {type(module).__name__}, of which "
                "it is not known whether it treats every row alike"
            )


def tiled_linear(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, tile_rows: int
) -> torch.Tensor:
    """Compute `torch.nn.functional.linear` in products of a fixed number of rows.

    Args:
        rows: `[..., K]`.
        weight: `[N, K]`.
        bias: `[N]`, if any.
        tile_rows: rows of every product; the last one is filled up with zeros.

    Returns:
        `[..., N]`.
    """
    flat = rows.reshape(-1, rows.shape[-1]).contiguous()
    count = flat.shape[0]
    missing = -count % tile_rows
    out = flat.new_empty(count + missing, weight.shape[0])
    for first in range(0, count, tile_rows):
        tile = flat[first : first + tile_rows]
        if len(tile) < tile_rows:
            tile = F.pad(tile, (0, 0, 0, missing))
        target = out[first : first + tile_rows]
        if bias is None:
            torch.mm(tile, weight.t(), out=target)
        else:
            torch.addmm(bias, tile, weight.t(), out=target)
    return out[:count].view(*rows.shape[:-1], weight.shape[0])


def _replace(module: Any, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
    module.forward = forward


def _linear(module: nn.Linear | nn.Conv3d, tile_rows: int, rows: torch.Tensor) -> torch.Tensor:
    """Apply a linear layer, or a convolution that visits a single position of each row."""
    if isinstance(module, nn.Conv3d):
        rows = rows.flatten(1)
    return tiled_linear(rows, module.weight.flatten(1), module.bias, tile_rows)


def _is_rowwise(module: nn.Module) -> bool:
    return isinstance(module, _ROWWISE) or type(module).__name__.endswith(_ROWWISE_NAMES)


def _activation(module: nn.Module) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if isinstance(module, nn.GELU):
        return _gelu if module.approximate == "none" else _gelu_tanh
    return _ACTIVATIONS.get(type(module))


def _in_single_or_wider(
    activation: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    wide = torch.promote_types(x.dtype, torch.float32)
    return activation(x.to(wide)).to(x.dtype)


def _silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))


def _quick_gelu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-1.702 * x))


def _gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.erf(x * math.sqrt(0.5)))


def _gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


_ACTIVATIONS: dict[type[nn.Module], Callable[[torch.Tensor], torch.Tensor]] = {
    nn.SiLU: _silu,
    activations.SiLUActivation: _silu,
    activations.QuickGELUActivation: _quick_gelu,
    activations.GELUActivation: _gelu,
    activations.GELUTanh: _gelu_tanh,
}
