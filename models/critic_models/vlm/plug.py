"""What is plugged into transformers' networks, on instances; their classes are left alone.

Attention is registered through transformers' public interface. Its name contains `flash` because
that is how transformers decides to make one packed call per vision layer; a test holds that
contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from critic_kernels import SegmentLayout, segmented_attention
from critic_kernels.segmented_attention import Impl, available_impls
from torch import nn
from transformers import AttentionInterface

ATTENTION = "critic_flash_segmented"


def use_segmented_attention(network: Any) -> None:
    """Let both towers attend by a `SegmentLayout`; see `attend` for what a call must carry.

    Raises:
        ValueError: where a layer of the language model has a window, and would not see its prefix.
    """
    for layer in network.model.language_model.layers:
        if getattr(layer.self_attn, "sliding_window", None) is not None:
            raise ValueError("a layer with a sliding window cannot see its whole prefix")
    network.set_attn_implementation(
        {"": "sdpa", "text_config": ATTENTION, "vision_config": ATTENTION}
    )


def require_attention(network: Any, impl: Impl) -> None:
    """Check that an implementation can attend in both towers, where they lie.

    Raises:
        ValueError: with the reason why it cannot.
    """
    weight = network.lm_head.weight
    text, vision = network.config.text_config, network.config.vision_config
    # Qwen2-VL calls the tower's width `embed_dim` and the language model's `hidden_size`.
    seen = getattr(vision, "embed_dim", None) or vision.hidden_size
    head_dims = {
        getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        seen // vision.num_heads,
    }
    for head_dim in sorted(head_dims):
        reason = available_impls(weight.device, weight.dtype, head_dim)[impl]
        if reason is not None:
            raise ValueError(f"attention {impl!r} cannot run: {reason}")


def use_linear_patches(network: Any) -> None:
    """Embed patches by one matrix product, with the convolution's parameters.

    Patches arrive cut out, so a convolution has a single position to visit; in three dimensions
    and bfloat16 some versions of torch and cuDNN take many times as long for it.
    """
    convolution = network.model.visual.patch_embed.proj
    convolution.forward = partial(_project, convolution)


def use_deepstack_rows(network: Any) -> None:
    """Let the language model take the rows of visual tokens, int64 `[N]`, instead of a mask.

    To find the rows of a mask the host must wait for the device, once per layer with features.

    Raises:
        ValueError: where the network takes such features in a way that is not known here.
    """
    if not hasattr(network.config.vision_config, "deepstack_visual_indexes"):
        return
    language = network.model.language_model
    if not callable(getattr(language, "_deepstack_process", None)):
        raise ValueError(f"{type(language).__name__} adds deepstack features in an unknown way")
    language._deepstack_process = _add_at_rows


def attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    impl: Impl,
    deterministic: bool = False,
    layout: SegmentLayout | None = None,
    layouts: Mapping[int, SegmentLayout] | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers asks for it, by the layout that the caller of the tower handed in.

    Args:
        query, key, value: `[1, heads, L, D]`.
        layout: of a language model.
        layouts: of a vision tower, by their number of segments.
        cu_seq_lens_q: bounds of the segments that a vision layer attends in.

    Returns:
        `[1, L, heads, D]`, and no weights.

    Raises:
        RuntimeError: where there is a mask, or no layout.
    """
    if attention_mask is not None:
        raise RuntimeError("segmented attention takes a layout, never a mask")
    if layout is None and layouts is not None and cu_seq_lens_q is not None:
        layout = layouts[cu_seq_lens_q.shape[0] - 1]
    if layout is None:
        raise RuntimeError("segmented attention was called without a layout")
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    mixed = segmented_attention(q, k, v, layout, scaling, impl=impl, deterministic=deterministic)
    return mixed[None], None


def _project(convolution: nn.Conv3d, patches: torch.Tensor) -> torch.Tensor:
    return F.linear(patches.flatten(1), convolution.weight.flatten(1), convolution.bias)


def _add_at_rows(
    hidden_states: torch.Tensor, visual_pos_masks: torch.Tensor, visual_embeds: torch.Tensor
) -> torch.Tensor:
    rows = visual_pos_masks
    added = hidden_states[:, rows] + visual_embeds.to(hidden_states.dtype)
    return hidden_states.index_copy(1, rows, added)


AttentionInterface.register(ATTENTION, attend)
