"""Segmented attention in plain torch: the readable truth, and the path of a CPU.

Each block of the layout is one `scaled_dot_product_attention` over just the rows it sees. A block
never holds rows of two clips unless they are equal segments on the batch axis, so that a clip's
result does not depend on its neighbours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from critic_kernels.segmented_attention.layout import Block, SegmentLayout


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
) -> torch.Tensor:
    """Compute what `critic_kernels.segmented_attention` promises; shapes as there."""
    out = query.new_empty(query.shape[0], query.shape[1], value.shape[2])
    for block in layout.blocks:
        rows = slice(block.start, block.end)
        if block.mask is None:
            out[rows] = _equal_segments(query, key, value, block, layout.causal, scale)
        else:
            out[rows] = _branches(query, key, value, block, block.mask, scale)
    return out


def _equal_segments(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    block: Block,
    causal: bool,
    scale: float,
) -> torch.Tensor:
    def heads_first(x: torch.Tensor) -> torch.Tensor:
        rows = x[block.start : block.end]
        return rows.view(block.count, -1, *rows.shape[1:]).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        heads_first(query),
        heads_first(key),
        heads_first(value),
        is_causal=causal,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return mixed.transpose(1, 2).reshape(block.end - block.start, query.shape[1], -1)


def _branches(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    block: Block,
    mask: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    def seen(x: torch.Tensor) -> torch.Tensor:
        parts = (x[block.prefix_start : block.prefix_end], x[block.start : block.end])
        return torch.cat(parts).transpose(0, 1)[None]

    mixed = F.scaled_dot_product_attention(
        query[block.start : block.end].transpose(0, 1)[None],
        seen(key),
        seen(value),
        attn_mask=mask.to(query.device),
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return mixed[0].transpose(0, 1)
