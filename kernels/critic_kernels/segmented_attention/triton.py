"""Segmented attention as one Triton launch for vision segments and for shared-prefix trees.

Each program owns a block of query rows and one head. It streams the prefix that all its rows share
(no mask), then the keys among which every row has its own segment (masked), with the usual online
softmax in base two (Milakov and Gimelshein, 2018; Dao et al., 2022). A head dimension that is no
power of two is split in two parts, 80 = 64 + 16, so that the padding stays small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from critic_kernels._triton.numerics import dot, narrow, rounded
from critic_kernels.segmented_attention.layout import SegmentLayout
from critic_kernels.segmented_attention.plan import work_list

MAX_HEAD_DIM = 128
_MIN_TILE = 16
_TRITON_DTYPES = {
    torch.float32: tl.float32,
    torch.float16: tl.float16,
    torch.bfloat16: tl.bfloat16,
}


@dataclass(frozen=True)
class Tiles:
    """Sizes of one launch."""

    block_rows: int
    block_keys: int
    num_warps: int
    num_stages: int


@triton.jit
def _scores(
    q1,
    q2,
    k,
    k_stride,
    cols,
    live,
    D1: tl.constexpr,
    D2: tl.constexpr,
    D: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_KEYS: tl.constexpr,
):
    d1 = tl.arange(0, D1)
    at = k + cols[None, :].to(tl.int64) * k_stride
    tile = tl.load(at + d1[:, None], mask=live[None, :], other=0.0).to(tl.float32)
    scores = tl.zeros([BLOCK_ROWS, BLOCK_KEYS], tl.float32)
    scores = dot(q1, tile, scores, NARROW, INTERPRET)
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        tile = tl.load(at + d2[:, None], mask=live[None, :] & (d2 < D)[:, None], other=0.0)
        scores = dot(q2, tile.to(tl.float32), scores, NARROW, INTERPRET)
    return scores


@triton.jit
def _accumulate(
    scores,
    top,
    total,
    acc1,
    acc2,
    v,
    v_stride,
    cols,
    live,
    D1: tl.constexpr,
    D2: tl.constexpr,
    D: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
):
    new_top = tl.maximum(top, tl.max(scores, 1))
    # A row that has seen nothing yet keeps -inf; subtracting it would give NaN.
    safe = tl.where(new_top == float("-inf"), 0.0, new_top)
    weights = tl.exp2(scores - safe[:, None])
    scale = tl.exp2(top - safe)
    total = total * scale + tl.sum(weights, 1)
    weights = rounded(weights, NARROW, INTERPRET)
    at = v + cols[:, None].to(tl.int64) * v_stride
    d1 = tl.arange(0, D1)
    tile = tl.load(at + d1[None, :], mask=live[:, None], other=0.0).to(tl.float32)
    acc1 = dot(weights, tile, acc1 * scale[:, None], NARROW, INTERPRET)
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        tile = tl.load(at + d2[None, :], mask=live[:, None] & (d2 < D)[None, :], other=0.0)
        acc2 = dot(weights, tile.to(tl.float32), acc2 * scale[:, None], NARROW, INTERPRET)
    return new_top, total, acc1, acc2


@triton.jit
def segmented_attention_kernel(
    q,
    k,
    v,
    out,
    blocks,
    row_starts,
    row_ends,
    q_row,
    q_head,
    k_row,
    k_head,
    v_row,
    v_head,
    out_row,
    out_head,
    scale_log2,
    heads_per_kv,
    D: tl.constexpr,
    D1: tl.constexpr,
    D2: tl.constexpr,
    CAUSAL: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_KEYS: tl.constexpr,
):
    """Compute one block of rows for one head; see `launch` for the arguments."""
    entry = blocks + tl.program_id(0) * 6
    row_lo, row_hi = tl.load(entry), tl.load(entry + 1)
    prefix_lo, prefix_hi = tl.load(entry + 2), tl.load(entry + 3)
    own_lo, own_hi = tl.load(entry + 4), tl.load(entry + 5)
    head = tl.program_id(1).to(tl.int64)
    q += head * q_head
    k += (head // heads_per_kv) * k_head
    v += (head // heads_per_kv) * v_head
    out += head * out_head

    rows = row_lo + tl.arange(0, BLOCK_ROWS)
    alive = rows < row_hi
    starts = tl.load(row_starts + rows, mask=alive, other=0)
    ends = tl.load(row_ends + rows, mask=alive, other=0)
    d1 = tl.arange(0, D1)
    at = q + rows[:, None].to(tl.int64) * q_row
    q1 = tl.load(at + d1[None, :], mask=alive[:, None], other=0.0).to(tl.float32)
    q2 = q1
    acc1 = tl.zeros([BLOCK_ROWS, D1], tl.float32)
    acc2 = acc1
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        inside = alive[:, None] & (d2 < D)[None, :]
        q2 = tl.load(at + d2[None, :], mask=inside, other=0.0).to(tl.float32)
        acc2 = tl.zeros([BLOCK_ROWS, D2], tl.float32)
    top = tl.full([BLOCK_ROWS], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_ROWS], tl.float32)

    for first in range(prefix_lo, prefix_hi, BLOCK_KEYS):
        cols = first + tl.arange(0, BLOCK_KEYS)
        live = cols < prefix_hi
        scores = scale_log2 * _scores(
            q1, q2, k, k_row, cols, live, D1, D2, D, NARROW, INTERPRET, BLOCK_ROWS, BLOCK_KEYS
        )
        scores = tl.where(live[None, :], scores, float("-inf"))
        top, total, acc1, acc2 = _accumulate(
            scores, top, total, acc1, acc2, v, v_row, cols, live, D1, D2, D, NARROW, INTERPRET
        )
    for first in range(own_lo, own_hi, BLOCK_KEYS):
        cols = first + tl.arange(0, BLOCK_KEYS)
        live = cols < own_hi
        scores = scale_log2 * _scores(
            q1, q2, k, k_row, cols, live, D1, D2, D, NARROW, INTERPRET, BLOCK_ROWS, BLOCK_KEYS
        )
        seen = live[None, :] & (cols[None, :] >= starts[:, None])
        if CAUSAL:
            seen = seen & (cols[None, :] <= rows[:, None])
        else:
            seen = seen & (cols[None, :] < ends[:, None])
        scores = tl.where(seen, scores, float("-inf"))
        top, total, acc1, acc2 = _accumulate(
            scores, top, total, acc1, acc2, v, v_row, cols, live, D1, D2, D, NARROW, INTERPRET
        )

    total = tl.where(alive, total, 1.0)
    at = out + rows[:, None].to(tl.int64) * out_row
    result = narrow(acc1 / total[:, None], NARROW, INTERPRET)
    tl.store(at + d1[None, :], result, mask=alive[:, None])
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        result = narrow(acc2 / total[:, None], NARROW, INTERPRET)
        tl.store(at + d2[None, :], result, mask=alive[:, None] & (d2 < D)[None, :])


def split_head_dim(head_dim: int) -> tuple[int, int]:
    """Cut a head dimension into a power of two and a padded power of two, or nothing."""
    first = 1 << (head_dim.bit_length() - 1)
    rest = head_dim - first
    return first, 0 if rest == 0 else max(_MIN_TILE, 1 << (rest - 1).bit_length())


def choose_tiles(dtype: torch.dtype) -> Tiles:
    """Choose sizes that compile for sm_90 without spilling registers, for every head dimension.

    fp32 runs at a fraction of the matrix rate whatever the tile; it is the exact path, not the
    fast one, and keeps to small tiles.
    """
    if dtype == torch.float32:
        return Tiles(16, 32, 4, 1)
    return Tiles(128, 64, 8, 3)


def launch(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
    tiles: Tiles | None = None,
) -> torch.Tensor:
    """Compute what `critic_kernels.segmented_attention` promises; shapes as there.

    Raises:
        ValueError: for a dtype, a head dimension or strides that the kernel does not have.
    """
    num_tokens, num_heads, head_dim = query.shape
    if query.dtype not in _TRITON_DTYPES:
        raise ValueError(f"the triton kernel takes float16, bfloat16 or float32: {query.dtype}")
    if value.shape[2] != head_dim or not _MIN_TILE <= head_dim <= MAX_HEAD_DIM or head_dim % 8:
        raise ValueError(
            f"the triton kernel takes equal head dimensions from {_MIN_TILE} to {MAX_HEAD_DIM}, "
            f"multiples of 8: {head_dim} and {value.shape[2]}"
        )
    if any(x.stride(2) != 1 for x in (query, key, value)):
        raise ValueError("the head dimension must be contiguous")
    out = torch.empty(num_tokens, num_heads, head_dim, dtype=query.dtype, device=query.device)
    if num_tokens == 0:
        return out
    tiles = tiles or choose_tiles(query.dtype)
    blocks, row_starts, row_ends = _on_device(layout, tiles.block_rows, query.device)
    d1, d2 = split_head_dim(head_dim)
    segmented_attention_kernel[(blocks.shape[0], num_heads)](
        query,
        key,
        value,
        out,
        blocks,
        row_starts,
        row_ends,
        *(x.stride(i) for x in (query, key, value, out) for i in (0, 1)),
        scale * math.log2(math.e),
        num_heads // key.shape[1],
        D=head_dim,
        D1=d1,
        D2=d2,
        CAUSAL=layout.causal,
        NARROW=_TRITON_DTYPES[query.dtype],
        INTERPRET=bool(triton.knobs.runtime.interpret),
        BLOCK_ROWS=tiles.block_rows,
        BLOCK_KEYS=tiles.block_keys,
        num_warps=tiles.num_warps,
        num_stages=tiles.num_stages,
    )
    return out


def _on_device(
    layout: SegmentLayout, block_rows: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Copy the work list to the device once for all layers that use this layout."""
    key = (block_rows, device)
    if key not in layout.device_tables:
        plan = work_list(layout, block_rows)
        tables = (plan.blocks, plan.row_starts, plan.row_ends)
        layout.device_tables[key] = tuple(
            torch.from_numpy(t).to(device, non_blocking=True) for t in tables
        )
    blocks, row_starts, row_ends = layout.device_tables[key]
    return blocks, row_starts, row_ends
