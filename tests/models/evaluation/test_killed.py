"""A run that is killed again and again ends with the files of one that was not."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest
from critic_models.evaluation import results as results_module
from critic_models.evaluation.results import RESULTS_FILE, read_results
from critic_models.evaluation.summary import Summary
from evaluated_clips import evaluate_folder, files_of, write_clip, write_clips

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["critic_models.evaluation.evaluate"])
MOST_S = 600.0


def kill_in_the_middle(clips: Path, out: Path, after_bytes: int, delay_s: float) -> None:
    """Start an evaluation and kill it once its results have grown by so many bytes."""
    path = out / RESULTS_FILE
    before = path.stat().st_size if path.exists() else 0
    child = PROCESSES.Process(target=evaluate_folder, args=(clips, out, None, delay_s))
    child.start()
    started_s = time.monotonic()
    while not path.exists() or path.stat().st_size - before < after_bytes:
        assert time.monotonic() - started_s < MOST_S
        assert child.is_alive(), "it came to its end before it could be killed"
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def check_kills(tmp_path: Path, count: int, kills: int, delay_s: float) -> None:
    rng = random.Random(count)
    clips = tmp_path / "clips"
    write_clips(clips, count)
    write_clip(clips / "same-0.mp4", 0)
    (clips / "broken-0.mp4").write_bytes(b"no video")
    undisturbed = evaluate_folder(clips, tmp_path / "undisturbed")
    left = (tmp_path / "undisturbed" / RESULTS_FILE).stat().st_size
    out = tmp_path / "killed"
    progress = [0]
    for _ in range(kills):
        share = rng.uniform(0.0, 0.5) / kills
        kill_in_the_middle(clips, out, max(1, int(left * share)), delay_s)
        progress.append(len(read_results(out / RESULTS_FILE)))
        assert progress[-2] < progress[-1] < count, progress
        assert not (out / "summary.json").exists()
    resumed = evaluate_folder(clips, out)
    assert resumed == undisturbed
    assert dict(files_of(out)) == dict(files_of(tmp_path / "undisturbed"))
    rows = read_results(out / RESULTS_FILE)
    lines = (out / RESULTS_FILE).read_bytes().splitlines()
    assert sorted(rows) == sorted(path.name for path in clips.iterdir())
    assert len(lines) == len(rows)


def test_a_killed_run_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    check_kills(tmp_path, count=40, kills=5, delay_s=0.02)


@pytest.mark.slow
def test_five_hundred_clips_and_twenty_kills(tmp_path: Path) -> None:
    check_kills(tmp_path, count=500, kills=20, delay_s=0.02)


def test_a_run_that_repeats_clips_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What resumes by measuring everything once more would fail the tests above."""
    clips = tmp_path / "clips"
    write_clips(clips, 4)
    evaluate_folder(clips, tmp_path / "right")
    evaluate_folder(clips, tmp_path / "wrong")
    monkeypatch.setattr(results_module.Results, "settle", lambda self: None)
    monkeypatch.setattr("critic_models.evaluation.run._is_same", lambda *about: False)
    wrong: Summary = evaluate_folder(clips, tmp_path / "wrong")
    assert wrong.num_clips == 4
    assert dict(files_of(tmp_path / "wrong")) != dict(files_of(tmp_path / "right"))
