"""Networks by name: built empty, filled from the file that their weights are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from critic_models.dimensions.networks.amt import AmtS
from critic_models.dimensions.networks.clip import (
    VIT_B_32,
    VIT_L_14,
    AestheticClip,
    Clip,
    open_clip,
)
from critic_models.dimensions.networks.dino import DinoViT
from critic_models.dimensions.networks.musiq import Musiq
from critic_models.dimensions.networks.raft import Raft
from critic_models.dimensions.networks.umt import Umt
from critic_models.dimensions.networks.viclip import ViClip
from critic_models.dimensions.weights.loading import fill, read_tensors
from critic_models.dimensions.weights.store import WeightStore

Build = Callable[[WeightStore], Any]


@dataclass(frozen=True)
class _Plain:
    """A network of ours whose checkpoint holds its tensors under their own names.

    Attributes:
        network: builds it.
        weights: the name of its file.
        within: the key of the checkpoint that holds the tensors.
        optional: names of tensors that the checkpoint may lack.
    """

    network: Callable[[], torch.nn.Module]
    weights: str
    within: str | None = None
    optional: tuple[str, ...] = ()

    def __call__(self, store: WeightStore) -> torch.nn.Module:
        path = store.require(self.weights)
        return fill(self.network(), read_tensors(path, self.within), path, self.optional)


def _clip(name: str, weights: str) -> Callable[[WeightStore], Clip]:
    def build(store: WeightStore) -> Clip:
        # The file first: whoever lacks both is told of the larger thing.
        path = store.require(weights)
        model = open_clip().create_model(name, pretrained=None)
        fill(model, read_tensors(path), path)
        return Clip(model)

    return build


def _aesthetic(store: WeightStore) -> torch.nn.Module:
    path = store.require("laion_aesthetic_l_14")
    network = AestheticClip(_clip(VIT_L_14, "clip_vit_l_14")(store))
    fill(network.head, read_tensors(path), path)
    return network.eval()


NETWORKS: Mapping[str, Build] = MappingProxyType(
    {
        "amt_s": _Plain(AmtS, "amt_s", within="state_dict"),
        "clip_vit_b_32": _clip(VIT_B_32, "clip_vit_b_32"),
        "dino_vitb16": _Plain(DinoViT, "dino_vitb16"),
        "laion_aesthetic": _aesthetic,
        "musiq_spaq": _Plain(Musiq, "musiq_spaq"),
        "raft_things": _Plain(Raft, "raft_things"),
        "umt_l16_k400": _Plain(Umt, "umt_l16_k400", optional=("pos_embed",)),
        "viclip_l_14": _Plain(ViClip, "viclip_l_14", within="model"),
    }
)


NEEDS_OPEN_CLIP = frozenset({"clip_vit_b_32", "laion_aesthetic", "viclip_l_14"})
"""Networks that need the package open_clip: CLIP itself, and whose words CLIP's tokenizer cuts."""


def load_network(name: str, store: WeightStore, device: torch.device) -> Any:
    """Build a network, fill it and move it to a device.

    Raises:
        WeightsMissing: its file is not there.
        CheckpointError: the file is not what it should be, or a package that it needs is absent.
    """
    return NETWORKS[name](store).to(device)
