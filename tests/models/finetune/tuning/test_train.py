"""The recipe from rows to a critic that serves, on a tiny random network."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from critic_models.errors import InputError
from critic_models.finetune.tuning.config import LoraSettings, LossWeights, PartTuning, RowsConfig
from critic_models.finetune.tuning.evaluate import Figures, answer_cases
from critic_models.finetune.tuning.snapshot import SNAPSHOT_FILE
from critic_models.finetune.tuning.train import LOG_FILE, REJECTS_FILE, RUN_FOLDER, Run, main
from critic_models.judging import Judge
from critic_models.rows import Source
from critic_models.vlm.families import FAMILIES
from tuning_rows import Shown, pair_rows, point_rows, save_critic, show, write_rows

pytest.importorskip("accelerate")

RATE = 3e-3
PEFT = pytest.mark.skipif(find_spec("peft") is None, reason="peft is not installed")
TUNINGS = ["full", pytest.param("lora", marks=PEFT)]


def configure(critic: Path, rows: Path, tuning: Any = "full", **more: Any) -> RowsConfig:
    part = PartTuning(tuning, RATE)
    chosen: dict[str, Any] = {
        "language": part,
        "merger": part,
        "lora": LoraSettings(8, 16.0, 0.1),
        "precision": "fp32",
        "workers": 0,
        "cases_per_step": 4,
        "max_steps": 4,
        "epochs": 50,
        "validation_share": 0.25,
        "snapshot_every_steps": 2,
        "evaluate_every_steps": 0,
        "gradient_checkpointing": False,
        **more,
    }
    return RowsConfig(critic=str(critic), rows=(Source(rows),), **chosen)


@pytest.fixture(scope="module")
def rows(clips: list[Shown]) -> Path:
    labelled = [*point_rows(clips, reason="It is lit so."), *pair_rows(clips)]
    return write_rows(clips[0].path.parent / "train.jsonl", labelled)


def losses_of(out: Path) -> list[float]:
    lines = (out / RUN_FOLDER / LOG_FILE).read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def weights_of(run: Run) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in run.tuned.parameters.items()}


@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_stopped_run_goes_on_as_if_it_had_not(critic, rows, tmp_path, tuning):
    config = configure(critic, rows, tuning)
    whole = Run(config, tmp_path / "whole", None)
    whole.train()

    class PowerCut(Exception):
        pass

    stopped, log = Run(config, tmp_path / "parts", None), Run._log

    def cut(run: Run, row: dict[str, Any]) -> None:
        log(run, row)
        if row["step"] == 3:
            raise PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_log", cut)
        with pytest.raises(PowerCut):
            stopped.train()
    resumed = Run(config, tmp_path / "parts", None)
    resumed.train()
    # The third step was logged before the cut and is taken again after it.
    first, second, third, *rest = losses_of(tmp_path / "parts")
    assert [first, second, *rest] == losses_of(tmp_path / "whole")
    assert third == rest[0]
    for name, weight in weights_of(whole).items():
        assert torch.equal(weight, weights_of(resumed)[name]), name


def test_a_snapshot_of_another_run_is_refused(critic, rows, tmp_path):
    Run(configure(critic, rows, max_steps=1), tmp_path, None).train()
    assert (tmp_path / RUN_FOLDER / SNAPSHOT_FILE).is_file()
    other = configure(critic, rows, max_steps=1, seed=1)
    with pytest.raises(InputError, match="another configuration, critic or rows"):
        Run(other, tmp_path, None).train()
    # What does not change the learning may change.
    again = configure(critic, rows, max_steps=1, workers=0, evaluate_every_steps=7)
    Run(again, tmp_path, None).train()
    assert len(losses_of(tmp_path)) == 1, "a finished run takes no step"


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_export_scores_what_was_trained(critic, rows, tmp_path, tuning):
    config = configure(critic, rows, tuning, name="bright-critic", snapshot_every_steps=0)
    run = Run(config, tmp_path, None)
    run.train()
    run.tuned.network.eval()
    trained = Judge(run.critic, run.tokenizer, run.prepared.spec, "in memory")
    before = answer_cases(trained, run.prepared.validation)
    figures = run.finish()
    judge = Judge.load(str(tmp_path), device="cpu")
    after = answer_cases(judge, run.prepared.validation)
    assert judge.name == "bright-critic"
    assert set(judge.spec.criteria) == {"brightness"}
    for old, new in zip(before.points, after.points, strict=True):
        assert new.score.raw == pytest.approx(old.score.raw, abs=1e-3)
    for was, now in zip(before.pairs, after.pairs, strict=True):
        assert now.compared.p_win == pytest.approx(was.compared.p_win, abs=1e-3)
    assert {"single clips", "scores, with ties"} <= set(figures)
    assert RowsConfig.load(tmp_path / "training.json") == config
    card = (tmp_path / "README.md").read_text()
    assert "# bright-critic" in card
    assert f"{tuning} tuning of the language and {tuning} tuning of the merger" in card
    assert f"{run.prepared.num_train_rows} rows were learned" in card
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "critic.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if "adapter" in name]


def test_a_judge_that_was_not_trained_scores_otherwise(critic, rows, tmp_path):
    """The mutant of the test above: an export of the weights that the run began with."""
    config = configure(critic, rows, snapshot_every_steps=0)
    run = Run(config, tmp_path, None)
    run.train()
    untrained = answer_cases(Judge.load(str(critic), device="cpu"), run.prepared.validation)
    run.finish()
    trained = answer_cases(Judge.load(str(tmp_path), device="cpu"), run.prepared.validation)
    gaps = [
        abs((a.score.raw or 0.0) - (b.score.raw or 0.0))
        for a, b in zip(untrained.points, trained.points, strict=True)
    ]
    assert max(gaps) > 0.1


@pytest.mark.parametrize("model_type", FAMILIES)
def test_small_forwards_add_up_to_the_same_step(model_type, rows, tmp_path):
    critic = save_critic(tmp_path / "base", model_type)
    ends = []
    for tokens in (1, 1 << 20):
        config = configure(critic, rows, max_steps=2, max_batch_tokens=tokens)
        run = Run(config, tmp_path / str(tokens), None)
        run.train()
        ends.append((losses_of(tmp_path / str(tokens)), weights_of(run)))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-4)
    # AdamW divides by the gradient's own size: what is nearly 0 may step either way.
    apart = [
        float(((a - b).abs() > 1e-4).float().mean())
        for a, b in zip(ends[0][1].values(), ends[1][1].values(), strict=True)
    ]
    assert sum(apart) / len(apart) < 0.02


def test_computing_activations_twice_changes_nothing(critic, rows, tmp_path):
    found = []
    for twice in (False, True):
        config = configure(critic, rows, max_steps=2, gradient_checkpointing=twice)
        run = Run(config, tmp_path / str(twice), None)
        run.train()
        found.append(losses_of(tmp_path / str(twice)))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_run_in_bfloat16_learns_and_evaluates_on_the_way(critic, rows, tmp_path):
    seen: list[dict[str, Any]] = []
    config = configure(critic, rows, precision="bf16", evaluate_every_steps=2)
    main(config, tmp_path, seen.append)
    assert [row["step"] for row in seen] == [2, 4], "an evaluation, and the last step"
    assert {"single clips: brightness", "scores, with ties: brightness"} <= set(seen[0])
    assert Judge.load(str(tmp_path), device="cpu").name == config.name


def test_rejects_are_written_beside_the_log(critic, clips, tmp_path):
    labelled = point_rows(clips)
    labelled[2]["clip"] = "absent.mp4"
    path = write_rows(clips[0].path.parent / "absent.jsonl", labelled)
    config = configure(critic, path, max_steps=1, max_rejected_share=0.2)
    run = Run(config, tmp_path, None)
    (line,) = (tmp_path / RUN_FOLDER / REJECTS_FILE).read_text().splitlines()
    assert json.loads(line)["number"] == 3
    assert "absent.mp4" in json.loads(line)["reason"]
    assert len(run.prepared.rejects) == 1


def test_a_critic_that_is_not_there_is_named(rows, tmp_path):
    with pytest.raises(InputError, match=r"no critic '.*absent'"):
        main(configure(tmp_path / "absent", rows), tmp_path)


def test_rows_that_nothing_is_learned_from_are_an_error(critic, clips, tmp_path):
    path = write_rows(clips[0].path.parent / "points.jsonl", point_rows(clips))
    config = configure(critic, path, losses=LossWeights(pointwise=0.0, reason=0.0))
    with pytest.raises(InputError, match="nothing to learn"):
        Run(config, tmp_path, None).train()


@pytest.mark.slow
def test_two_devices_take_the_steps_of_one(critic, rows, tmp_path):
    """The same cases, the same total weight, gradients added up over both."""
    config = configure(critic, rows, max_steps=3, lora=LoraSettings(8, 16.0, 0.0))
    Run(config, tmp_path / "one", None).train()
    (tmp_path / "config.json").write_text(config.to_json())
    script = (
        "import sys; from pathlib import Path\n"
        "from critic_models.finetune.tuning.config import RowsConfig\n"
        "from critic_models.finetune.tuning.train import Run\n"
        "Run(RowsConfig.load(Path(sys.argv[1])), Path(sys.argv[2]), None).train()\n"
    )
    (tmp_path / "run.py").write_text(script)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    launch += ["--standalone", "run.py", "config.json", "two"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        launch, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), rel=1e-3)


def learn(
    base: Path, folder: Path, out: Path, tuning: str, edit: Any = None, steps: int = 60
) -> Figures:
    """Train on 96 clips, measure on 32 others; `edit` changes the training rows."""
    shown = show(folder, 128, seed=1)
    learned = [*point_rows(shown[:96]), *pair_rows(shown[:96])]
    train = write_rows(folder / "train.jsonl", [edit(r) for r in learned] if edit else learned)
    held_out = [*point_rows(shown[96:]), *pair_rows(shown[96:])]
    config = configure(
        base,
        train,
        tuning,
        validation_rows=(Source(write_rows(folder / "val.jsonl", held_out)),),
        cases_per_step=16,
        max_steps=steps,
        lora=LoraSettings(8, 16.0, 0.0),
        snapshot_every_steps=0,
    )
    if tuning == "full":
        part = PartTuning("full", 1e-3)
        config = dataclasses.replace(config, language=part, merger=part)
    return main(config, out)


def shares(figures: Figures) -> dict[str, float]:
    return {heading: group["brightness"].share for heading, group in figures.items()}


@pytest.mark.slow
@pytest.mark.parametrize("tuning", TUNINGS)
def test_it_learns_brightness_from_files(critic, tmp_path, tuning):
    found = shares(learn(critic, tmp_path / "clips", tmp_path / "out", tuning))
    losses = losses_of(tmp_path / "out")
    assert sum(losses[-10:]) < 0.25 * sum(losses[:10])
    # 32 clips and 24 pairs, 8 of them ties. Chance is 0.5, and 0.67 for saying a side always.
    assert found["single clips"] >= 0.8
    assert found["both_orders, without ties"] >= 0.8
    assert found["scores, without ties"] >= 0.9
    assert max(found["both_orders, with ties"], found["scores, with ties"]) >= 0.75
    spec = Judge.load(str(tmp_path / "out"), device="cpu").spec
    assert spec.calibration["brightness"].scale > 0


@pytest.mark.slow
def test_mutants_do_not(critic, tmp_path):
    """Swapped labels teach the opposite; rows without ties teach to say none."""
    other = {"yes": "no", "no": "yes", "a": "b", "b": "a", "tie": "tie"}

    def swapped(row: dict[str, Any]) -> dict[str, Any]:
        return {k: other[v] if k in ("answer", "preference") else v for k, v in row.items()}

    found = shares(learn(critic, tmp_path / "clips", tmp_path / "swapped", "full", swapped, 40))
    assert found["single clips"] <= 0.3
    assert found["scores, without ties"] <= 0.2

    def decided(row: dict[str, Any]) -> dict[str, Any]:
        return {k: "a" if v == "tie" else v for k, v in row.items()}

    found = shares(learn(critic, tmp_path / "clips", tmp_path / "decided", "full", decided, 40))
    assert found["both_orders, with ties"] <= 0.7
