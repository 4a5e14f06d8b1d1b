"""Exit codes, the one JSON document, and what is said on which stream."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from critic_service import schemas
from critic_service.cli.failures import Failure


def test_score_prints_a_table(run: Any, backend: Any, clips: dict[str, Path]) -> None:
    done = run("score", clips["good"], "--prompt", "a ball", "--criteria", "quality, motion")
    assert done.exit_code == 0
    assert "quality" in done.stdout
    assert "0.80" in done.stdout
    assert "a ball" in done.stdout
    assert done.stderr == ""
    assert backend.calls == [("score", clips["good"], "a ball", ["quality", "motion"])]
    assert backend.closed


def test_a_reward_reaches_the_backend(run: Any, backend: Any, clips: dict[str, Path]) -> None:
    good, other = clips["good"], clips["other"]
    run("score", good, "--reward", "sharpness=2, metric.flow_magnitude.opencv")
    run("rank", good, other, "--reward", "sharpness=0.5")
    assert backend.calls == [
        ("score", good, None, None, {"sharpness": 2.0, "metric.flow_magnitude.opencv": 1.0}),
        ("rank", good, other, None, None, {"sharpness": 0.5}),
    ]


@pytest.mark.parametrize("text", ["a=", "a=x", "a=-1", "a=nan", "a=1,a=2", "a=1,,b=1"])
def test_a_reward_that_is_none_is_refused(
    run: Any, backend: Any, clips: dict[str, Path], text: str
) -> None:
    assert run("score", clips["good"], "--reward", text).exit_code == 2
    assert backend.calls == []


def test_options_reach_the_backend(
    run: Any, backend: Any, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("score", clips["good"], "--critic", "c", "--device", "cpu")
    assert backend.opened_with == (None, None, "c", "cpu")
    monkeypatch.setenv("CRITIC_API_KEY", "from-environment")
    run("rank", clips["good"], clips["other"], "--server", "http://host")
    assert backend.opened_with == ("http://host", "from-environment", None, None)


def test_json_is_one_document_of_the_response_schema(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    for arguments, schema in (
        (("score", clips["good"], clips["other"]), schemas.ScoreResponse),
        (("compare", clips["good"], clips["other"]), schemas.CompareResponse),
        (("rank", clips["good"], clips["other"]), schemas.RankResponse),
        (("dimensions", clips["good"]), schemas.DimensionsResponse),
        (("info",), schemas.InfoResponse),
    ):
        done = run(*arguments, "--json")
        assert done.exit_code == 0
        schema.model_validate_json(done.stdout)
        assert done.stderr == ""


def test_score_keeps_the_order_of_the_files(run: Any, backend: Any, clips: dict[str, Path]) -> None:
    done = run("score", *[clips["good"], clips["other"]] * 20, "--json")
    results = schemas.ScoreResponse.model_validate_json(done.stdout).results
    assert [each.index for each in results] == list(range(40))
    assert [each.clip_id for each in results] == ["id of good", "id of other"] * 20


def test_a_clip_that_cannot_be_judged_is_named_and_the_others_are_judged(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("score", clips["good"], clips["bad"], "--json")
    assert done.exit_code == 1
    assert done.complaints == [f"critic: {clips['bad']}: not a video"]
    good, bad = schemas.ScoreResponse.model_validate_json(done.stdout).results
    assert good.reward == 0.8
    assert (bad.index, bad.reward, bad.scores, bad.clip_id) == (1, None, {}, None)
    assert bad.reason == schemas.Reason(
        code="clip_unreadable", message="not a video", details={"bytes": 12}
    )


def test_the_table_shows_a_gap_where_there_is_no_number(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("score", clips["good"], clips["bad"])
    assert done.exit_code == 1
    assert "–" in done.stdout


def test_no_clip_that_can_be_judged_gives_the_error_of_the_wire(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("score", clips["bad"], clips["bad"], "--json")
    assert done.exit_code == 1
    error = schemas.ErrorResponse.model_validate_json(done.stdout)
    assert error.code == "clip_unreadable"
    assert [item["code"] for item in error.details["items"]] == ["clip_unreadable"] * 2
    assert len(done.complaints) == 1
    assert done.complaints[0].count(f"{clips['bad']}: not a video") == 2


def test_a_criterion_without_an_answer_is_named(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("score", clips["mute"])
    assert done.exit_code == 1
    assert done.complaints == [f"critic: {clips['mute']}, quality: no answer"]


def test_a_reward_that_nobody_asked_for_is_no_failure(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("score", clips["good"], "--criteria", "motion")
    assert done.exit_code == 0
    assert done.complaints == [f"critic: {clips['good']}: the reward needs quality"]


@pytest.mark.parametrize("command", ["score", "dimensions"])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_missing_file_is_bad_usage(
    run: Any, backend: Any, clips: dict[str, Path], command: str, as_json: bool
) -> None:
    absent = clips["good"].with_name("absent.mp4")
    done = run(command, clips["good"], absent, *(["--json"] if as_json else []))
    assert done.exit_code == 2
    assert done.complaints == [f"critic: {absent} does not exist"]
    assert backend.calls == []
    if as_json:
        assert schemas.ErrorResponse.model_validate_json(done.stdout).code == "bad_usage"
    else:
        assert done.stdout == ""


def test_a_directory_is_bad_usage(run: Any, backend: Any, tmp_path: Path) -> None:
    done = run("score", tmp_path)
    assert done.exit_code == 2
    assert done.complaints == [f"critic: {tmp_path} is a directory; name the files in it"]


def test_a_file_that_may_not_be_read_is_bad_usage(
    run: Any, backend: Any, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = run("compare", clips["good"], clips["other"])
    assert done.exit_code == 2
    assert done.complaints == [f"critic: {clips['good']} may not be read"]


@pytest.mark.parametrize("criteria", ["", ",", "a,,b", " "])
def test_an_empty_name_is_bad_usage(
    run: Any, backend: Any, clips: dict[str, Path], criteria: str
) -> None:
    done = run("score", clips["good"], "--criteria", criteria)
    assert done.exit_code == 2
    assert "--criteria is a list of names" in done.stderr


def test_options_that_do_not_exist_are_bad_usage(run: Any, clips: dict[str, Path]) -> None:
    assert run("score", clips["good"], "--nope").exit_code == 2
    assert run("score").exit_code == 2
    assert run("compare", clips["good"], clips["good"], "--method", "coin").exit_code == 2


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("unknown_name", 2),
        ("bad_prompt", 2),
        ("invalid_request", 2),
        ("bad_checkpoint", 1),
        ("connection_failed", 1),
        ("engine_error", 1),
    ],
)
def test_a_failure_that_is_not_of_one_clip_ends_the_command_at_once(
    run: Any, backend: Any, clips: dict[str, Path], code: str, exit_code: int
) -> None:
    backend.failure = Failure(code, "it cannot be", retryable=True, request_id="id-9")
    done = run("score", *[clips["good"]] * 100, "--json")
    assert done.exit_code == exit_code
    assert done.complaints == ["critic: it cannot be"]
    error = schemas.ErrorResponse.model_validate_json(done.stdout)
    assert (error.code, error.retryable, error.request_id) == (code, True, "id-9")
    assert len(backend.calls) < 100


def test_mixed_fingerprints_are_not_joined(run: Any, backend: Any, clips: dict[str, Path]) -> None:
    backend.fingerprint_of = lambda file: file.stem
    done = run("score", clips["good"], clips["other"])
    assert done.exit_code == 1
    assert "cannot be compared" in done.stderr
    assert done.stdout == ""


def test_compare_names_the_better_side(run: Any, backend: Any, clips: dict[str, Path]) -> None:
    done = run("compare", clips["good"], clips["other"], "-p", "a ball", "--method", "scores")
    assert done.exit_code == 0
    assert "overall" in done.stdout
    assert "0.80" in done.stdout
    assert backend.calls == [("compare", clips["good"], clips["other"], "a ball", None, "scores")]


def test_compare_of_a_clip_that_cannot_be_judged(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("compare", clips["good"], clips["bad"])
    assert done.exit_code == 1
    assert done.complaints == [f"critic: {clips['good']} or {clips['bad']}: not a video"]


def test_rank_shows_the_best_first_and_the_unjudged_last(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("rank", clips["bad"], clips["good"], clips["other"])
    assert done.exit_code == 1
    rows = [line.split()[0] for line in done.stdout.splitlines() if ".mp4" in line]
    assert rows == ["good.mp4", "other.mp4", "bad.mp4"]
    assert done.complaints == [f"critic: {clips['bad']}: not a video"]


def test_rank_of_no_clip_that_can_be_judged_names_them(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    items = [{"index": i, "code": "clip_empty", "message": f"fault {i}"} for i in range(2)]
    backend.failure = Failure("clip_empty", "fault 0", details={"items": items})
    done = run("rank", clips["bad"], clips["good"])
    assert done.exit_code == 1
    assert done.complaints == [f"critic: {clips['bad']}: fault 0; {clips['good']}: fault 1"]


def test_rank_needs_two_files(run: Any, backend: Any, clips: dict[str, Path]) -> None:
    done = run("rank", clips["good"])
    assert done.exit_code == 2
    assert done.complaints == ["critic: ranking needs two files or more"]


def test_dimensions_shows_values_and_raw_numbers(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    done = run("dimensions", clips["good"], clips["other"], "--dimensions", "flicker,length")
    assert done.exit_code == 0
    assert "0.70" in done.stdout
    assert "12.5" in done.stdout
    assert {call[2] and tuple(call[2]) for call in backend.calls} == {("flicker", "length")}


def test_dimensions_passes_on_what_is_known_of_the_clips(
    run: Any, backend: Any, clips: dict[str, Path]
) -> None:
    words = ("--prompt", "a red car", "--auxiliary", '{"color": "red"}')
    done = run("dimensions", clips["good"], "--dimensions", "vlm.color", *words)
    assert done.exit_code == 0
    assert backend.calls[-1][-2:] == ("a red car", {"color": "red"})


@pytest.mark.parametrize("text", ["red", "[1]", '{"color":'])
def test_what_is_known_must_be_an_object(
    run: Any, backend: Any, clips: dict[str, Path], text: str
) -> None:
    done = run("dimensions", clips["good"], "--auxiliary", text)
    assert done.exit_code == 2
    assert "--auxiliary is a JSON object" in done.complaints[0]


@pytest.mark.parametrize("command", ["score", "dimensions"])
@pytest.mark.parametrize("num_files", [1, 3, 4, 12])
def test_few_clips_stand_side_by_side_and_many_in_a_row_each(
    run: Any, backend: Any, tmp_path: Path, command: str, num_files: int
) -> None:
    files = [tmp_path / f"clip{i}.mp4" for i in range(num_files)]
    for file in files:
        file.write_bytes(b"video")
    done = run(command, *files)
    lines_with_clips = [line for line in done.stdout.splitlines() if ".mp4" in line]
    assert sum(line.count(".mp4") for line in lines_with_clips) == num_files
    assert len(lines_with_clips) == (1 if num_files <= 3 else num_files)


def test_info_says_what_is_missing(run: Any, backend: Any) -> None:
    done = run("info")
    assert done.exit_code == 0
    for text in ("judges nothing", "How good?", "raft.pth is missing"):
        assert text in done.stdout


def test_names_that_a_terminal_would_obey_are_shown_as_text(
    run: Any, backend: Any, tmp_path: Path
) -> None:
    path = tmp_path / "[bold]\x1b[31mx.mp4"
    path.write_bytes(b"video")
    done = run("score", path)
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "[bold]\\x1b[31mx.mp4" in done.stdout
