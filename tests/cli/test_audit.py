"""`critic audit`: what it measures, what it prints, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from critic_models.audit.labelled import LabelledSet
from critic_models.errors import CheckpointError
from critic_models.judging import Judge
from critic_models.video.encode import encode_mp4
from oracle_judge import OracleJudge, labelled_clips, truth

NAMES = "sharpness,motion_continuity,text_alignment"


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> OracleJudge:
    """An ideal critic in place of any checkpoint, and few resamples."""
    judge = OracleJudge(truth)
    monkeypatch.setattr(Judge, "load", lambda *arguments: loaded.append(arguments) or judge)
    loaded: list[tuple[Any, ...]] = []
    monkeypatch.setattr(judge, "loaded", loaded, raising=False)
    monkeypatch.setattr("critic_models.audit.intervals.RESAMPLES", 50)
    return judge


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Labelled clips that the oracle knows, in place of rendered ones."""
    asked: list[int] = []

    def world_set(num_pairs: int) -> LabelledSet:
        asked.append(num_pairs)
        return labelled_clips(40)

    monkeypatch.setattr("critic_models.audit.world_set.world_set", world_set)
    return asked


def test_it_prints_figures_limits_and_a_verdict(run: Any, oracle: Any, world: Any) -> None:
    done = run("audit", "critic-nano", "--criteria", f"{NAMES},steadiness")
    assert done.exit_code == 0
    assert world == [64]
    assert "oracle (r0) on toy, 360 clips" in done.stdout
    assert "1.000 (0.9" in done.stdout
    assert "steadiness was not measured: the set has no labels for it." in done.stdout
    safe = [line for line in done.stdout.splitlines() if line.startswith("  safe (")]
    assert [name for name in NAMES.split(",") if name in safe[0]] == NAMES.split(",")
    assert done.complaints == []


def test_json_is_one_document(run: Any, oracle: Any, world: Any) -> None:
    done = run("audit", "critic-nano", "--json", "--pairs", "7", "--criteria", NAMES)
    document = json.loads(done.stdout)
    assert (document["critic"], document["revision"]) == ("oracle", "r0")
    assert document["criteria"]["sharpness"]["accuracy_no_ties"] == 1.0
    assert document["criteria"]["sharpness"]["n"] == 160
    assert sorted(document["verdict"]["safe"]) == sorted(NAMES.split(","))
    assert world == [7]


def test_it_names_what_falls_short(run: Any, oracle: OracleJudge, world: Any) -> None:
    oracle.opinion = lambda *about: 1 - truth(*about)
    done = run("audit", "critic-nano", "--criteria", "sharpness", "--method", "both_orders")
    assert done.exit_code == 0
    assert "sharpness falls short in accuracy without ties; accuracy on “sharpness!”" in done.stdout
    assert "unsafe (not to be trained on): sharpness" in done.stdout
    assert {len(item.clips) for item in oracle.asked} == {1, 2}


