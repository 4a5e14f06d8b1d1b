"""Parts of a network, what of each is trained, and adapters that are merged again.

The vision tower, the merger between the towers, and the language model are frozen, trained whole,
or trained by low-rank adapters (peft) of their linear layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface

from critic_models.errors import CheckpointError
from critic_models.finetune.tuning.config import PARTS, PartName, RowsConfig
from critic_models.finetune.tuning.libraries import require

ATTENTION = "critic_flash_tuning"
"""Contains `flash` so that transformers makes one call per vision layer."""

_VISION = "model.visual."
_HEAD = "lm_head."


@dataclass(frozen=True)
class Tuned:
    """A network of which some is trained.

    Attributes:
        network: the transformers model, adapters inside.
        peft: peft's handle on it; None without adapters.
        groups: names and parameters that are trained, by part.
    """

    network: Any
    peft: Any
    groups: Mapping[PartName, Mapping[str, nn.Parameter]]

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        return {name: p for group in self.groups.values() for name, p in group.items()}

    def merge(self) -> Any:
        """Fold the adapters into the weights; returns the plain network."""
        return self.network if self.peft is None else self.peft.merge_and_unload(safe_merge=True)


def part_of(name: str) -> PartName:
    """Name the part that a parameter or module of the network belongs to."""
    if not name.startswith(_VISION):
        return "language"
    return "merger" if "merger" in name else "vision"


def tune(network: Any, config: RowsConfig) -> Tuned:
    """Freeze what is frozen, and put adapters where they are asked for.

    Raises:
        InputError: where adapters are asked for and peft is not installed.
        CheckpointError: where a part that is to be trained has nothing to train.
    """
    network.requires_grad_(False)
    peft = _adapters(network, config)
    for name, parameter in network.named_parameters():
        if config.part(part_of(name)).tuning == "full":
            parameter.requires_grad_(True)
    _share_precision_in_attention(network)
    groups: dict[PartName, dict[str, nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(part_of(name), {})[name] = parameter
    empty = [part for part in PARTS if config.part(part).tuning != "frozen" and part not in groups]
    if empty:
        raise CheckpointError(f"the network has nothing to train in its {', '.join(empty)}")
    return Tuned(network, peft, groups)


def optimizer(tuned: Tuned, config: RowsConfig) -> torch.optim.AdamW:
    """Make AdamW with each part's learning rate; only matrices decay."""
    groups = []
    for part, parameters in tuned.groups.items():
        rate = config.part(part).learning_rate
        for decays in (True, False):
            chosen = [p for p in parameters.values() if (p.ndim > 1) == decays]
            decay = config.weight_decay if decays else 0.0
            if chosen:
                groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=(0.9, 0.95))


def _adapters(network: Any, config: RowsConfig) -> Any:
    adapted = [name for name in PARTS if config.part(name).tuning == "lora"]
    if not adapted:
        return None
    peft = require("peft")
    settings = peft.LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=[name for name in _linear_layers(network) if part_of(name) in adapted],
        bias="none",
    )
    torch.manual_seed(config.seed)
    return peft.get_peft_model(network, settings)


def _linear_layers(network: Any) -> Iterator[str]:
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and not f"{name}.".startswith(_HEAD):
            yield name


def _share_precision_in_attention(network: Any) -> None:
    """Bring queries and keys to the values' dtype before attention.

    Under autocast rotary embeddings leave queries and keys in float32 beside values in bfloat16.
    """
    serving = {
        config._attn_implementation
        for config in (network.config.text_config, network.config.vision_config)
    }
    (name,) = serving
    attend = AttentionInterface()[name]

    def attention(
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **keywords: Any,
    ) -> Any:
        query, key = query.to(value.dtype), key.to(value.dtype)
        return attend(module, query, key, value, attention_mask, **keywords)

    AttentionInterface.register(ATTENTION, attention)
    network.set_attn_implementation(
        {"": "sdpa", "text_config": ATTENTION, "vision_config": ATTENTION}
    )
