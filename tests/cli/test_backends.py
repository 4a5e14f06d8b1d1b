"""The two ways to judge: both end in the same schemas and the same failures."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from critic_client import CriticClient
from critic_models.errors import CheckpointError, EngineError
from critic_models.video.encode import encode_mp4
from fake_judge import FakeJudge, failing

from critic_service import schemas
from critic_service.cli.backend import open_backend
from critic_service.cli.failures import Failure
from critic_service.cli.in_process import InProcess
from critic_service.cli.remote import Remote

np = pytest.importorskip("numpy")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("videos") / "noise.mp4"
    path.write_bytes(encode_mp4(frames, 8.0))
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "notes.mp4"
    path.write_text("not a video")
    return path


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> FakeJudge:
    fake = FakeJudge()
    monkeypatch.setattr("critic_models.judging.Judge.load", lambda *_: fake)
    return fake


@pytest.fixture
def here(judge: FakeJudge) -> Iterator[InProcess]:
    with InProcess(None, None) as backend:
        yield backend


def test_in_process_answers_every_call(here: InProcess, video: Path) -> None:
    scored = here.score(video, "a ball", ["quality"])
    assert scored.results[0].scores["quality"].value is not None
    assert len(scored.results[0].clip_id or "") == 64
    assert here.compare(video, video, None, None, "auto").results[0].preferences
    assert here.rank([video, video], None, None).best == 0
    assert here.dimensions(video, ["temporal_flickering"]).results[0].dimensions
    assert here.info().default_critic == "critic-fake"


def test_in_process_names_a_file_that_is_no_video(here: InProcess, text: Path) -> None:
    with pytest.raises(Failure) as caught:
        here.score(text, None, ["quality"])
    assert caught.value.code == "clip_unreadable"
    assert caught.value.is_of_one_clip
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("criteria", "prompt", "code"),
    [
        (["beauty"], None, "unknown_name"),
        (["alignment"], None, "bad_prompt"),
        (["quality"], "x" * 8_001, "invalid_request"),
    ],
)
def test_in_process_refuses_bad_input(
    here: InProcess, video: Path, criteria: list[str], prompt: str | None, code: str
) -> None:
    with pytest.raises(Failure) as caught:
        here.score(video, prompt, criteria)
    assert (caught.value.code, caught.value.exit_code) == (code, 2)


def test_in_process_reports_a_file_that_went_away(here: InProcess, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"gone\.mp4: No such file"):
        here.score(tmp_path / "gone.mp4", None, None)


def test_in_process_reports_an_engine_that_failed(
    judge: FakeJudge, here: InProcess, video: Path
) -> None:
    judge.outcome_of = failing(EngineError("out of memory"), lambda item: True)
    with pytest.raises(Failure, match="out of memory") as caught:
        here.score(video, None, ["quality"])
    assert not caught.value.is_of_one_clip
    assert caught.value.exit_code == 1


def test_a_checkpoint_that_cannot_be_loaded_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any) -> None:
        raise CheckpointError("config.json is missing")

    monkeypatch.setattr("critic_models.judging.Judge.load", load)
    with pytest.raises(Failure, match=r"config\.json is missing"):
        InProcess("folder", None)


def test_settings_that_are_wrong_are_bad_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRITIC_LINGER_MS", "soon")
    with pytest.raises(Failure, match="CRITIC_LINGER_MS") as caught:
        InProcess(None, None)
    assert caught.value.exit_code == 2


def test_the_command_line_judges_a_real_file_in_process(
    run: Any, judge: FakeJudge, video: Path, text: Path
) -> None:
    done = run("score", video, text, "--criteria", "quality,motion", "--json")
    assert done.exit_code == 1
    judged, refused = schemas.ScoreResponse.model_validate_json(done.stdout).results
    assert judged.reward is not None
    assert refused.reason is not None
    assert refused.reason.code == "clip_unreadable"
    assert done.complaints == [f"critic: {text}: {refused.reason.message}"]


def remote_by(monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception) -> Remote:
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx.MockTransport(respond)
    client = functools.partial(CriticClient, transport=transport, max_retries=0)
    monkeypatch.setattr("critic_service.cli.remote.CriticClient", client)
    return Remote("http://host", None, None)


def test_remote_gives_the_schema_and_leaves_out_what_is_newer(
    monkeypatch: pytest.MonkeyPatch, here: InProcess, video: Path
) -> None:
    good = here.score(video, None, ["quality"])
    newer = good.model_dump() | {"mood": "sunny"}
    newer["results"][0]["scores"]["quality"]["mood"] = "sunny"
    with remote_by(monkeypatch, httpx.Response(200, json=newer)) as there:
        assert there.score(video, None, ["quality"]) == good


def test_prompts_are_judged_alike_by_both(monkeypatch: pytest.MonkeyPatch, here: InProcess) -> None:
    asked = ("a fox", ["Here is a fox", "A red fox runs over a lawn."], ["helpful"], "auto")
    local = here.score_prompts(*asked)
    assert [each.checks["no_preamble"].passed for each in local.results] == [False, True]
    assert [list(each.scores) for each in local.results] == [["helpful"]] * 2
    assert local.judge.kind == "none"
    newer = local.model_dump() | {"mood": "sunny"}
    with remote_by(monkeypatch, httpx.Response(200, json=newer)) as there:
        assert there.score_prompts(*asked) == local
    with pytest.raises(Failure) as caught:
        here.score_prompts("", ["x"], None, "auto")
    assert caught.value.exit_code == 2


def test_remote_and_in_process_fail_alike(
    monkeypatch: pytest.MonkeyPatch, here: InProcess, video: Path
) -> None:
    with pytest.raises(Failure) as local:
        here.score(video, None, ["beauty"])
    answer = httpx.Response(422, json=local.value.to_wire().model_dump())
    with remote_by(monkeypatch, answer) as there, pytest.raises(Failure) as distant:
        there.score(video, None, ["beauty"])
    assert distant.value.to_wire() == local.value.to_wire()
    assert distant.value.exit_code == local.value.exit_code == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.ConnectError("refused"), "connection_failed"),
        (httpx.ReadTimeout("slow"), "timed_out"),
        (httpx.Response(200, content=b"<html>"), "protocol_error"),
        (httpx.Response(502, content=b"<html>"), "http_502"),
    ],
)
def test_a_service_that_does_not_answer_well_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, video: Path, answer: Any, code: str
) -> None:
    with remote_by(monkeypatch, answer) as there, pytest.raises(Failure) as caught:
        there.score(video, None, None)
    assert (caught.value.code, caught.value.exit_code) == (code, 1)
    assert not caught.value.is_of_one_clip


def test_an_address_that_is_none_is_bad_usage() -> None:
    with pytest.raises(Failure, match="base_url") as caught:
        open_backend("localhost:3000", None, None, None)
    assert caught.value.exit_code == 2


def test_a_device_is_not_for_a_service() -> None:
    with pytest.raises(Failure, match="--device") as caught:
        open_backend("http://host", None, None, "cuda")
    assert caught.value.exit_code == 2


def test_without_the_client_package_a_server_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "critic_client", None)
    monkeypatch.delitem(sys.modules, "critic_service.cli.remote")
    with pytest.raises(Failure, match="critic-client, which is not installed"):
        open_backend("http://host", None, None, None)
