"""The network of critic-nano: a small Qwen3-VL, from random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from torch import nn

from critic_models.finetune.config import NetworkConfig
from critic_models.vlm.tokens import PromptTokenizer

POSITION_GRID_SIDE = 8
"""The learned position table covers 8×8 patches; other grids interpolate in it."""


def build_network(
    config: NetworkConfig, tokenizer: PromptTokenizer, seed: int
) -> transformers.Qwen3VLForConditionalGeneration:
    """Build the network with random weights, in float32."""
    torch.manual_seed(seed)
    network = transformers.Qwen3VLForConditionalGeneration(_transformers_config(config, tokenizer))
    visual = network.model.visual
    visual.pos_embed.weight.data.normal_(0.0, 0.2)
    filters = torch.from_numpy(_patch_filters(config.vision_hidden_size, config.patch_size))
    visual.patch_embed.proj.weight.data.copy_(filters)
    return network


class PatchProjection(nn.Module):
    """The patch embedding as one matrix product, with the convolution's parameters.

    Patches arrive cut out, so the convolution has a single position to visit; its backward on a
    CPU takes several times as long as the product.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Project `[N, C, tp, p, p]` to `[N, hidden]`."""
        return F.linear(patches.flatten(1), self.weight.flatten(1), self.bias)


@torch.no_grad()
def whiten_patch_embedding(network: Any, patches: torch.Tensor) -> None:
    """Scale every patch filter to unit variance and zero mean over some patches.

    Pictures have a thousand times more energy in slow variation than in fine detail, and it is in
    the detail that blur, noise and blocking live. Scaled alike, all of it is learned at one rate.

    Args:
        patches: float32 `[N, C * tp * p * p]` of representative clips.
    """
    projection = network.model.visual.patch_embed.proj
    response = patches @ projection.weight.flatten(1).T
    scale = 1.0 / (response.std(0) + 1e-3)
    projection.weight.mul_(scale.view(-1, 1, 1, 1, 1))
    projection.bias.copy_(-response.mean(0) * scale)


def _transformers_config(
    config: NetworkConfig, tokenizer: PromptTokenizer
) -> transformers.Qwen3VLConfig:
    half = config.head_dim // 2
    spatial = half * 3 // 8
    return transformers.Qwen3VLConfig(
        text_config={
            "vocab_size": -(-tokenizer.vocab_size // 64) * 64,
            "hidden_size": config.hidden_size,
            "intermediate_size": config.intermediate_size,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "num_key_value_heads": config.num_heads,
            "head_dim": config.head_dim,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [half - 2 * spatial, spatial, spatial],
                "mrope_interleaved": True,
            },
            "pad_token_id": tokenizer.special_id("<|endoftext|>"),
        },
        vision_config={
            "depth": config.vision_depth,
            "hidden_size": config.vision_hidden_size,
            "intermediate_size": config.vision_intermediate_size,
            "num_heads": config.vision_num_heads,
            "patch_size": config.patch_size,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": config.hidden_size,
            "num_position_embeddings": POSITION_GRID_SIDE**2,
            "deepstack_visual_indexes": list(config.deepstack_layers),
        },
        image_token_id=tokenizer.special_id("<|image_pad|>"),
        video_token_id=tokenizer.special_id("<|video_pad|>"),
        vision_start_token_id=tokenizer.special_id("<|vision_start|>"),
        vision_end_token_id=tokenizer.special_id("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def _patch_filters(count: int, side: int) -> np.ndarray:
    """Cosine filters over colour, two frames and space; float32 `[count, 3, 2, side, side]`.

    A third each: slow variation of the mean of both frames and of their difference (where things
    are and how they move), and fine detail of both (how sharp, noisy and blocky they are).
    """
    colours = np.asarray([[1, 1, 1], [1, -1, 0], [1, 1, -2]], np.float64)
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    times = np.asarray([[1, 1], [1, -1]]) / np.sqrt(2)
    n = np.arange(side)
    cosines = np.cos(np.pi * (n[None] + 0.5) * n[:, None] / side)
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    order = sorted(np.ndindex(side, side), key=lambda uv: (uv[0] ** 2 + uv[1] ** 2, uv))

    slow = count * 5 // 24
    tint = count // 24
    chosen = [(0, time, uv) for time in (0, 1) for uv in order[:slow]]
    chosen += [(c, 0, uv) for c in (1, 2) for uv in order[: 2 * tint]]
    chosen += [(c, 1, uv) for c in (1, 2) for uv in order[:tint]]
    detail = order[slow:]
    missing = count - len(chosen)
    for time, number in ((0, missing - missing // 2), (1, missing // 2)):
        picks = np.linspace(0, len(detail) - 1, number).round().astype(int)
        chosen += [(0, time, detail[i]) for i in picks]
    filters = [
        np.einsum("c,t,y,x->ctyx", colours[c], times[t], cosines[u], cosines[v])
        for c, t, (u, v) in chosen
    ]
    return np.stack(filters).astype(np.float32)
