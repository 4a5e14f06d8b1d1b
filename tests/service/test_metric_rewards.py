"""What is judged where a reward is given, and metrics among criteria and in rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from critic_models.metrics import METRICS
from critic_models.video.frames import to_safetensors
from fake_judge import FakeJudge, FakeSpec
from service_app import app_of, as_base64, scored

from critic_service import schemas

MAGNITUDE, CONSISTENCY = "metric.flow_magnitude.opencv", "metric.flow_consistency.opencv"
STEP_PX, SIDE, FPS = 3, 64, 8.0


def sliding(step_px: int = STEP_PX, seed: int = 0) -> dict[str, str]:
    """A clip of a texture that moves by so many pixels with every frame."""
    noise = np.random.default_rng(seed).random((SIDE, SIDE + 6 * STEP_PX), dtype=np.float32)
    gray = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 20, 235, cv2.NORM_MINMAX)
    frames = [gray[:, n * step_px : n * step_px + SIDE].astype(np.uint8) for n in range(6)]
    stacked = np.stack([np.repeat(frame[..., None], 3, -1) for frame in frames])
    return {"frames_base64": as_base64(to_safetensors(stacked, FPS))}


def asking(*clips: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"items": [{"clip": clip, "prompt": "a cat"} for clip in clips], **more}


def reward(**weights: float) -> dict[str, Any]:
    return {"weights": {name.replace("__", "."): weight for name, weight in weights.items()}}


class TestWhatIsJudged:
    @pytest.mark.parametrize(
        ("more", "judged"),
        [
            ({}, ["quality", "motion"]),
            ({"reward": reward(alignment=1)}, ["alignment"]),
            ({"reward": reward(motion=2, quality=0)}, ["motion", "quality"]),
            ({"criteria": ["quality"]}, ["quality"]),
            ({"criteria": ["quality"], "reward": reward(motion=1)}, ["quality", "motion"]),
        ],
    )
    async def test_score_judges_what_is_named(
        self, more: dict[str, Any], judged: list[str]
    ) -> None:
        async with app_of() as app:
            answer = await app.post("/v1/score", json=scored(1, **more))
            (batch,) = app.judge.batches
        assert list(answer.json()["results"][0]["scores"]) == judged
        assert list(batch[0].criteria) == judged, "nothing else was asked of the engine"

    async def test_rank_judges_what_is_named(self) -> None:
        request = {"clips": [sliding(0), sliding(3)], "prompt": "a cat"}
        async with app_of() as app:
            own = await app.post("/v1/rank", json=request)
            named = await app.post("/v1/rank", json={**request, "reward": reward(alignment=1)})
        assert list(own.json()["results"][0]["scores"]) == ["quality", "motion"]
        assert list(named.json()["results"][0]["scores"]) == ["alignment"]


class TestMetrics:
    async def test_known_motion_is_the_score_and_the_reward(self) -> None:
        named = {MAGNITUDE: 1.0}
        async with app_of() as app:
            answer = await app.post(
                "/v1/score", json=asking(sliding(), sliding(0), reward={"weights": named})
            )
            assert app.judge.batches == [], "the critic has nothing to say"
        moving, still = schemas.ScoreResponse.model_validate(answer.json()).results
        score = moving.scores[MAGNITUDE]
        assert score.raw == pytest.approx(STEP_PX / SIDE * FPS, rel=0.15)
        assert score.raw is not None
        assert moving.reward == score.value == pytest.approx(score.raw / (1 + score.raw))
        assert (score.read_from, score.p_yes, score.probabilities) == ("frames", None, {})
        assert still.reward == 0.0

    async def test_a_reward_mixes_criteria_and_metrics(self) -> None:
        weights = {"quality": 3.0, MAGNITUDE: 1.0}
        async with app_of() as app:
            answer = await app.post(
                "/v1/score", json=asking(sliding(), reward={"weights": weights})
            )
        (result,) = answer.json()["results"]
        quality, motion = (result["scores"][name]["value"] for name in weights)
        assert result["reward"] == pytest.approx((3 * quality + motion) / 4)
        assert answer.json()["reward_weights"] == weights

    async def test_rank_orders_by_motion(self) -> None:
        clips = [sliding(1), sliding(0), sliding(3)]
        async with app_of() as app:
            answer = await app.post(
                "/v1/rank", json={"clips": clips, "reward": {"weights": {MAGNITUDE: 1}}}
            )
        assert [each["rank"] for each in answer.json()["results"]] == [2, 3, 1]

    async def test_rank_by_metrics_needs_no_reward_of_the_critic_s(self) -> None:
        async with app_of(FakeJudge(spec=FakeSpec(reward_weights={}))) as app:
            answer = await app.post(
                "/v1/rank",
                json={"clips": [sliding(0), sliding(2)], "reward": {"weights": {MAGNITUDE: 1}}},
            )
        assert answer.json()["best"] == 1

    async def test_what_is_missing_is_null_with_a_reason_and_nothing_stands_in(
        self, tmp_path: Path
    ) -> None:
        names = ["metric.clip_score", "metric.flow_magnitude", MAGNITUDE]
        async with app_of(weights_dir=str(tmp_path)) as app:
            answer = await app.post("/v1/score", json=asking(sliding(), criteria=names))
            by_missing = await app.post(
                "/v1/score",
                json=asking(sliding(), reward={"weights": {"metric.flow_magnitude": 1}}),
            )
        clip_score, raft, opencv = (answer.json()["results"][0]["scores"][n] for n in names)
        assert (clip_score["value"], raft["value"]) == (None, None)
        assert clip_score["reason"]["code"] == raft["reason"]["code"] == "not_measured"
        assert "raft-things.pth" in raft["reason"]["message"]
        assert opencv["value"] is not None
        (result,) = by_missing.json()["results"]
        assert (by_missing.status_code, result["reward"]) == (200, None)
        assert result["reason"]["code"] == "no_reward"

    async def test_an_unknown_metric_is_refused_with_those_there_are(self) -> None:
        async with app_of() as app:
            answer = await app.post("/v1/score", json=asking(sliding(), criteria=["metric.magic"]))
        assert answer.status_code == 422
        assert answer.json()["details"]["allowed"] == list(METRICS)

    async def test_compare_knows_no_metrics(self) -> None:
        request = {"pairs": [{"a": sliding(0), "b": sliding()}], "criteria": [MAGNITUDE]}
        async with app_of() as app:
            answer = await app.post("/v1/compare", json=request)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_name")

    async def test_what_metrics_were_read_with_is_in_the_fingerprint(self) -> None:
        async with app_of() as app:
            plain = (await app.post("/v1/score", json=asking(sliding()))).json()["fingerprint"]
            named = await app.post("/v1/score", json=asking(sliding(), criteria=[CONSISTENCY]))
        fingerprint = named.json()["fingerprint"]
        assert fingerprint["id"] != plain["id"]
        assert fingerprint["versions"][CONSISTENCY] == f"opencv-{cv2.__version__}"
        assert fingerprint["revision"] == plain["revision"]

    async def test_info_lists_them_with_what_is_missing(self, tmp_path: Path) -> None:
        async with app_of(weights_dir=str(tmp_path)) as app:
            body = (await app.client.get("/v1/info")).json()
        metrics = {each["name"]: each for each in body["metrics"]}
        assert list(metrics) == list(METRICS)
        assert metrics[MAGNITUDE]["available"]
        assert (metrics[MAGNITUDE]["least"], metrics[MAGNITUDE]["greatest"]) == (0.0, None)
        assert not metrics["metric.hpsv2"]["available"]
        assert "HPS_v2.1_compressed.pt" in metrics["metric.hpsv2"]["reason"]

    async def test_a_clip_that_is_none_fails_alone(self) -> None:
        broken = {"frames_base64": as_base64(b"no clip")}
        async with app_of() as app:
            answer = await app.post(
                "/v1/score", json=asking(sliding(), broken, criteria=[MAGNITUDE])
            )
        good, bad = answer.json()["results"]
        assert good["scores"][MAGNITUDE]["value"] is not None
        assert (bad["scores"], bad["reason"]["code"]) == ({}, "clip_unreadable")
