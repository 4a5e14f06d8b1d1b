"""Accept or reject with P(yes), and measurements of the same clips in the same call."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from critic_models.dimensions import DIMENSIONS
from critic_models.errors import ClipUnreadable
from critic_models.types import DimensionScore, Score
from critic_models.video.frames import to_safetensors
from fake_judge import FakeJudge
from service_app import app_of, as_base64, in_json, raw_clip, scored

from critic_service import schemas
from critic_service.replies import wire_score

FLOW = ["opencv_flow_magnitude", "opencv_motion_smoothness"]


def score(p_yes: float, read_from: Any = "yes_no", reason: str | None = None, **more: Any) -> Score:
    fields: dict[str, Any] = {
        "raw": 0.3, "value": 0.8, "probabilities": {"Yes": p_yes, "No": 1 - p_yes}
    }  # fmt: skip
    return Score("x", read_from=read_from, answer_mass=0.9, reason=reason, **{**fields, **more})


@pytest.mark.parametrize(
    ("p_yes", "accepted"), [(0.51, True), (0.5, False), (0.2, False), (1.0, True)]
)
def test_binary_feedback_is_the_critics_own_probability(p_yes: float, accepted: bool) -> None:
    """Not the calibrated value, which is 0.8 in all cases and would accept all of them."""
    said = wire_score(score(p_yes))
    assert (said.p_yes, said.accepted) == (p_yes, accepted)
    assert said.value == 0.8


@pytest.mark.parametrize(
    "unanswered",
    [
        score(0.9, reason="it said nothing"),
        score(0.9, raw=float("nan")),
        score(0.9, probabilities={}),
        score(0.9, probabilities={"Yes": float("nan"), "No": 0.1}),
        score(0.9, read_from="graded", probabilities={"bad": 0.9, "good": 0.1}),
    ],
)
def test_without_an_answer_there_is_neither_accept_nor_reject(unanswered: Score) -> None:
    said = wire_score(unanswered)
    assert (said.p_yes, said.accepted) == (None, None)


async def test_it_is_in_every_reply_of_scores() -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json=scored(1))
        ranked = await app.post("/v1/rank", json={"clips": in_json(1, 2), "prompt": "a"})
    for result in (answer.json()["results"][0], ranked.json()["results"][0]):
        quality = result["scores"]["quality"]
        assert quality["p_yes"] == quality["probabilities"]["yes"]
        assert quality["accepted"] is (quality["p_yes"] > 0.5)
        assert result["dimensions"] == {}


async def test_measurements_are_those_of_the_call_that_measures() -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json=scored(1, 2, 1, dimensions=FLOW))
        alone = await app.post("/v1/dimensions", json={"clips": in_json(1, 2), "dimensions": FLOW})
        ranked = await app.post(
            "/v1/rank", json={"clips": in_json(1, 2), "prompt": "a", "dimensions": FLOW}
        )
    assert answer.status_code == 200, answer.text
    results = schemas.ScoreResponse.model_validate(answer.json()).results
    assert list(results[0].dimensions) == FLOW
    measured = [each["dimensions"] for each in alone.json()["results"]]
    found = [each["dimensions"] for each in answer.json()["results"]]
    assert found == [measured[0], measured[1], measured[0]]
    assert found[0] != found[1], "clips must not share their measurements"
    assert [each["dimensions"] for each in ranked.json()["results"]] == measured
    assert all(each.reward is not None for each in results)


async def test_measuring_changes_no_score() -> None:
    async with app_of() as app:
        plain = (await app.post("/v1/score", json=scored(1))).json()["results"][0]
        beside = (await app.post("/v1/score", json=scored(1, dimensions=FLOW))).json()["results"][0]
    assert plain["scores"] == beside["scores"]
    assert plain["reward"] == beside["reward"]


async def test_a_clip_too_short_to_measure_is_still_judged() -> None:
    frame = to_safetensors(np.zeros((1, 16, 16, 3), dtype=np.uint8), fps=8.0)
    items = [{"clip": {"frames_base64": as_base64(frame)}}]
    async with app_of() as app:
        answer = await app.post("/v1/score", json={"items": items, "dimensions": FLOW})
    (result,) = schemas.ScoreResponse.model_validate(answer.json()).results
    assert result.reward is not None
    for each in result.dimensions.values():
        assert each.raw is None
        assert each.reason is not None


async def test_a_clip_that_cannot_be_measured_is_still_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> dict[str, DimensionScore]:
        raise ClipUnreadable("frame 3 is broken")

    monkeypatch.setattr("critic_service.measuring.measure_frames", broken)
    async with app_of() as app:
        answer = await app.post("/v1/score", json=scored(1, dimensions=FLOW))
    (result,) = schemas.ScoreResponse.model_validate(answer.json()).results
    assert result.reward is not None
    assert {d.reason and d.reason.message for d in result.dimensions.values()} == {
        "frame 3 is broken"
    }


async def test_each_clip_is_measured_once_and_off_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[str] = []

    def measure(frames: Any, names: Any) -> dict[str, DimensionScore]:
        threads.append(threading.current_thread().name)
        return {name: DimensionScore(name, 1.0, None, None, 4) for name in names}

    monkeypatch.setattr("critic_service.measuring.measure_frames", measure)
    async with app_of(FakeJudge()) as app:
        await app.post("/v1/score", json=scored(1, 1, 2, dimensions=FLOW))
        await app.post("/v1/score", json=scored(1))
    assert len(threads) == 2
    assert all(name.startswith("intake") for name in threads)


@pytest.mark.parametrize("dimensions", [[], ["nice"], [""], FLOW * 100])
async def test_what_cannot_be_measured_is_refused(dimensions: list[str]) -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json=scored(1, dimensions=dimensions))
        assert app.judge.prepared == []
    assert answer.status_code == 422


def test_the_flow_dimensions_exist() -> None:
    assert set(FLOW) <= set(DIMENSIONS)
    assert raw_clip(1) != raw_clip(2)
