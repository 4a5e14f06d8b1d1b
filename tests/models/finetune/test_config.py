from __future__ import annotations

import dataclasses
import json

import pytest
from critic_models.errors import InputError
from critic_models.finetune.config import SMOKE, NetworkConfig, TrainConfig


@pytest.mark.parametrize("config", [TrainConfig(), SMOKE])
def test_a_configuration_survives_its_file(config, tmp_path):
    path = tmp_path / "training.json"
    path.write_text(config.to_json(), encoding="utf-8")
    assert TrainConfig.load(path) == config


def test_what_a_file_leaves_out_keeps_its_default():
    config = TrainConfig.from_json('{"seed": 4, "network": {"num_layers": 4}}')
    assert config == dataclasses.replace(
        TrainConfig(), seed=4, network=dataclasses.replace(NetworkConfig(), num_layers=4)
    )


@pytest.mark.parametrize("text", ['{"sed": 1}', '{"network": {"layers": 2}}'])
def test_an_unknown_field_is_an_error_that_names_it(text):
    unknown = "sed" if "sed" in text else "layers"
    with pytest.raises(InputError, match=unknown):
        TrainConfig.from_json(text)


@pytest.mark.parametrize("text", ["", "[1]", '"x"', "{"])
def test_what_is_not_a_json_object_is_refused(text):
    with pytest.raises(InputError, match="JSON"):
        TrainConfig.from_json(text)


@pytest.mark.parametrize(
    "values",
    [
        {"minutes": None},
        {"minutes": 0},
        {"steps": 0},
        {"tower_share": 1.0},
        {"num_frames": 1},
        {"batch_clips": 3},
        {"batch_clips": 6, "processes": 2},
        {"tower_share": 0.6, "fixed_tower_share": 0.5},
        {"autocast": "float16"},
        {"network": {"summary_layer": 5}},
        {"batch_clips": 0},
        {"clip_sizes": []},
        {"clip_sizes": [[100, 128]]},
        {"threads": 0},
    ],
)
def test_impossible_values_are_refused(values):
    with pytest.raises(InputError):
        TrainConfig.from_json(json.dumps(values))
