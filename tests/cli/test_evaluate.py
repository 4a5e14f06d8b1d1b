"""`critic evaluate` and `critic report`: what they write, print and refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from critic_models.evaluation.results import Results
from evaluated_clips import write_clip, write_clips

from critic_service.cli.evaluated import pace_of


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    write_clips(tmp_path / "clips", 6)
    return tmp_path / "clips"


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRITIC_WEIGHTS_DIR", str(tmp_path / "no weights"))


FLICKERING = ("--dimensions", "temporal_flickering")


def test_a_folder_becomes_a_folder_of_results(run: Any, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("evaluate", clips, "--out", out, *FLICKERING)
    assert done.exit_code == 0
    assert done.complaints == []
    assert "6/6" in done.stdout
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {
        *("run.json", "results.jsonl", "summary.json"),
        *("vbench/critic_eval_results.json", "vbench/critic_full_info.json"),
    }
    again = run("evaluate", clips, "--out", out, *FLICKERING, "--json")
    assert again.complaints == ["6 clips are measured already; 0 are left"]
    assert json.loads(again.stdout) == json.loads((out / "summary.json").read_text())
    assert json.loads(again.stdout)["dimensions"]["temporal_flickering"]["counted"] == 6


def test_what_is_not_there_is_named_and_no_success(run: Any, clips: Path, tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    entries = [{"prompt_en": f"prompt {i}", "dimension": ["temporal_flickering"]} for i in range(4)]
    info.write_text(json.dumps(entries))
    (clips / "prompt 2-1.mp4").write_bytes(b"no video")
    write_clip(clips / "stranger.mp4", 0)
    arguments = ("evaluate", clips, "--full-info", info, "--samples", 2, *FLICKERING)
    done = run(*arguments, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert done.complaints[:2] == [
        "critic: 2 missing: prompt 3-0.mp4, prompt 3-1.mp4",
        "critic: 1 not in the list, left alone: stranger.mp4",
    ]
    assert done.complaints[2].startswith("critic: prompt 2-1.mp4: The bytes are not a video")
    assert "5/8" in done.stdout
    assert "incomplete" in done.stdout
    vbench = tmp_path / "out" / "vbench" / "critic_eval_results.json"
    assert json.loads(vbench.read_text()) == {}
    run(*arguments, "--out", tmp_path / "out", "--partial")
    assert len(json.loads(vbench.read_text())["temporal_flickering"][1]) == 5


def test_the_vbench_suite_says_what_it_cannot_measure(
    run: Any, clips: Path, tmp_path: Path
) -> None:
    done = run("evaluate", clips, "--out", tmp_path / "out", "--suite", "vbench")
    assert done.exit_code == 1
    assert done.stdout.count("not available here") == 15
    assert any("critic weights fetch raft_things" in line for line in done.complaints)
    assert any("color: " in line and "detector" in line for line in done.complaints)
    assert "No VBench total" in done.stdout
    header = json.loads((tmp_path / "out" / "run.json").read_text())
    assert header["compat"] == "vbench"


def test_json_lines_are_a_list(run: Any, clips: Path, tmp_path: Path) -> None:
    path = clips / "list.jsonl"
    records = [{"clip": f"prompt {i}-0.mp4", "prompt": f"prompt {i}"} for i in (2, 0)]
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    done = run("evaluate", path, "--out", tmp_path / "out", *FLICKERING, "--json")
    assert json.loads(done.stdout)["clips"] == 2
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["prompt"] for line in lines] == ["prompt 0", "prompt 2"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere", "--out", "out"), "does not exist"),
        (("clips", "--out", "out", "--dimensions", "colour"), "No dimension 'colour'"),
        (("clips", "--out", "out", "--dimensions", "color,"), "list of names"),
        (("clips", "--out", "out", "--critic", "critic-nano"), "--critic is for --criteria"),
        (("clips", "--out", "out", "--ray", "auto", "--criteria", "x"), "leave --criteria out"),
        (("clips", "--out", "out", "--full-info", "i", "--prompts", "p"), "leave --prompts out"),
        (("clips", "--out", "out", "--prompts", "nowhere.json"), "cannot be read"),
        (("clips", "--out", "clips/prompt 0-0.mp4"), "prompt 0-0.mp4"),
        (("clips/prompt 0-0.mp4", "--out", "out"), "lines that cannot be used"),
        (("clips/prompt 0-0.mp4", "--out", "out", "--prompts-from-names"), "is a list"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    run: Any,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("evaluate", *arguments)
    assert done.exit_code == 2
    assert len(done.complaints) == 1
    assert complaint in done.complaints[0]
    assert not (tmp_path / "out").exists()


def test_ray_that_is_not_installed_is_named(
    run: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run("evaluate", clips, "--out", tmp_path / "out", *FLICKERING, "--ray", "auto")
    assert done.exit_code == 1
    assert "pip install 'ray[data]'" in done.complaints[0]


def test_an_interrupted_run_says_how_to_go_on(
    run: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("critic_models.evaluation.evaluate.run", interrupt)
        done = run("evaluate", clips, "--out", tmp_path / "out", *FLICKERING)
    assert done.exit_code == 130
    assert done.complaints == [f"Interrupted; the same command goes on with {tmp_path / 'out'}"]
    assert run("evaluate", clips, "--out", tmp_path / "out", *FLICKERING).exit_code == 0


def test_a_folder_in_use_is_left_alone(run: Any, clips: Path, tmp_path: Path) -> None:
    with Results(tmp_path / "out"):
        done = run("evaluate", clips, "--out", tmp_path / "out", *FLICKERING, "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert (answer["code"], answer["retryable"]) == ("folder_in_use", True)


def test_runs_are_reported(run: Any, clips: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    for seed in range(6):
        write_clip(others / f"prompt {seed // 2}-{seed % 2}.mp4", 60 + seed, num_frames=6)
    for folder, name in ((clips, "ours"), (others, "theirs")):
        run("evaluate", folder, "--out", tmp_path / name, *FLICKERING, "--prompts-from-names")
    html = tmp_path / "report.html"
    done = run("report", tmp_path / "ours", tmp_path / "theirs", "--html", html)
    assert done.exit_code == 0
    assert done.complaints == [f"The report is in {html}"]
    assert "ours minus theirs" in done.stdout
    assert html.read_text(encoding="utf-8").startswith("<!doctype html>")
    document = json.loads(run("report", tmp_path / "ours", tmp_path / "theirs", "--json").stdout)
    against = document["against"]["theirs"]["temporal_flickering"]
    assert against["prompts"] == 3
    assert against["p"] == against["p_adjusted"]
    interval = document["runs"]["ours"]["intervals"]["temporal_flickering"]
    assert interval["low"] <= interval["value"] <= interval["high"]


def test_folders_of_one_name_are_told_apart(run: Any, clips: Path, tmp_path: Path) -> None:
    runs = [tmp_path / which / "out" for which in "ab"]
    for out in runs:
        run("evaluate", clips, "--out", out, *FLICKERING)
    done = run("report", *runs, "--json")
    assert list(json.loads(done.stdout)["runs"]) == [str(out) for out in runs]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere",), "is not a folder"),
        (("clips",), "has no run.json"),
        (("clips", "--html", "no/where.html"), "no is not a folder"),
    ],
)
def test_what_cannot_be_reported(
    run: Any,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("report", *arguments)
    assert done.exit_code == 2
    assert complaint in done.complaints[0]


def test_pace_in_words() -> None:
    assert pace_of(10, 30, 5.0) == "2 clips/s, 15 s left"
    assert pace_of(1, 100, 2.0) == "0.5 clips/s, 3 min left"
    assert pace_of(1, 7200, 1.0) == "1 clips/s, 2.0 h left"
    assert pace_of(0, 5, 0.0) == ""
