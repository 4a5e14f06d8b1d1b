"""Attention for training on equal sequences: plain batched products, fast to differentiate.

The engine serves ragged, packed sequences; a training batch is rectangular, and on a CPU the
backward of batched products is several times faster than that of fused attention. Both compute the
same; a test holds them together.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface

from critic_models.finetune.tree import TreeShape

TRAINING_ATTENTION = "critic_flash_training"
"""Contains `flash` so that transformers makes one call per vision layer."""


def use_training_attention(network: Any) -> None:
    """Switch both towers to this attention."""
    network.set_attn_implementation(
        {"": "sdpa", "text_config": TRAINING_ATTENTION, "vision_config": TRAINING_ATTENTION}
    )


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    tree: TreeShape | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    if attention_mask is not None:
        raise RuntimeError("training attention takes a tree, never a mask")
    query = query * scaling
    if tree is not None:
        return _attend_tree(query, key, value, tree).transpose(1, 2), None
    if cu_seq_lens_q is None:
        raise RuntimeError("training attention was called without a tree or segments")
    segments = cu_seq_lens_q.shape[0] - 1
    query, key, value = (
        x[0].unflatten(1, (segments, -1)).transpose(0, 1) for x in (query, key, value)
    )
    mixed = torch.matmul(_softmax(torch.matmul(query, key.transpose(-1, -2))), value)
    return mixed.transpose(1, 2).flatten(0, 1)[None], None


def _attend_tree(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, tree: TreeShape
) -> torch.Tensor:
    """Attend causally in the prefix, and from every branch to the prefix and itself.

    All tensors are `[B, heads, L, d]`, rows as `tree` describes them.
    """
    prefix_key, prefix_value = key[:, :, : tree.prefix], value[:, :, : tree.prefix]
    scores = torch.matmul(query[:, :, : tree.prefix], prefix_key.transpose(-1, -2))
    mixed = [torch.matmul(_softmax(scores + _causal(tree.prefix, scores)), prefix_value)]
    row = tree.prefix
    for count, length in tree.groups:
        rows = slice(row, row + count * length)
        row += count * length
        own_query, own_key, own_value = (
            x[:, :, rows].unflatten(2, (count, length)) for x in (query, key, value)
        )
        to_prefix = torch.matmul(query[:, :, rows], prefix_key.transpose(-1, -2))
        to_own = torch.matmul(own_query, own_key.transpose(-1, -2))
        to_own = to_own + _causal(length, to_own)
        weights = _softmax(torch.cat([to_prefix, to_own.flatten(2, 3)], -1))
        prefix_weights, own_weights = weights.split([tree.prefix, length], -1)
        own = torch.matmul(own_weights.unflatten(2, (count, length)), own_value)
        mixed.append(torch.matmul(prefix_weights, prefix_value) + own.flatten(2, 3))
    return torch.cat(mixed, 2)


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(scores.dtype)


def _causal(length: int, like: torch.Tensor) -> torch.Tensor:
    return torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device).triu(1)


AttentionInterface.register(TRAINING_ATTENTION, _attention)
