"""What people run today, on transformers as it is: the loops that the engine is compared with.

`one-by-one` asks one question per forward and encodes the clip every time. `kv-expand` is a
well-written loop: a clip is encoded once and its prompt prefilled once, then the key-value cache is
repeated for every question and the questions are one batch.

All of them have the patch embedding as a matrix product, and compute the logits of the whole
vocabulary at the last position of every question, as the engine does. Their clips may lie on the
device already, where the engine's come from the host.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from critic_models.engine import Branch, WorkItem
from torch import nn
from torch.nn.attention.bias import causal_lower_right
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface

from benchmarks.workload import SECONDS_PER_PATCH

Baseline = Callable[[Sequence[WorkItem]], torch.Tensor]
PackedAttention = Callable[..., torch.Tensor]

# transformers packs the vision tower's segments into one call where the name contains `flash`.
TORCH_FLASH = "torch_flash_varlen"


def flash_backend(device: torch.device) -> str | None:
    """Name the best variable-length flash attention for transformers here; None on a CPU."""
    if device.type != "cuda":
        return None
    return "flash_attention_2" if importlib.util.find_spec("flash_attn") else TORCH_FLASH


def use_attention(network: Any, name: str) -> Any:
    """Make transformers use an attention in both halves of a network."""
    network.set_attn_implementation({"": "sdpa", "text_config": name, "vision_config": name})
    return network


@torch.inference_mode()
def one_by_one(network: Any, items: Sequence[WorkItem]) -> torch.Tensor:
    """Answer logits `[B, A]` in fp32 or wider, one forward of stock transformers per question."""
    return torch.stack([ask(network, item, b) for item in items for b in item.branches])


@torch.inference_mode()
def ask(network: Any, item: WorkItem, branch: Branch) -> torch.Tensor:
    """Answer logits `[A]` of one question, in one forward."""
    device, clips = network.device, item.clips
    ids = torch.from_numpy(np.concatenate([item.prefix.ids, branch.ids]))[None].to(device)
    timing = (
        {"second_per_grid_ts": torch.full((len(clips),), SECONDS_PER_PATCH, device=device)}
        if network.config.model_type == "qwen2_5_vl"
        else {}
    )
    logits = network(
        input_ids=ids,
        pixel_values_videos=torch.cat([clip.patches for clip in clips]).to(device, network.dtype),
        video_grid_thw=torch.tensor([clip.patch_grid for clip in clips], device=device),
        mm_token_type_ids=(ids == network.config.video_token_id).int() * 2,
        use_cache=False,
        logits_to_keep=1,
        **timing,
    ).logits[0, -1]
    return _wide(logits[list(branch.answer_ids)])


@torch.inference_mode()
def kv_expand(network: Any, items: Sequence[WorkItem]) -> torch.Tensor:
    """Answer logits `[B, A]`: every clip encoded once, every prompt prefilled once."""
    seen: dict[str, Any] = {}
    for clip in (clip for item in items for clip in item.clips):
        if clip.key not in seen:
            patches = clip.patches.to(network.device, network.dtype)
            grid = torch.tensor([clip.patch_grid], device=network.device)
            seen[clip.key] = network.model.visual(patches, grid_thw=grid)
    return torch.cat([_expand(network, item, [seen[c.key] for c in item.clips]) for item in items])


def _expand(network: Any, item: WorkItem, encoded: Sequence[Any]) -> torch.Tensor:
    device, language = network.device, network.model.language_model
    ids = torch.from_numpy(item.prefix.ids).to(device)
    is_visual = torch.from_numpy(item.prefix.is_visual).to(device)
    embedded = language.embed_tokens(ids)
    embedded[is_visual] = torch.cat([e.pooler_output for e in encoded]).to(embedded.dtype)
    levels = [getattr(e, "deepstack_features", None) or () for e in encoded]
    deepstack = [torch.cat(of_all_clips) for of_all_clips in zip(*levels, strict=True)]
    cache = transformers.DynamicCache(config=network.config.text_config)
    language(
        inputs_embeds=embedded[None],
        position_ids=torch.from_numpy(item.prefix_positions).to(device)[:, None],
        past_key_values=cache,
        use_cache=True,
        **(
            {"visual_pos_masks": is_visual[None], "deepstack_visual_embeds": deepstack}
            if deepstack
            else {}
        ),
    )
    count = len(item.branches)
    cache.batch_repeat_interleave(count)
    questions = torch.from_numpy(np.stack([b.ids for b in item.branches])).to(device)
    steps = torch.arange(questions.shape[1], device=device) + item.branch_start
    hidden = language(
        input_ids=questions,
        position_ids=steps.view(1, 1, -1).expand(3, count, -1),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state[:, -1]
    answers = torch.tensor([b.answer_ids for b in item.branches], device=device)
    return _wide(network.lm_head(hidden).gather(1, answers))


def torch_flash_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int = 0,
    packed: PackedAttention = varlen_attn,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Flash attention as torch ships it, for machines without the `flash-attn` package.

    A vision tower's segments are one `varlen_attn`; a language model's rows are causal, aligned to
    the end of their keys, as where they continue a cache.

    Args:
        query, key, value: `[batch, heads, rows, head_dim]`.
        packed: attends within segments of packed rows `[rows, heads, head_dim]`.
    """
    if attention_mask is not None:
        raise RuntimeError("flash attention takes no mask")
    if cu_seq_lens_q is None:
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=causal_lower_right(query.shape[2], key.shape[2]),
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return mixed.transpose(1, 2), None
    # Not every version of `varlen_attn` takes a scale: its own must be the one that is asked for.
    if not math.isclose(scaling, query.shape[3] ** -0.5):
        raise RuntimeError(f"a vision tower scales by {scaling}, not by the root of its head size")
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    ends = cu_seq_lens_q
    return packed(q, k, v, ends, ends, max_length_q, max_length_q)[None], None


def _wide(logits: torch.Tensor) -> torch.Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


AttentionInterface.register(TORCH_FLASH, torch_flash_attention)
