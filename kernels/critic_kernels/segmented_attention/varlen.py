"""Segmented attention by the flash attention that torch ships, in one call or in two parts."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.nn.attention.varlen import AuxRequest, varlen_attn

from critic_kernels.segmented_attention.layout import SegmentLayout
from critic_kernels.segmented_attention.parts import Part, attend_in_parts

# torch 2.11 takes fewer key heads than query heads without being told; later ones want a word.
_GQA = "enable_gqa" in inspect.signature(varlen_attn).parameters


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
    options: dict[str, Any] = {"enable_gqa": query.shape[1] != key.shape[1]} if _GQA else {}
    out, lse = varlen_attn(
        query,
        key,
        value,
        part.query_bounds,
        part.key_bounds,
        part.max_queries,
        part.max_keys,
        return_aux=AuxRequest(lse=True),
        scale=scale,
        window_size=(-1, 0) if part.causal else (-1, -1),
        **options,
    )
    return out, lse
