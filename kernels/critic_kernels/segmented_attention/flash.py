"""Segmented attention by the flash-attn package, in one call or in two parts."""

from __future__ import annotations

import torch
from flash_attn import flash_attn_varlen_func

from critic_kernels.segmented_attention.layout import SegmentLayout
from critic_kernels.segmented_attention.parts import Part, attend_in_parts


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
) -> torch.Tensor:
    """Compute what `critic_kernels.segmented_attention` promises; shapes as there.

    Raises:
        ValueError: where the head dimensions of keys and values differ.
    """
    if value.shape[2] != key.shape[2]:
        raise ValueError(f"head dimensions differ: keys {key.shape[2]}, values {value.shape[2]}")
    return attend_in_parts(query, key, value, layout, scale, _attend_part)


def _attend_part(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: Part, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    out, lse, _ = flash_attn_varlen_func(
        query,
        key,
        value,
        part.query_bounds,
        part.key_bounds,
        part.max_queries,
        part.max_keys,
        softmax_scale=scale,
        causal=part.causal,
        return_attn_probs=True,
    )
    return out, lse
