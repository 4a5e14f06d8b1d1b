"""Very small networks of every supported architecture, with random weights, and a tokenizer."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import torch
import transformers
from critic_kernels.segmented_attention.api import Impl
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.model import CriticModel
from critic_models.vlm.tokens import PromptTokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|video_pad|>",
    "<|image_pad|>",
)
ANSWERS = ("yes", "no", "Yes", "No", "bad", "normal", "good", "Bad", "Normal", "Good", "A", "B")
FAMILY_NAMES = tuple(FAMILIES)


@cache
def tokenizer_json() -> str:
    """A byte-level BPE in which every answer word is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = (*ANSWERS, "tie", "user\n", "assistant\n", "Is the video sharp?", "seconds")
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*words] * 50, trainer)
    tokenizer.add_special_tokens([AddedToken(s, special=True) for s in SPECIALS])
    return str(tokenizer.to_str())


def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(tokenizer_json())


def tiny_config(model_type: str) -> transformers.PretrainedConfig:
    """A network of a few thousand parameters whose logits are spread out."""
    ids = json.loads(tokenizer_json())["added_tokens"]
    special = {t["content"]: t["id"] for t in ids}
    hidden, heads = 64, 4
    half = hidden // heads // 2
    side = half * 3 // 8
    text = {
        "vocab_size": tokenizer().vocab_size,
        "hidden_size": hidden,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "head_dim": hidden // heads,
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": [half - 2 * side, side, side],
            **({"mrope_interleaved": True} if model_type == "qwen3_vl" else {}),
        },
        "initializer_range": 0.3,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    common = {"depth": 3, "num_heads": 2, "initializer_range": 0.1, "spatial_merge_size": 2}
    vision = {
        "qwen2_vl": {"embed_dim": 32, "hidden_size": hidden, "patch_size": 14, "mlp_ratio": 2},
        "qwen2_5_vl": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": hidden,
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [2],
            "tokens_per_second": 2,
        },
        "qwen3_vl": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": hidden,
            "patch_size": 16,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
    }[model_type]
    config_class = {
        "qwen2_vl": transformers.Qwen2VLConfig,
        "qwen2_5_vl": transformers.Qwen2_5_VLConfig,
        "qwen3_vl": transformers.Qwen3VLConfig,
    }[model_type]
    return config_class(
        text_config=text,
        vision_config={**common, **vision},
        image_token_id=special["<|image_pad|>"],
        video_token_id=special["<|video_pad|>"],
        vision_start_token_id=special["<|vision_start|>"],
        vision_end_token_id=special["<|vision_end|>"],
        tie_word_embeddings=False,
    )


def tiny_network(
    model_type: str, dtype: torch.dtype = torch.float64, seed: int = 0
) -> torch.nn.Module:
    """A randomly initialised transformers model, attention as transformers ships it."""
    torch.manual_seed(seed)
    model_class = getattr(transformers, FAMILIES[model_type].model_class)
    network = model_class._from_config(tiny_config(model_type), attn_implementation="sdpa")
    return network.to(dtype).eval()


def tiny_model(
    model_type: str,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    attention: Impl = "reference",
) -> CriticModel:
    return CriticModel(tiny_network(model_type, dtype, seed), FAMILIES[model_type], attention)


def save_tiny_checkpoint(directory: Path, model_type: str = "qwen3_vl") -> Path:
    """Write a loadable checkpoint without `critic.json`: a general model."""
    directory.mkdir(parents=True, exist_ok=True)
    tiny_network(model_type, torch.float32).save_pretrained(directory)
    (directory / "tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    return directory
