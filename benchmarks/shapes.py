"""Shapes of published models, built with random weights, and the clips they are shown.

Sources: the `config.json` of Qwen/Qwen2.5-VL-7B-Instruct, Qwen/Qwen3-VL-2B-Instruct and
Qwen/Qwen3-VL-8B-Instruct. The two of 27 million parameters are this project's own, for CPUs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from critic_models.vlm.families import FAMILIES, Family
from critic_models.vlm.plug import use_linear_patches
from torch import nn


@dataclass(frozen=True)
class Shape:
    """A model's shape, and the clip it is shown.

    Attributes:
        model_type: as in `config.json`.
        text, vision: the two halves of its configuration.
        tied: whether the answer rows are those of the embedding.
        tokens: ids of a clip's pad, start and end.
        frames, height, width: of every clip, in frames and pixels.
    """

    name: str
    model_type: str
    text: Mapping[str, Any]
    vision: Mapping[str, Any]
    tied: bool
    tokens: tuple[int, int, int]
    frames: int
    height: int
    width: int

    @property
    def family(self) -> Family:
        return FAMILIES[self.model_type]

    @property
    def patch_grid(self) -> tuple[int, int, int]:
        patch = self.vision["patch_size"]
        return self.frames // 2, self.height // patch, self.width // patch

    @property
    def clip_label(self) -> str:
        return f"{self.frames} frames of {self.height}x{self.width}"

    def label(self, max_layers: int | None) -> str:
        """Name the model, and how far its layers were cut."""
        depths = (self.text["num_hidden_layers"], self.vision["depth"])
        if max_layers is None or max_layers >= max(depths):
            return self.name
        text, vision = (f"{min(max_layers, depth)}/{depth}" for depth in depths)
        return f"{self.name} ({text} language and {vision} vision layers)"


def build(
    shape: Shape, device: torch.device, dtype: torch.dtype, max_layers: int | None = None
) -> Any:
    """Build transformers' model on the device, with random weights and a linear patch embedding.

    Args:
        max_layers: cut the language model and the vision tower to so many layers each.
    """
    torch.manual_seed(0)
    model_class = getattr(transformers, shape.family.model_class)
    with torch.device(device):
        network = model_class._from_config(
            configuration(shape, max_layers), dtype=dtype, attn_implementation="sdpa"
        )
    use_linear_patches(network)
    return network.eval().requires_grad_(False)


def configuration(shape: Shape, max_layers: int | None = None) -> Any:
    text, vision = dict(shape.text), dict(shape.vision)
    if max_layers is not None:
        # Special layers keep their share of the tower, at least one.
        text["num_hidden_layers"] = min(max_layers, text["num_hidden_layers"])
        depth = min(max_layers, vision["depth"])
        for name in ("fullatt_block_indexes", "deepstack_visual_indexes"):
            if name in vision:
                count = max(1, len(vision[name]) * depth // vision["depth"])
                vision[name] = [(i + 1) * depth // count - 1 for i in range(count)]
        vision["depth"] = depth
    config_class = getattr(transformers, shape.family.model_class).config_class
    pad, start, end = shape.tokens
    return config_class(
        text_config=text,
        vision_config=vision,
        video_token_id=pad,
        image_token_id=pad - 1,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=shape.tied,
    )


def copied(network: Any, dtype: torch.dtype | None = None) -> Any:
    """Copy a network's modules so that one can be changed; share its weights, or widen them."""
    weights = {
        id(weight): weight if dtype is None else nn.Parameter(weight.to(dtype), requires_grad=False)
        for weight in network.parameters()
    }
    return copy.deepcopy(network, {**weights, **{id(b): b for b in network.buffers()}})


def _text(
    hidden: int, layers: int, heads: int, kv_heads: int, inner: int, vocabulary: int, **rest: Any
) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": 128_000,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
        **rest,
    }


def _rope(theta: float, section: list[int], **rest: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta, "mrope_section": section, **rest}


QWEN2_5_VL_7B = Shape(
    name="qwen2.5-vl-7b",
    model_type="qwen2_5_vl",
    text=_text(3584, 28, 28, 4, 18_944, 152_064, rope_parameters=_rope(1e6, [16, 24, 24])),
    vision={
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
        "tokens_per_second": 2,
    },
    tied=False,
    tokens=(151_656, 151_652, 151_653),
    frames=16,
    height=448,
    width=448,
)
QWEN3_VL_2B = Shape(
    name="qwen3-vl-2b",
    model_type="qwen3_vl",
    text=_text(
        *(2048, 28, 16, 8, 6144, 151_936),
        head_dim=128,
        rope_parameters=_rope(5e6, [24, 20, 20], mrope_interleaved=True),
    ),
    vision={
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": 2048,
        "patch_size": 16,
        "deepstack_visual_indexes": [5, 11, 17],
    },
    tied=True,
    tokens=(151_656, 151_652, 151_653),
    frames=16,
    height=448,
    width=448,
)
QWEN3_VL_8B = Shape(
    name="qwen3-vl-8b",
    model_type="qwen3_vl",
    text=_text(
        *(4096, 36, 32, 8, 12_288, 151_936),
        head_dim=128,
        rope_parameters=_rope(5e6, [24, 20, 20], mrope_interleaved=True),
    ),
    vision={
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "out_hidden_size": 4096,
        "patch_size": 16,
        "deepstack_visual_indexes": [8, 16, 24],
    },
    tied=False,
    tokens=(151_656, 151_652, 151_653),
    frames=16,
    height=448,
    width=448,
)
CPU_QWEN2_5_VL = Shape(
    name="cpu-27m-qwen2.5-vl",
    model_type="qwen2_5_vl",
    text=_text(
        *(384, 8, 6, 2, 1536, 512),
        initializer_range=0.05,
        rope_parameters=_rope(1e6, [8, 12, 12]),
    ),
    vision={
        "depth": 8,
        "hidden_size": 320,
        "intermediate_size": 512,
        "num_heads": 4,
        "out_hidden_size": 384,
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [3, 7],
        "tokens_per_second": 2,
    },
    tied=False,
    tokens=(501, 502, 503),
    frames=8,
    height=448,
    width=448,
)
CPU_QWEN3_VL = Shape(
    name="cpu-27m-qwen3-vl",
    model_type="qwen3_vl",
    text=_text(
        *(384, 8, 6, 2, 1536, 512),
        head_dim=64,
        initializer_range=0.05,
        rope_parameters=_rope(5e6, [12, 10, 10], mrope_interleaved=True),
    ),
    vision={
        "depth": 8,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_heads": 4,
        "out_hidden_size": 384,
        "patch_size": 16,
        "deepstack_visual_indexes": [2, 5],
    },
    tied=False,
    tokens=(501, 502, 503),
    frames=8,
    height=448,
    width=448,
)
SHAPES = {
    shape.name: shape
    for shape in (QWEN2_5_VL_7B, QWEN3_VL_2B, QWEN3_VL_8B, CPU_QWEN2_5_VL, CPU_QWEN3_VL)
}


def default_shapes(device: torch.device) -> tuple[Shape, ...]:
    """The published shapes on a GPU, the small ones on a CPU."""
    small = (CPU_QWEN2_5_VL, CPU_QWEN3_VL)
    return small if device.type == "cpu" else (QWEN2_5_VL_7B, QWEN3_VL_2B, QWEN3_VL_8B)
