"""Residual and normalisation in one pass: every row is read once and stays in registers.

Short rows, such as the heads of Qwen3's query norm, share a program; a long one has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from critic_kernels._triton.launching import require_inference, triton_dtype
from critic_kernels._triton.numerics import narrow, rounded

MAX_WIDTH = 16_384
_PROGRAM_ELEMENTS = 2_048


@dataclass(frozen=True)
class Tiles:
    """What one program computes: `rows` rows, padded to `block` columns; powers of two."""

    rows: int
    block: int
    num_warps: int


@triton.jit
def residual_norm_kernel(
    x,
    residual,
    weight,
    bias,
    stream,
    out,
    num_rows,
    x_row,
    residual_row,
    width,
    epsilon,
    ADD: tl.constexpr,
    CENTRE: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Normalise `ROWS` rows; with `CENTRE` by mean and variance, else by root mean square."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK)
    alive = (rows < num_rows)[:, None] & (columns < width)[None, :]
    value = tl.load(x + (rows * x_row)[:, None] + columns[None, :], mask=alive, other=0.0)
    value = value.to(tl.float32)
    at = (rows * width)[:, None] + columns[None, :]
    if ADD:
        other = tl.load(
            residual + (rows * residual_row)[:, None] + columns[None, :], mask=alive, other=0.0
        )
        value = rounded(other.to(tl.float32) + value, NARROW, INTERPRET)
        tl.store(stream + at, narrow(value, NARROW, INTERPRET), mask=alive)
    scale = tl.load(weight + columns, mask=columns < width, other=0.0).to(tl.float32)[None, :]
    if CENTRE:
        shift = tl.load(bias + columns, mask=columns < width, other=0.0).to(tl.float32)[None, :]
        mean = tl.sum(value, 1) / width
        value = tl.where(alive, value - mean[:, None], 0.0)
        variance = tl.sum(value * value, 1) / width
        result = value * (1.0 / tl.sqrt(variance + epsilon))[:, None] * scale + shift
    else:
        square = tl.sum(value * value, 1) / width
        quotient = value * (1.0 / tl.sqrt(square + epsilon))[:, None]
        result = scale * rounded(quotient, NARROW, INTERPRET)
    tl.store(out + at, narrow(result, NARROW, INTERPRET), mask=alive)


def choose_tiles(width: int) -> Tiles:
    """Choose sizes for rows of `width`: about 2,048 elements a program, or one whole row."""
    block = triton.next_power_of_2(width)
    rows = max(1, _PROGRAM_ELEMENTS // block)
    return Tiles(rows, block, max(4, min(16, rows * block // 1_024)))


def launch(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    epsilon: float,
    residual: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute what `rms_norm`, or with a bias `layer_norm`, promises; shapes as there.

    Raises:
        ValueError: for a dtype or a width that the kernel does not have, or where a gradient would
            be needed.
    """
    require_inference("residual_norm", x, weight, bias, residual)
    dtype = triton_dtype("residual_norm", x)
    width = x.shape[-1]
    if not 1 <= width <= MAX_WIDTH:
        raise ValueError(f"the triton kernel takes rows of 1 to {MAX_WIDTH} elements: {width}")
    flat = x.reshape(-1, width)
    added = flat if residual is None else residual.reshape(-1, width)
    if flat.stride(-1) != 1 or added.stride(-1) != 1:
        raise ValueError("the last dimension must be contiguous")
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    stream = x if residual is None else torch.empty_like(out)
    if x.numel() == 0:
        return stream, out
    tiles = choose_tiles(width)
    residual_norm_kernel[(triton.cdiv(len(flat), tiles.rows),)](
        flat,
        added,
        weight,
        weight if bias is None else bias,
        stream,
        out,
        len(flat),
        flat.stride(0),
        added.stride(0),
        width,
        epsilon,
        ADD=residual is not None,
        CENTRE=bias is not None,
        NARROW=dtype,
        INTERPRET=bool(triton.knobs.runtime.interpret),
        ROWS=tiles.rows,
        BLOCK=tiles.block,
        num_warps=tiles.num_warps,
    )
    return stream, out
