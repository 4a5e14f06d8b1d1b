"""Start a network from an exported critic of an earlier edition, as far as the two have in common.

An edition that asks more questions has a larger vocabulary and perhaps more layers. What its
predecessor saw, and the words it knew, need not be learned again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from critic_models.errors import InputError

WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
_EMBEDDINGS = "model.language_model.embed_tokens.weight"
_LAYER = "model.language_model.layers.{}."
_LAYER_OUTPUTS = ("self_attn.o_proj.weight", "mlp.down_proj.weight")


@torch.no_grad()
def inherit(network: Any, tokenizer_json: str, folder: Path) -> None:
    """Copy an exported critic's weights into a new network; changes it in place.

    Rows of the embeddings go by token, so the vocabularies may differ. Layers of the language model
    that the critic lacks begin as the identity: what they would add is set to 0.

    Args:
        network: of the same sizes but for its vocabulary and number of layers.
        tokenizer_json: of the new network.
        folder: of the critic.

    Raises:
        InputError: the folder holds no critic, or one of other sizes.
    """
    for name in (WEIGHTS_FILE, TOKENIZER_FILE):
        if not (folder / name).is_file():
            raise InputError(f"start_from: {folder} has no {name}")
    own = network.state_dict()
    given = load_file(folder / WEIGHTS_FILE)
    for name, values in given.items():
        # Vocabularies may differ in length, and so in the first axis of the embeddings.
        first = 1 if name == _EMBEDDINGS else 0
        if name not in own or own[name].shape[first:] != values.shape[first:]:
            raise InputError(
                f"start_from: the critic in {folder} is of other sizes than the network: {name} is "
                f"{tuple(values.shape)} there and "
                f"{tuple(own[name].shape) if name in own else 'missing'} here"
            )
    old_ids = _vocabulary((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
    for token, row in _vocabulary(tokenizer_json).items():
        if token in old_ids:
            own[_EMBEDDINGS][row] = given[_EMBEDDINGS][old_ids[token]].to(own[_EMBEDDINGS].dtype)
    for name, values in given.items():
        if name != _EMBEDDINGS:
            own[name].copy_(values)
    layer = 0
    while any(name.startswith(_LAYER.format(layer)) for name in own):
        prefix = _LAYER.format(layer)
        if not any(name.startswith(prefix) for name in given):
            for output in _LAYER_OUTPUTS:
                own[prefix + output].zero_()
        layer += 1


def _vocabulary(tokenizer_json: str) -> dict[str, int]:
    content = json.loads(tokenizer_json)
    added = {token["content"]: int(token["id"]) for token in content["added_tokens"]}
    return {**content["model"]["vocab"], **added}
