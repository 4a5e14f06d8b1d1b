from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from critic_models.errors import InputError
from critic_models.finetune.tuning.config import LossWeights, PartTuning, RowsConfig
from critic_models.rows import Source
from critic_models.vlm.criteria import Criterion

LEAST = {"critic": "base", "rows": [{"path": "rows.jsonl"}]}


def test_a_configuration_survives_its_file(tmp_path):
    config = RowsConfig(
        critic="base",
        rows=(Source(Path("/data/rows.jsonl"), "lift", Path("/clips"), {"motion": "motion"}),),
        validation_rows=(Source(Path("/data/val.csv"), "video_reward"),),
        criteria=(Criterion("overall", "yes_no", "Good?", "quality", ("yes", "no")),),
        vision=PartTuning("full", 2e-6),
        losses=LossWeights(reason=0.0),
        reward_weights={"overall": 1.0},
    )
    path = tmp_path / "training.json"
    path.write_text(config.to_json(), encoding="utf-8")
    assert RowsConfig.load(path) == config


def test_paths_start_from_the_file_s_folder(tmp_path):
    (tmp_path / "base").mkdir()
    path = tmp_path / "config.json"
    source = {"path": "rows.jsonl", "clips_root": "clips", "questions": "/q.txt"}
    path.write_text(json.dumps({**LEAST, "rows": [source]}))
    config = RowsConfig.load(path)
    assert config.critic == str(tmp_path / "base")
    assert config.rows[0].path == tmp_path / "rows.jsonl"
    assert config.rows[0].clips_root == tmp_path / "clips"
    assert config.rows[0].questions == Path("/q.txt")


def test_an_embedded_critic_is_named_and_not_a_path(tmp_path):
    content = {**LEAST, "critic": "critic-nano"}
    assert RowsConfig.from_json(json.dumps(content), tmp_path).critic == "critic-nano"


def test_weights_are_kept_wide_where_they_are_trained():
    config = RowsConfig.from_json(json.dumps(LEAST))
    assert config.weight_dtype == "bfloat16"
    whole = dataclasses.replace(config, merger=PartTuning("full"))
    assert whole.weight_dtype == "float32"
    assert dataclasses.replace(config, precision="fp32").weight_dtype == "float32"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"epoch": 1}, "epoch"),
        ({"lora": {"r": 4}}, r"\['r'\]"),
        ({"rows": []}, "at least one file"),
        ({"rows": [{"path": "x", "format": "parquet"}]}, "no format 'parquet'"),
        ({"rows": [{"file": "x"}]}, "file"),
        ({"rows": "x"}, "must be an object"),
        ({"recipe": "world"}, "recipe"),
        ({"language": {"tuning": "frozen"}}, "nothing to train"),
        ({"language": {"tuning": "some"}}, "frozen, lora, full"),
        ({"language": {"tuning": "lora", "learning_rate": 0}}, "learning_rate"),
        ({"language": 3}, "must be an object"),
        ({"lora": {"dropout": 1.0}}, "dropout"),
        ({"losses": {"pointwise": -1}}, "negative"),
        ({"losses": {"pointwise": 0, "pairwise": 0, "bradley_terry": 0}}, "all of them 0"),
        ({"losses": {"tie_theta": 1.0}}, "tie_theta"),
        ({"epochs": 0}, "epochs"),
        ({"max_steps": 0}, "max_steps"),
        ({"cases_per_step": 0}, "cases_per_step"),
        ({"validation_share": 1.0}, "validation_share"),
        ({"workers": -1}, "workers"),
        ({"precision": "fp16"}, "precision"),
        ({"criteria": [{"name": "x"}]}, "not valid"),
        ({"epochs": "many"}, "not valid"),
    ],
)
def test_impossible_values_are_refused(values, complaint):
    with pytest.raises(InputError, match=complaint):
        RowsConfig.from_json(json.dumps({**LEAST, **values}))


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_what_is_not_a_json_object_is_refused(text):
    with pytest.raises(InputError):
        RowsConfig.from_json(text)