def test_a_report_is_written(run: Any, oracle: Any, world: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    done = run("audit", "critic-nano", "--html", path, "--criteria", "sharpness")
    assert done.complaints == [f"The report is in {path}"]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_device_and_dtype_are_the_settings_own(
    run: Any, oracle: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRITIC_DTYPE", "bfloat16")
    monkeypatch.setenv("CRITIC_DETERMINISTIC", "1")
    run("audit", "some/where", "--device", "cpu", "--criteria", "sharpness")
    ((*place, options),) = oracle.loaded
    assert place == ["some/where", "cpu", "bfloat16"]
    assert options.deterministic


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "x.mp4"
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path.write_bytes(encode_mp4(np.stack([np.roll(picture, t, 1) for t in range(40)]), 8.0))
    return path


def test_rows_are_the_user_s_own(run: Any, oracle: OracleJudge, clip: Path) -> None:
    oracle.opinion = lambda *about: 0.75
    rows = clip.parent / "rows.jsonl"
    row = {"a": clip.name, "b": clip.name, "criterion": "sharpness", "preference": "tie"}
    rows.write_text(json.dumps(row))
    document = json.loads(run("audit", "critic-nano", "--rows", rows, "--json").stdout)
    assert document["set"]["name"] == "rows.jsonl"
    assert document["criteria"]["sharpness"]["n"] == 1
    assert document["criteria"]["steadiness"]["accuracy_no_ties"] is None
    rows.write_text('{"a": 1}')
    done = run("audit", "critic-nano", "--rows", rows)
    assert done.exit_code == 2
    assert done.complaints[0].startswith(f"critic: {rows}, line 1: ")


def test_a_folder_of_clips(run: Any, oracle: OracleJudge, clip: Path) -> None:
    oracle.opinion = lambda *about: 0.75
    done = run("audit", "critic-nano", "--clips", clip.parent, "--pairs", "2", "--json")
    document = json.loads(done.stdout)
    assert document["set"]["description"].startswith("2 cuts of about 2 s from 1 files")
    assert document["criteria"]["sharpness"]["ece"] is None


def test_golden_scores_are_written_and_checked(
    run: Any, oracle: OracleJudge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("critic_models.audit.golden.DTYPES", ("float64",))
    oracle.opinion = lambda *about: 0.75
    path = tmp_path / "golden.json"
    done = run("audit", "critic-nano", "--golden", "write", "--golden-file", path)
    assert done.complaints == [f"The golden scores of oracle are in {path}"]
    assert [dtype for _, _, dtype, _ in oracle.loaded] == ["float64", "float64"]
    check = ("audit", "critic-nano", "--golden", "check", "--golden-file", path)
    held = run(*check)
    assert held.exit_code == 0
    assert "golden scores of oracle hold" in held.stdout
    oracle.opinion = lambda clip, prompt, criterion: 0.75 if criterion == "sharpness" else 0.7
    moved = run(*check)
    assert moved.exit_code == 1
    assert "golden scores of oracle have moved" in moved.stdout
    assert "steadiness" in moved.stdout
    document = json.loads(run(*check, "--json").stdout)
    assert {each["criterion"] for each in document["moved"]} == {
        name for name in oracle.spec.criteria if name != "sharpness"
    }


def test_golden_scores_lie_beside_the_weights(run: Any, oracle: Any, tmp_path: Path) -> None:
    done = run("audit", tmp_path, "--golden", "check")
    assert done.exit_code == 2
    assert done.complaints == [
        f"critic: {tmp_path / 'golden.json'} is not a file; --golden write makes it"
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rows", "r", "--clips", "c"], "audit one at a time"),
        (["--rows", "r", "--pairs", "5"], "all --rows are taken"),
        (["--golden-file", "g"], "needs --golden"),
        (["--golden", "check", "--html", "h"], "clips of its own"),
        (["--html", "absent/r.html"], "absent is not a folder"),
        (["--criteria", "a,,b"], "list of names"),
        (["--rows", "absent.jsonl"], "absent.jsonl: No such file"),
        (["--clips", "absent"], "absent is not a folder"),
        (["--pairs", "1"], "--pairs"),
    ],
)
def test_what_cannot_be_is_bad_usage(
    run: Any, oracle: Any, arguments: list[str], complaint: str
) -> None:
    done = run("audit", "critic-nano", *arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stdout == ""


def test_unknown_critics_and_criteria_are_named(run: Any) -> None:
    done = run("audit", "nowhere")
    assert done.exit_code == 2
    assert done.complaints[0].startswith("critic: no critic 'nowhere'")
    done = run("audit", "critic-nano", "--criteria", "beauty", "--pairs", "2", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["code"] == "unknown_name"


def test_a_checkpoint_that_fails_says_why(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*arguments: object) -> None:
        raise CheckpointError("no weights")

    monkeypatch.setattr(Judge, "load", load)
    done = run("audit", "critic-nano")
    assert done.exit_code == 1
    assert done.complaints == ["critic: no weights"]


def test_critic_nano_is_measured_for_real(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handful of shots end to end: enough that a wrong sign or a lost answer would show."""
    monkeypatch.setattr("critic_models.audit.intervals.RESAMPLES", 50)
    path = tmp_path / "report.html"
    least = {"text_alignment": 0.65, "sharpness": 0.75, "motion_continuity": 0.75}
    options = ["--criteria", ",".join(least), "--pairs", "4", "--json", "--html", path]
    document = json.loads(run("audit", "critic-nano", *options).stdout)
    for name, bar in least.items():
        assert document["criteria"][name]["accuracy_no_ties"] >= bar, name
        assert document["criteria"][name]["order_consistency"] == 1.0
        assert document["criteria"][name]["details"]["answered"]["value"] == 1.0
    assert document["verdict"]["safe"] == [], "four pairs prove nothing"
    assert "data:image/jpeg" in path.read_text(encoding="utf-8")
