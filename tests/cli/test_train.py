"""`critic train` builds the configuration and calls the recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from critic_models.errors import CheckpointError
from critic_models.finetune.accuracy import Accuracy
from critic_models.finetune.config import SMOKE, TrainConfig
from critic_models.finetune.tuning.config import RowsConfig


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainConfig, Path]]:
    calls: list[tuple[TrainConfig, Path]] = []

    def main(config: TrainConfig, out_dir: Path, progress: Any) -> dict[str, Any]:
        calls.append((config, out_dir))
        progress({"step": 50, "elapsed_s": 90.0, "share": 0.125, "loss": 1.23456})
        return {"val": {"sharpness": Accuracy(90, 100)}, "test": {"sharpness": Accuracy(80, 100)}}

    monkeypatch.setattr("critic_models.finetune.train.main", main)
    return calls


def test_train_runs_the_recipe_and_reports(run: Any, recipe: Any, tmp_path: Path) -> None:
    done = run("train", "--out", tmp_path / "new", "--minutes", "3")
    assert done.exit_code == 0
    ((config, out),) = recipe
    assert (config.minutes, config.steps, out) == (3.0, None, tmp_path / "new")
    assert done.complaints == [" 12%  step 50, 1.5 min, loss 1.235"]
    assert "0.900 (0.826 to 0.945)" in done.stdout
    assert f"critic score FILE --critic {tmp_path / 'new'}" in done.stdout


def test_train_reads_a_configuration(run: Any, recipe: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"steps": 7, "minutes": None}))
    assert run("train", path, "--out", tmp_path).exit_code == 0
    assert (recipe[0][0].steps, recipe[0][0].minutes) == (7, None)


def test_the_recipe_is_the_configuration_s_own(
    run: Any, recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[RowsConfig, Path]] = []

    def main(config: RowsConfig, out_dir: Path, progress: Any) -> dict[str, Any]:
        calls.append((config, out_dir))
        progress({"step": 50, "share": 0.5, "elapsed_s": 60.0, "loss": 0.5})
        progress({"step": 50, "share": 0.5, "single clips: sharpness": 0.75})
        single, pairs = {"sharpness": Accuracy(90, 100)}, {"beauty": Accuracy(8, 10)}
        return {"single clips": single, "scores, with ties": pairs}

    monkeypatch.setattr("critic_models.finetune.tuning.train.main", main)
    path = tmp_path / "config.json"
    content = {"recipe": "rows", "critic": "critic-nano", "rows": [{"path": "rows.jsonl"}]}
    path.write_text(json.dumps(content))
    done = run("train", path, "--out", tmp_path / "new")
    assert done.exit_code == 0
    ((config, out),) = calls
    assert (config.critic, out) == ("critic-nano", tmp_path / "new")
    assert config.rows[0].path == tmp_path / "rows.jsonl"
    assert done.complaints[1] == " 50%  step 50, single clips: sharpness 0.750"
    assert "0.800 (0.490 to 0.943)" in done.stdout
    assert recipe == []
    assert run("train", path, "--out", tmp_path, "--minutes", "3").exit_code == 2

    path.write_text(json.dumps({"recipe": "world", "steps": 7, "minutes": None}))
    assert run("train", path, "--out", tmp_path).exit_code == 0
    assert recipe[0][0].steps == 7
    assert len(calls) == 1


def test_smoke_is_the_recipe_s_own(run: Any, recipe: Any, tmp_path: Path) -> None:
    assert run("train", "--smoke", "--out", tmp_path).exit_code == 0
    assert recipe[0][0] == SMOKE


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "JSON object"),
        ('{"stepz": 1}', "stepz"),
        ('{"minutes": null}', "needs a budget"),
        ('{"recipe": "word"}', "no recipe 'word'"),
        ('{"recipe": "rows", "critic": "x", "rows": []}', "at least one file"),
    ],
)
def test_a_bad_configuration_is_bad_usage(
    run: Any, recipe: Any, tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    done = run("train", path, "--out", tmp_path)
    assert done.exit_code == 2
    assert len(done.complaints) == 1
    assert complaint in done.stderr
    assert recipe == []


def test_paths_that_do_not_fit_are_bad_usage(run: Any, recipe: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("{}")
    assert run("train", tmp_path / "absent.json", "--out", tmp_path).exit_code == 2
    assert run("train", "--out", file).exit_code == 2
    assert run("train", file, "--smoke", "--out", tmp_path).exit_code == 2
    assert run("train").exit_code == 2
    assert recipe == []


def test_a_run_that_fails_says_why(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(*_: Any) -> None:
        raise CheckpointError("the snapshot is of another network")

    monkeypatch.setattr("critic_models.finetune.train.main", main)
    done = run("train", "--out", tmp_path)
    assert done.exit_code == 1
    assert done.complaints == ["critic: the snapshot is of another network"]
