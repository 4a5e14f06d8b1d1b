from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from critic_models.errors import InputError
from critic_models.finetune.checkpoint import export
from critic_models.finetune.config import SMOKE, NetworkConfig
from critic_models.finetune.inherit import inherit
from critic_models.finetune.model import build_network
from critic_models.finetune.tokenizer import train_tokenizer
from critic_models.vlm.tokens import PromptTokenizer

OLD = train_tokenizer().to_str()
NEW = train_tokenizer(["zebra zebra zebra zebra"] * 8).to_str()
EMBEDDINGS = "model.language_model.embed_tokens.weight"


def network_of(tokenizer_json: str, seed: int, **sizes: int):
    config = dataclasses.replace(SMOKE.network, **sizes)
    return build_network(config, PromptTokenizer(tokenizer_json), seed)


@pytest.fixture(scope="module")
def critic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    export(network_of(OLD, 0), OLD, SMOKE, folder)
    return folder


@torch.no_grad()
def logits_of(network) -> torch.Tensor:
    """Of tokens alone; the rows that fill the vocabulary up to a multiple of 64 stay random."""
    return network(input_ids=torch.arange(12)[None]).logits[..., : len(vocabulary(OLD))]


def vocabulary(tokenizer_json: str) -> dict[str, int]:
    return json.loads(tokenizer_json)["model"]["vocab"]


def test_words_keep_their_meaning_where_their_numbers_differ(critic):
    old_ids, new_ids = vocabulary(OLD), vocabulary(NEW)
    moved = [t for t in old_ids if t in new_ids and old_ids[t] != new_ids[t]]
    assert moved, "the two vocabularies number every token alike: nothing is tested"
    old, new = network_of(OLD, 0), network_of(NEW, 1)
    inherit(new, NEW, critic)
    for token in moved[:50]:
        given = old.state_dict()[EMBEDDINGS][old_ids[token]].bfloat16().float()
        assert torch.equal(new.state_dict()[EMBEDDINGS][new_ids[token]], given)


def test_a_layer_more_changes_nothing_at_first(critic):
    same, deeper = network_of(OLD, 1), network_of(OLD, 1, num_layers=3)
    inherit(same, OLD, critic)
    inherit(deeper, OLD, critic)
    assert torch.allclose(logits_of(same), logits_of(deeper), atol=1e-6)
    untouched = network_of(OLD, 1, num_layers=3)
    assert not torch.allclose(logits_of(same), logits_of(untouched), atol=1e-2)


@pytest.mark.parametrize("size", ["hidden_size", "vision_intermediate_size"])
def test_other_sizes_are_refused_by_name(critic, size):
    wide = network_of(OLD, 1, **{size: 2 * getattr(NetworkConfig(), size)})
    with pytest.raises(InputError, match="of other sizes than the network"):
        inherit(wide, OLD, critic)


def test_a_folder_without_a_critic_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"model\.safetensors"):
        inherit(network_of(OLD, 1), OLD, tmp_path)
