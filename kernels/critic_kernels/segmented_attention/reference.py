"""Segmented attention in plain torch: the readable truth, and the path of a CPU.

Each block of the layout is one `scaled_dot_product_attention` over just the rows it sees. A block
never holds rows of two clips unless they are equal segments on the batch axis. Torch may still add
in another order where a block has another shape or lies elsewhere in memory; `alone` gives every
segment a call and fresh memory of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from critic_kernels.segmented_attention.layout import Block, SegmentLayout


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
    *,
    alone: bool = False,
) -> torch.Tensor:
    """Compute what `critic_kernels.segmented_attention` promises; shapes as there.

    Args:
        alone: compute one segment at a time, copied to where it lies alone.
    """
    out = query.new_empty(query.shape[0], query.shape[1], value.shape[2])
    blocks = layout.blocks_alone if alone else layout.blocks
    for block, mask in zip(blocks, _masks(layout, blocks, alone, query.device), strict=True):
        if mask is None:
            q, k, v = (_equal_segments(x, block) for x in (query, key, value))
        else:
            q, k, v = _own(query, block), _seen(key, block), _seen(value, block)
        if alone:
            q, k, v = (x.clone(memory_format=torch.contiguous_format) for x in (q, k, v))
        mixed = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            is_causal=layout.causal and mask is None,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        out[block.start : block.end] = mixed.transpose(1, 2).flatten(0, 1)
    return out


def _masks(
    layout: SegmentLayout, blocks: Sequence[Block], alone: bool, device: torch.device
) -> tuple[torch.Tensor | None, ...]:
    """Copy the masks of blocks to the device once for all layers."""
    at = ("masks", alone, device)
    if at not in layout.device_tables:
        layout.device_tables[at] = tuple(
            None if block.mask is None else block.mask.to(device) for block in blocks
        )
    masks: tuple[torch.Tensor | None, ...] = layout.device_tables[at]
    return masks


def _equal_segments(x: torch.Tensor, block: Block) -> torch.Tensor:
    """View a block's rows as `[segments, heads, rows, head_dim]`."""
    rows = x[block.start : block.end]
    return rows.view(block.count, -1, *rows.shape[1:]).transpose(1, 2)


def _own(x: torch.Tensor, block: Block) -> torch.Tensor:
    return x[block.start : block.end].transpose(0, 1)[None]


def _seen(x: torch.Tensor, block: Block) -> torch.Tensor:
    """Put the prefix before a block's own rows: `[1, heads, keys, head_dim]`."""
    parts = (x[block.prefix_start : block.prefix_end], x[block.start : block.end])
    return torch.cat(parts).transpose(0, 1)[None]
