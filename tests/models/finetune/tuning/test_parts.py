from __future__ import annotations

from pathlib import Path

import pytest
import torch
from critic_models.errors import InputError
from critic_models.finetune.tuning import libraries
from critic_models.finetune.tuning.config import PARTS as ALL_PARTS
from critic_models.finetune.tuning.config import LoraSettings, PartTuning, RowsConfig
from critic_models.finetune.tuning.parts import optimizer, part_of, tune
from critic_models.rows import Source
from tiny_critics import FAMILY_NAMES, tiny_model

FROZEN, LORA, FULL = PartTuning("frozen"), PartTuning("lora", 1e-3), PartTuning("full", 1e-4)


def config(language: PartTuning, merger: PartTuning, vision: PartTuning) -> RowsConfig:
    return RowsConfig(
        critic="base",
        rows=(Source(Path("x")),),
        language=language,
        merger=merger,
        vision=vision,
        lora=LoraSettings(4, 8.0, 0.0),
        precision="fp32",
        weight_decay=0.1,
    )


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_every_weight_belongs_to_one_part_and_only_chosen_ones_move(model_type):
    for chosen in ALL_PARTS:
        network = tiny_model(model_type, torch.float32).network
        tuned = tune(network, config(*(FULL if p == chosen else FROZEN for p in ALL_PARTS)))
        assert set(tuned.groups) == {chosen}
        expected = {name for name, _ in network.named_parameters() if part_of(name) == chosen}
        assert set(tuned.parameters) == expected
        moving = {name for name, p in network.named_parameters() if p.requires_grad}
        assert moving == expected
        assert tuned.merge() is network


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_adapters_stand_beside_whole_parts_and_can_be_merged(model_type):
    pytest.importorskip("peft")
    stock = tiny_model(model_type, torch.float32).network.state_dict()
    network = tiny_model(model_type, torch.float32).network
    tuned = tune(network, config(LORA, FULL, FROZEN))
    assert all("lora_" in name for name in tuned.groups["language"])
    assert not any("lora_" in name for name in tuned.groups["merger"])
    assert "vision" not in tuned.groups
    adapted = {name.split(".lora_")[0] for name in tuned.groups["language"]}
    layers = network.config.text_config.num_hidden_layers
    assert len(adapted) == 7 * layers, "q, k, v, o, gate, up and down of every layer"
    with torch.no_grad():
        for name, parameter in tuned.parameters.items():
            if "lora_B" in name:
                parameter.fill_(0.01)
    merged = tuned.merge().state_dict()
    assert {k: v.shape for k, v in merged.items()} == {k: v.shape for k, v in stock.items()}
    changed = {k for k, v in merged.items() if not torch.equal(v, stock[k])}
    assert changed == {f"{name}.weight" for name in adapted}


def test_adapters_begin_alike_for_a_seed():
    pytest.importorskip("peft")
    tuned = [
        tune(tiny_model("qwen3_vl", torch.float32).network, config(LORA, FROZEN, FROZEN))
        for _ in range(2)
    ]
    for name, parameter in tuned[0].parameters.items():
        assert torch.equal(parameter, tuned[1].parameters[name])


def test_each_part_has_its_learning_rate_and_only_matrices_decay():
    network = tiny_model("qwen3_vl", torch.float32).network
    tuned = tune(network, config(FULL, PartTuning("full", 3e-5), FROZEN))
    groups = optimizer(tuned, config(FULL, PartTuning("full", 3e-5), FROZEN)).param_groups
    by_parameter = {id(p): group for group in groups for p in group["params"]}
    assert len(by_parameter) == len(tuned.parameters)
    for part, rate in (("language", 1e-4), ("merger", 3e-5)):
        for parameter in tuned.groups[part].values():
            group = by_parameter[id(parameter)]
            assert group["peak"] == rate
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


def test_a_missing_library_is_named(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(libraries.importlib, "import_module", absent)
    with pytest.raises(InputError, match=r"needs peft.*critic-service\[train\]"):
        libraries.require("peft")


def test_a_broken_library_is_not_called_missing(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'other'", name="other")

    monkeypatch.setattr(libraries.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="other"):
        libraries.require("peft")
