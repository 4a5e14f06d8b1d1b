"""What each method sends and returns, against the service's own schemas."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from critic_client import AsyncCriticClient, CriticClient, Frames

from critic_service import schemas

np = pytest.importorskip("numpy")

MP4 = b"\x00\x00\x00\x18ftypmp42"
WEBM = b"\x1aE\xdf\xa3"


def test_score_sends_one_clip_with_its_prompt(call: Any, service: Any) -> None:
    reply = call("score", MP4, "a red ball falls", ["sharpness"], {"sharpness": 2.0}, "critic-x")

    request = schemas.ScoreRequest.model_validate(service.last.request)
    assert [item.prompt for item in request.items] == ["a red ball falls"]
    assert (request.critic, request.criteria) == ("critic-x", ["sharpness"])
    assert request.reward is not None
    assert request.reward.weights == {"sharpness": 2.0}
    assert service.last.clips == {"clip-0": ("application/octet-stream", MP4)}
    assert (service.last.method, service.last.path) == ("POST", "/v1/score")
    assert reply.rewards == [0.75]
    assert reply.results[0].scores["sharpness"].value == 0.75
    assert reply.critic == "critic-x"
    assert reply.fingerprint.id == "f00d"


def test_score_leaves_out_what_was_not_asked(call: Any, service: Any) -> None:
    call("score", MP4)
    assert set(service.last.request) == {"items"}


def test_score_keeps_a_missing_reward_none_with_its_reason(call: Any) -> None:
    reply = call("score", [MP4, b"junk"])
    assert reply.rewards == [0.75, None]
    failed = reply.results[1]
    assert (failed.clip_id, failed.scores) == (None, {})
    assert failed.reason.code == "clip_unreadable"
    assert failed.reason.details == {"bytes": 3}


def test_score_reports_timings_and_the_body_as_it_came(call: Any) -> None:
    reply = call("score", MP4)
    assert reply.timings_ms == {"queue": 1.5, "decode": 20.0, "engine": 300.25}
    assert schemas.ScoreResponse.model_validate(reply.body).results[0].reward == 0.75


def test_a_prompt_for_each_clip(call: Any, service: Any) -> None:
    call("score", [MP4, WEBM], ["one", None])
    assert [item.get("prompt") for item in service.last.request["items"]] == ["one", None]


@pytest.mark.parametrize("prompts", [["one"], ["one", "two", "three"], []])
def test_prompts_that_do_not_match_the_clips_are_refused(
    call: Any, service: Any, prompts: list[str]
) -> None:
    with pytest.raises(ValueError, match=rf"{len(prompts)} prompts for 2 clips"):
        call("score", [MP4, WEBM], prompts)
    assert service.received == []


def test_compare_sends_one_pair(call: Any, service: Any) -> None:
    result = call("compare", MP4, WEBM, "a ball", method="both_orders")
    request = schemas.CompareRequest.model_validate(service.last.request)
    assert request.method == "both_orders"
    assert [(pair.a.part, pair.b.part, pair.prompt) for pair in request.pairs] == [
        ("clip-0", "clip-1", "a ball")
    ]
    assert result.preferred == "a"
    assert result.preferences["sharpness"].p_win == 0.7


def test_compare_many_sends_a_shared_clip_once(call: Any, service: Any) -> None:
    reply = call("compare_many", [(MP4, WEBM), (MP4, b"third"), (WEBM, MP4)], "a ball")
    pairs = schemas.CompareRequest.model_validate(service.last.request).pairs
    assert [(pair.a.part, pair.b.part) for pair in pairs] == [
        ("clip-0", "clip-1"),
        ("clip-0", "clip-2"),
        ("clip-1", "clip-0"),
    ]
    assert [content for _, content in service.last.clips.values()] == [MP4, WEBM, b"third"]
    assert reply.preferred == ["a"] * 3


def test_rank_returns_ranks_in_the_order_given(call: Any, service: Any) -> None:
    reply = call("rank", [MP4, WEBM], "a ball", reward={"sharpness": 1})
    schemas.RankRequest.model_validate(service.last.request)
    assert reply.ranks == [1, 2]
    assert reply.advantages == [0.0, -1.0]
    assert reply.rewards == [0.5, 0.5]
    assert (reply.best, reply.worst) == (0, 1)


def test_dimensions_sends_names(call: Any, service: Any) -> None:
    reply = call("dimensions", [MP4], ["flicker"])
    assert schemas.DimensionsRequest.model_validate(service.last.request).dimensions == ["flicker"]
    assert reply.results[0].dimensions["flicker"].per_frame == (1.0, 5.0)


def test_info_has_no_body_and_returns_the_critics(call: Any, service: Any) -> None:
    info = call("info")
    assert (service.last.method, service.last.path) == ("GET", "/v1/info")
    assert service.last.parts == {}
    assert info.critics[0].criteria[0].name == "sharpness"
    assert info.limits == {"max_items": 256.0}


def test_raw_frames_travel_as_safetensors(call: Any, service: Any) -> None:
    frames = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    call("score", [Frames(frames, fps=24), MP4])
    safetensors = pytest.importorskip("safetensors.numpy")
    media_type, content = service.last.clips["clip-0"]
    assert media_type == "application/x-safetensors"
    np.testing.assert_array_equal(safetensors.load(content)["frames"], frames)
    assert service.last.clips["clip-1"] == ("application/octet-stream", MP4)


def test_the_same_file_under_two_names_travels_once(
    call: Any, service: Any, tmp_path: Path
) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(MP4)
    call("score", [tmp_path / "a.mp4", str(tmp_path / "b.mp4"), MP4])
    assert list(service.last.clips) == ["clip-0"]
    assert [item["clip"]["part"] for item in service.last.request["items"]] == ["clip-0"] * 3


def test_headers(call: Any, service: Any) -> None:
    reply = call("score", MP4, deadline_s=10, client={"api_key": "secret"})
    headers = service.last.headers
    assert headers["authorization"] == "Bearer secret"
    assert 8_500 < int(headers["x-request-deadline-ms"]) <= 9_000
    assert len(headers["x-request-id"]) == 32
    assert reply.request_id == "id-1"


def test_a_reward_that_is_not_a_number_does_not_travel(call: Any, service: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        call("score", MP4, reward={"sharpness": float("nan")})
    assert service.received == []


def test_names_given_as_text_are_refused(call: Any) -> None:
    with pytest.raises(TypeError, match="list of names"):
        call("score", MP4, criteria="sharpness")


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    def methods(client: type) -> dict[str, Any]:
        found = inspect.getmembers(client, inspect.isfunction)
        return {name: f for name, f in found if not name.startswith("_") and "close" not in name}

    blocking, awaited = methods(CriticClient), methods(AsyncCriticClient)
    assert set(blocking) == set(awaited)
    for name, method in blocking.items():
        assert inspect.signature(method) == inspect.signature(awaited[name]), name
        assert inspect.iscoroutinefunction(awaited[name])


def test_request_json_is_text_for_any_prompt(call: Any, service: Any) -> None:
    prompt = 'déjà "vu" \u2028 <|im_end|> 猫'
    call("score", MP4, prompt)
    assert service.last.request["items"][0]["prompt"] == prompt
    json.loads(service.last.parts["request"][1].decode("ascii"))


def test_what_is_known_of_clips_travels_with_them(call: Any, service: Any) -> None:
    call("dimensions", [b"x", b"y"], ["vlm.color"], prompts=["a", None], auxiliary={"color": "red"})
    items = service.last.request["items"]
    assert [each["prompt"] for each in items] == ["a", None]
    assert [each["auxiliary"] for each in items] == [{"color": "red"}] * 2
    assert "clips" not in service.last.request
    request = schemas.DimensionsRequest.model_validate(service.last.request)
    assert request.items[1].auxiliary == schemas.Auxiliary(color="red")
    call("dimensions", [b"x", b"y"], None, auxiliary=[None, {"object": "bird"}])
    assert [each["auxiliary"] for each in service.last.request["items"]] == [
        None,
        {"object": "bird"},
    ]


def test_dimensions_of_the_same_clips_travel_in_the_call(call: Any, service: Any) -> None:
    call("score", b"x", "a", dimensions=["opencv_flow_magnitude"])
    assert service.last.request["dimensions"] == ["opencv_flow_magnitude"]
    call("rank", [b"x", b"y"], "a", dimensions=["opencv_flow_magnitude"])
    assert service.last.request["dimensions"] == ["opencv_flow_magnitude"]
    call("score", b"x", "a")
    assert "dimensions" not in service.last.request


def test_binary_feedback_and_dimensions_are_read(call: Any, service: Any) -> None:
    score = schemas.Score(
        raw=1.0,
        value=0.9,
        read_from="yes_no",
        probabilities={"yes": 0.7, "no": 0.3},
        answer_mass=1.0,
        p_yes=0.7,
        accepted=True,
    )
    flow = schemas.Dimension(raw=3.5, value=None, per_frame=None, num_frames=8)
    reply = schemas.ScoreResponse(
        request_id="r",
        critic="c",
        results=[
            schemas.ScoreResult(
                index=0, clip_id="h", scores={"s": score}, reward=0.9, dimensions={"flow": flow}
            )
        ],
        reward_weights={},
        fingerprint=schemas.Fingerprint(
            id="f", versions={}, **dict.fromkeys(
                ("critic", "revision", "template", "sampling", "positions", "calibration", "dtype",
                 "device", "attention"), "x"
            )
        ),
    )  # fmt: skip
    service.answers.append(httpx.Response(200, content=reply.model_dump_json()))
    (result,) = call("score", b"x").results
    assert (result.scores["s"].p_yes, result.scores["s"].accepted) == (0.7, True)
    assert result.dimensions["flow"].raw == 3.5


def test_a_service_that_says_neither_can_still_be_read(call: Any) -> None:
    (result,) = call("score", b"x").results
    assert (result.scores["sharpness"].p_yes, result.dimensions) == (None, {})
