"""Rotary embedding of queries and keys in one launch, with the norm of their heads where asked.

A program owns some tokens and some heads. It reads the angles of its tokens once, and every half of
a head once; a half that is no power of two is padded, 36 to 64 say, by lanes that are switched off.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from critic_kernels._triton.launching import require_inference, triton_dtype
from critic_kernels._triton.numerics import narrow, rounded
from critic_kernels.rotary.api import HeadNorm

MAX_HEAD_DIM = 256
TOKENS = 16
HEADS = 4
NUM_WARPS = 4


@triton.jit
def rotary_kernel(
    query,
    key,
    cos,
    sin,
    query_weight,
    key_weight,
    query_out,
    key_out,
    num_tokens,
    query_heads,
    key_heads,
    query_row,
    key_row,
    epsilon,
    NORM: tl.constexpr,
    ROUND_PRODUCTS: tl.constexpr,
    NARROW: tl.constexpr,
    INTERPRET: tl.constexpr,
    D: tl.constexpr,
    HALF: tl.constexpr,
    TOKENS: tl.constexpr,
    HEADS: tl.constexpr,
):
    """Rotate `HEADS` heads of `TOKENS` tokens; query heads come first, then key heads."""
    tokens = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    lanes = tl.arange(0, HALF)
    alive = (tokens < num_tokens)[:, None] & (lanes < D // 2)[None, :]
    at = (tokens * D)[:, None] + lanes[None, :]
    cos_first = tl.load(cos + at, mask=alive, other=0.0).to(tl.float32)
    cos_second = tl.load(cos + at + D // 2, mask=alive, other=0.0).to(tl.float32)
    sin_first = tl.load(sin + at, mask=alive, other=0.0).to(tl.float32)
    sin_second = tl.load(sin + at + D // 2, mask=alive, other=0.0).to(tl.float32)

    head_lo = tl.program_id(1) * HEADS
    head_hi = tl.minimum(head_lo + HEADS, query_heads + key_heads)
    for index in range(head_lo, head_hi):
        if index < query_heads:
            source = query + (tokens * query_row)[:, None] + (index * D + lanes)[None, :]
            target = query_out + (tokens * (query_heads * D))[:, None]
            target += (index * D + lanes)[None, :]
            weight = query_weight + lanes
        else:
            head = index - query_heads
            source = key + (tokens * key_row)[:, None] + (head * D + lanes)[None, :]
            target = key_out + (tokens * (key_heads * D))[:, None]
            target += (head * D + lanes)[None, :]
            weight = key_weight + lanes
        first = tl.load(source, mask=alive, other=0.0).to(tl.float32)
        second = tl.load(source + D // 2, mask=alive, other=0.0).to(tl.float32)
        if NORM:
            square = (tl.sum(first * first, 1) + tl.sum(second * second, 1)) / D
            scale = (1.0 / tl.sqrt(square + epsilon))[:, None]
            inside = lanes < D // 2
            w_first = tl.load(weight, mask=inside, other=0.0).to(tl.float32)[None, :]
            w_second = tl.load(weight + D // 2, mask=inside, other=0.0).to(tl.float32)[None, :]
            first = rounded(w_first * rounded(first * scale, NARROW, INTERPRET), NARROW, INTERPRET)
            second = rounded(
                w_second * rounded(second * scale, NARROW, INTERPRET), NARROW, INTERPRET
            )
        kept_first, kept_second = first * cos_first, second * cos_second
        turned_first, turned_second = second * sin_first, first * sin_second
        if ROUND_PRODUCTS:
            kept_first = rounded(kept_first, NARROW, INTERPRET)
            kept_second = rounded(kept_second, NARROW, INTERPRET)
            turned_first = rounded(turned_first, NARROW, INTERPRET)
            turned_second = rounded(turned_second, NARROW, INTERPRET)
        tl.store(target, narrow(kept_first - turned_first, NARROW, INTERPRET), mask=alive)
        tl.store(
            target + D // 2, narrow(kept_second + turned_second, NARROW, INTERPRET), mask=alive
        )


def launch(
    query: torch.Tensor,
    key: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    norm: HeadNorm | None,
    *,
    round_products: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute what `rotate`, or without rounded products `rotate_packed`, promises.

    Raises:
        ValueError: for a dtype, a head dimension or strides that the kernel does not have, or where
            a gradient would be needed.
    """
    weights = (norm.query_weight, norm.key_weight) if norm else (query, key)
    require_inference("rotary", query, key, cos, sin, *weights)
    dtype = triton_dtype("rotary", query)
    num_tokens, query_heads, head_dim = query.shape
    if head_dim > MAX_HEAD_DIM:
        raise ValueError(f"the triton kernel takes heads of up to {MAX_HEAD_DIM}: {head_dim}")
    if any(x.stride()[1:] != (head_dim, 1) for x in (query, key)):
        raise ValueError("heads must lie one after another within a row")
    if not (cos.is_contiguous() and sin.is_contiguous()):
        raise ValueError("cos and sin must be contiguous")
    query_out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
    key_out = torch.empty(key.shape, dtype=key.dtype, device=key.device)
    if num_tokens == 0:
        return query_out, key_out
    heads = query_heads + key.shape[1]
    rotary_kernel[(triton.cdiv(num_tokens, TOKENS), triton.cdiv(heads, HEADS))](
        query,
        key,
        cos,
        sin,
        *weights,
        query_out,
        key_out,
        num_tokens,
        query_heads,
        key.shape[1],
        query.stride(0),
        key.stride(0),
        norm.epsilon if norm else 0.0,
        NORM=norm is not None,
        ROUND_PRODUCTS=round_products,
        NARROW=dtype,
        INTERPRET=bool(triton.knobs.runtime.interpret),
        D=head_dim,
        HALF=triton.next_power_of_2(head_dim // 2),
        TOKENS=TOKENS,
        HEADS=HEADS,
        num_warps=NUM_WARPS,
    )
    return query_out, key_out
