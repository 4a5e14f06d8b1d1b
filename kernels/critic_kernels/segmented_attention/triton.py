"""Segmented attention as one Triton launch for vision segments and for shared-prefix trees.

Each program owns a block of query rows and one head. It streams tiles of keys that all its rows see
(no mask), then the edges, where each row sees its prefix and its own segment (masked), with the
usual online softmax in base two (Milakov and Gimelshein, 2018; Dao et al., 2022). A head dimension
that is no power of two is split in two parts, 80 = 64 + 16, so that the padding stays small.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from critic_kernels._triton.numerics import dot, narrow, rounded
from critic_kernels.segmented_attention.layout import SegmentLayout
from critic_kernels.segmented_attention.plan import work_list
from critic_kernels.segmented_attention.tiles import Tiles, choose_tiles, split_head_dim

UNIT = 8
_DTYPES = {
    torch.float32: tl.float32,
    torch.float16: tl.float16,
    torch.bfloat16: tl.bfloat16,
}


@triton.jit
def _load(at, keep, GUARDED: tl.constexpr):
    if GUARDED:
        return tl.load(at, mask=keep, other=0.0).to(tl.float32)
    return tl.load(at).to(tl.float32)


@triton.jit
def _scores(
    q1,
    q2,
    k,
    k_row,
    live,
    GUARDED: tl.constexpr,
    D: tl.constexpr,
    D1: tl.constexpr,
    D2: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_KEYS: tl.constexpr,
):
    d1 = tl.arange(0, D1)
    at = k + (tl.arange(0, BLOCK_KEYS) * k_row)[None, :]
    tile = _load(at + d1[:, None], live[None, :], GUARDED)
    scores = dot(q1, tile, tl.zeros([BLOCK_ROWS, BLOCK_KEYS], tl.float32), NARROW, INTERPRET)
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        keep = live[None, :] & (d2 < D)[:, None]
        tile = _load(at + d2[:, None], keep, GUARDED or D1 + D2 > D)
        scores = dot(q2, tile, scores, NARROW, INTERPRET)
    return scores


@triton.jit
def _accumulate(
    scores,
    top,
    total,
    acc1,
    acc2,
    scale_log2,
    v,
    v_row,
    live,
    GUARDED: tl.constexpr,
    D: tl.constexpr,
    D1: tl.constexpr,
    D2: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    BLOCK_KEYS: tl.constexpr,
):
    new_top = tl.maximum(top, tl.max(scores, 1) * scale_log2)
    # A row that has seen nothing yet keeps -inf; subtracting it would give NaN.
    safe = tl.where(new_top == float("-inf"), 0.0, new_top)
    weights = tl.exp2(tl.fma(scores, scale_log2, -safe[:, None]))
    scale = tl.exp2(top - safe)
    total = total * scale + tl.sum(weights, 1)
    weights = rounded(weights, NARROW, INTERPRET)
    at = v + (tl.arange(0, BLOCK_KEYS) * v_row)[:, None]
    d1 = tl.arange(0, D1)
    tile = _load(at + d1[None, :], live[:, None], GUARDED)
    acc1 = dot(weights, tile, acc1 * scale[:, None], NARROW, INTERPRET)
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        keep = live[:, None] & (d2 < D)[None, :]
        tile = _load(at + d2[None, :], keep, GUARDED or D1 + D2 > D)
        acc2 = dot(weights, tile, acc2 * scale[:, None], NARROW, INTERPRET)
    return new_top, total, acc1, acc2


@triton.jit
def segmented_attention_kernel(
    q,
    k,
    v,
    out,
    blocks,
    edges,
    row_first,
    row_last,
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
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    UNIT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_KEYS: tl.constexpr,
):
    """Compute one block of rows of one head, by an entry of `plan.WorkList`.

    Distances between rows and between heads come in units of `UNIT` elements.
    """
    # The compiler then knows that 16 bytes are aligned, and copies them at once: it would not if
    # a head of 72 channels were a distance of 72.
    q_row, q_head, k_row, k_head = q_row * UNIT, q_head * UNIT, k_row * UNIT, k_head * UNIT
    v_row, v_head, out_row, out_head = v_row * UNIT, v_head * UNIT, out_row * UNIT, out_head * UNIT
    head = tl.program_id(0).to(tl.int64)
    entry = blocks + tl.program_id(1) * 8
    row_lo, row_hi = tl.load(entry), tl.load(entry + 1)
    prefix_lo, prefix_hi = tl.load(entry + 2), tl.load(entry + 3)
    own_lo, own_tiles = tl.load(entry + 4), tl.load(entry + 5)
    edge_lo, edge_hi = tl.load(entry + 6), tl.load(entry + 7)
    q += head * q_head + row_lo.to(tl.int64) * q_row
    k += (head // heads_per_kv) * k_head
    v += (head // heads_per_kv) * v_head
    out += head * out_head + row_lo.to(tl.int64) * out_row

    r = tl.arange(0, BLOCK_ROWS)
    n = tl.arange(0, BLOCK_KEYS)
    alive = r < row_hi - row_lo
    first_seen = tl.load(row_first + row_lo + r, mask=alive, other=0)
    last_seen = tl.load(row_last + row_lo + r, mask=alive, other=0)
    d1 = tl.arange(0, D1)
    at = q + (r * q_row)[:, None]
    q1 = _load(at + d1[None, :], alive[:, None], True)
    q2 = q1
    acc1 = tl.zeros([BLOCK_ROWS, D1], tl.float32)
    acc2 = acc1
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        q2 = _load(at + d2[None, :], alive[:, None] & (d2 < D)[None, :], True)
        acc2 = tl.zeros([BLOCK_ROWS, D2], tl.float32)
    top = tl.full([BLOCK_ROWS], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_ROWS], tl.float32)

    prefix_tiles = (prefix_hi - prefix_lo) // BLOCK_KEYS
    for t in range(0, prefix_tiles + own_tiles):
        first = prefix_lo + t * BLOCK_KEYS
        if t >= prefix_tiles:
            first = own_lo + (t - prefix_tiles) * BLOCK_KEYS
        k_tile = k + first.to(tl.int64) * k_row
        v_tile = v + first.to(tl.int64) * v_row
        live = n >= 0
        scores = _scores(
            q1, q2, k_tile, k_row, live, False, D, D1, D2, NARROW, INTERPRET, BLOCK_ROWS, BLOCK_KEYS
        )
        top, total, acc1, acc2 = _accumulate(
            *(scores, top, total, acc1, acc2, scale_log2, v_tile, v_row, live),
            *(False, D, D1, D2, NARROW, INTERPRET, BLOCK_KEYS),
        )
    for e in range(edge_lo, edge_hi):
        first, end = tl.load(edges + 2 * e), tl.load(edges + 2 * e + 1)
        k_tile = k + first.to(tl.int64) * k_row
        v_tile = v + first.to(tl.int64) * v_row
        cols = first + n
        live = cols < end
        scores = _scores(
            q1, q2, k_tile, k_row, live, True, D, D1, D2, NARROW, INTERPRET, BLOCK_ROWS, BLOCK_KEYS
        )
        # An edge lies in the prefix, which all rows see, or in segments; a row whose own segment
        # starts behind the edge sees none of it.
        from_col = tl.where(first_seen < end, first_seen, first + BLOCK_KEYS)
        to_col = last_seen
        if end <= prefix_hi:
            from_col, to_col = tl.zeros_like(first_seen), tl.zeros_like(last_seen) + (end - 1)
        seen = (cols[None, :] >= from_col[:, None]) & (cols[None, :] <= to_col[:, None])
        scores = tl.where(seen, scores, float("-inf"))
        top, total, acc1, acc2 = _accumulate(
            *(scores, top, total, acc1, acc2, scale_log2, v_tile, v_row, live),
            *(True, D, D1, D2, NARROW, INTERPRET, BLOCK_KEYS),
        )

    total = tl.where(alive, total, 1.0)
    at = out + (r * out_row)[:, None]
    result = narrow(acc1 / total[:, None], NARROW, INTERPRET)
    tl.store(at + d1[None, :], result, mask=alive[:, None])
    if D2 > 0:
        d2 = D1 + tl.arange(0, D2)
        result = narrow(acc2 / total[:, None], NARROW, INTERPRET)
        tl.store(at + d2[None, :], result, mask=alive[:, None] & (d2 < D)[None, :])


def launch(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
    *,
    aligned: bool = False,
    tiles: Tiles | None = None,
) -> torch.Tensor:
    """Compute what `critic_kernels.segmented_attention` promises; shapes as there.

    Args:
        aligned: begin tiles of keys at the start of every segment; see `plan.work_list`.
        tiles: sizes of the launch.

    Raises:
        ValueError: for shapes or strides that the kernel does not have, or where gradients are
            wanted: it has no backward.
    """
    num_tokens, num_heads, head_dim = query.shape
    if value.shape[2] != head_dim:
        raise ValueError(f"head dimensions of keys and values differ: {head_dim}, {value.shape[2]}")
    if scale <= 0:
        raise ValueError(f"the scale must be positive: {scale}")
    if any(x.stride(2) != 1 for x in (query, key, value)):
        raise ValueError("the head dimension must be contiguous")
    if any(x.stride(i) % UNIT for x in (query, key, value) for i in (0, 1)):
        raise ValueError(f"rows and heads must lie multiples of {UNIT} elements apart")
    if torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value)):
        raise ValueError("the triton kernel has no backward; use it without gradients")
    out = torch.empty(num_tokens, num_heads, head_dim, dtype=query.dtype, device=query.device)
    if num_tokens == 0:
        return out
    tiles = tiles or choose_tiles(query.dtype, head_dim)
    tables = _on_device(layout, tiles, aligned, query.device)
    d1, d2 = split_head_dim(head_dim)
    # Heads come first: programs run together then read the same keys, and the longest blocks of
    # all heads start before the shorter ones.
    segmented_attention_kernel[(num_heads, tables[0].shape[0])](
        query,
        key,
        value,
        out,
        *tables,
        *(x.stride(i) // UNIT for x in (query, key, value, out) for i in (0, 1)),
        scale * math.log2(math.e),
        num_heads // key.shape[1],
        D=head_dim,
        D1=d1,
        D2=d2,
        NARROW=_DTYPES[query.dtype],
        INTERPRET=bool(triton.knobs.runtime.interpret),
        UNIT=UNIT,
        BLOCK_ROWS=tiles.block_rows,
        BLOCK_KEYS=tiles.block_keys,
        num_warps=tiles.num_warps,
        num_stages=tiles.num_stages,
    )
    return out


def _on_device(
    layout: SegmentLayout, tiles: Tiles, aligned: bool, device: torch.device
) -> tuple[torch.Tensor, ...]:
    """Copy the work list to the device once for all layers that use this layout."""
    key = ("triton", tiles.block_rows, tiles.block_keys, aligned, device)
    if key not in layout.device_tables:
        plan = work_list(layout, tiles.block_rows, tiles.block_keys, aligned=aligned)
        tables = (plan.blocks, plan.edges, plan.row_first, plan.row_last)
        layout.device_tables[key] = tuple(_upload(torch.from_numpy(t), device) for t in tables)
    return layout.device_tables[key]


def _upload(table: torch.Tensor, device: torch.device) -> torch.Tensor:
    # From memory that may be paged out the host would wait for the copy.
    pinned = table.pin_memory() if device.type == "cuda" else table
    return pinned.to(device, non_blocking=True)
