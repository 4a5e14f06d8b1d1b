"""`critic label` as a user runs it: files in, files out, nothing overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from critic_service.cli import app

RUNNER = CliRunner()


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    rows = [
        {"clip": "a.mp4", "prompt": "cat", "reward": 0.9, "answers": {"q1": "yes", "q2": "yes"}},
        {"clip": "b.mp4", "prompt": "cat", "reward": 0.2, "answers": {"q1": "no", "q2": "yes"}},
        {"clip": "c.mp4", "prompt": "dog", "reward": None, "reason": "the file is empty"},
    ]
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join([*map(json.dumps, rows), "{"]), encoding="utf-8")
    return path


def test_ipo_pairs_and_rejects(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "round-1"
    run = RUNNER.invoke(app, ["label", "ipo", str(scores), "--out", str(out)])
    assert run.exit_code == 0, run.output
    (pair,) = lines_of(out / "pairs.jsonl")
    assert (pair["chosen"], pair["rejected"], pair["margin"]) == ("a.mp4", "b.mp4", 0.7)
    reasons = [row["reason"] for row in lines_of(out / "rejects.jsonl")]
    assert len(reasons) == 2
    assert str(reasons[0]).startswith("line 4: ")
    assert reasons[1] == "the file is empty"

    again = RUNNER.invoke(app, ["label", "ipo", str(scores), "--out", str(out)])
    assert again.exit_code == 2
    assert "never overwritten" in again.stderr
    assert lines_of(out / "pairs.jsonl") == [pair]


def test_vpo_reads_a_checklist_and_its_weights(scores: Path, tmp_path: Path) -> None:
    (tmp_path / "qa.txt").write_text("Is it sharp?\nIs it safe?\n")
    (tmp_path / "weight.json").write_text("[0.6, 0.1]")
    options = ["--checklist", str(tmp_path / "qa.txt"), "--weights", str(tmp_path / "weight.json")]
    out = tmp_path / "vpo"
    run = RUNNER.invoke(app, ["label", "vpo", str(scores), "--out", str(out), *options])
    assert run.exit_code == 0, run.output
    assert [row["chosen"] for row in lines_of(out / "pairs.jsonl")] == ["a.mp4"]
    lacking = RUNNER.invoke(app, ["label", "vpo", str(scores), "--out", str(tmp_path / "other")])
    assert lacking.exit_code == 2
    assert "needs --checklist" in lacking.stderr


def test_weights_and_their_worth(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "rwr"
    run = RUNNER.invoke(app, ["label", "ai-feedback", str(scores), "--out", str(out)])
    assert run.exit_code == 0, run.output
    assert [row["score"] for row in lines_of(out / "weighted.jsonl")] == [1.0, 0.0]
    assert "2 weights amount to 1.0 equal ones" in run.stderr


def test_comparisons_become_weighted_pairs(tmp_path: Path) -> None:
    side = {"a": {"clip": "a", "prompt": "p"}, "b": {"clip": "b", "prompt": "p"}}
    rows = [
        {**side, "p_win": 0.1, "p_tie": 0.1, "p_lose": 0.8},
        {**side, "p_win": 0.4, "p_tie": 0.3, "p_lose": 0.3},
        {**side, "p_win": 0.4},
    ]
    path = tmp_path / "preferences.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out"
    run = RUNNER.invoke(app, ["label", "dual-ipo", str(path), "--out", str(out)])
    assert run.exit_code == 0, run.output
    pairs = lines_of(out / "pairs.jsonl")
    assert [(row["chosen"], row["weight"]) for row in pairs] == [("b", 0.8)]
    assert len(lines_of(out / "rejects.jsonl")) == 2


def test_scores_that_give_no_label_fail_and_say_why(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps({"clip": "a", "prompt": "p", "reward": 0.5}))
    run = RUNNER.invoke(app, ["label", "ipo", str(path), "--out", str(tmp_path / "out")])
    assert run.exit_code == 1
    assert "no label" in run.stderr
    assert lines_of(tmp_path / "out" / "rejects.jsonl")[0]["reason"] == "one clip alone"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["ipo", "missing.jsonl"], "is not a file"),
        (["ipo", "SCORES", "--form", "chat"], "needs --column"),
        (["ipo", "SCORES", "--form", "diffusion", "--column", "x"], "has no --column"),
        (["ipo", "SCORES", "--column", "refined"], "no text column 'refined'"),
        (["ipo", "SCORES", "--weights", "SCORES"], "--weights needs --checklist"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    options: list[str], said: str, scores: Path, tmp_path: Path
) -> None:
    words = [str(scores) if word == "SCORES" else word for word in options]
    run = RUNNER.invoke(app, ["label", *words, "--out", str(tmp_path / "out")])
    assert run.exit_code == 2
    assert said in run.stderr
    assert not (tmp_path / "out" / "pairs.jsonl").exists()
