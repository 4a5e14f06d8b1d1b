"""Every dimension on the service: seeded networks stand in for published weights."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from critic_models.dimensions import DIMENSIONS
from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.dimensions.networks import loading
from critic_models.dimensions.networks import umt as umt_network
from critic_models.dimensions.networks.dino import DinoViT
from critic_models.dimensions.networks.raft import Raft
from critic_models.dimensions.networks.umt import Umt
from critic_models.dimensions.runner import NetworkRunner
from critic_models.dimensions.weights import WeightStore
from critic_models.types import Score
from critic_models.video.frames import to_safetensors
from critic_models.video.sampling import Uniform
from fake_judge import FakeItem, FakeJudge, FakePreparedClip, raw_of
from golden_clips import GOLDEN_CLIPS
from goldens import golden
from seeded_networks import SMALL, fill
from service_app import App, app_of, as_base64

from critic_service import gauges, schemas

NETWORKED = ["dynamic_degree", "subject_consistency"]
GOLDEN_SCORE = golden("subject_consistency")["cases"]["odd"]["score"]


@pytest.fixture(scope="module")
def seeded() -> Mapping[str, Mapping[str, torch.Tensor]]:
    raft = fill(Raft(), SMALL["raft_things"]["gain"]).state_dict()
    return {
        "raft_things": {f"module.{name}": tensor for name, tensor in raft.items()},
        "dino_vitb16": fill(DinoViT(**SMALL["dino_vitb16"])).state_dict(),
        "umt_l16_k400": fill(Umt(**SMALL["umt_l16_k400"])).state_dict(),
    }


@pytest.fixture
def weights(
    tmp_path: Path,
    seeded: Mapping[str, Mapping[str, torch.Tensor]],
    monkeypatch: pytest.MonkeyPatch,
) -> WeightStore:
    """A folder with checkpoints of RAFT, and of a small DINO and a small UMT."""
    store = WeightStore(tmp_path)
    for name, tensors in seeded.items():
        torch.save(dict(tensors), store.path(name))
    small = dict(loading.NETWORKS)
    for name, network in (("dino_vitb16", DinoViT), ("umt_l16_k400", Umt)):
        small[name] = loading._Plain(partial(network, **SMALL[name]), name)
    monkeypatch.setattr(loading, "NETWORKS", small)
    return store


def raw(name: str) -> bytes:
    clip = GOLDEN_CLIPS[name]
    return to_safetensors(clip.frames(), fps=clip.fps)


def ref(name: str) -> dict[str, str]:
    return {"frames_base64": as_base64(raw(name))}


async def measured(app: App, **request: Any) -> list[schemas.DimensionsResult]:
    answer = await app.post("/v1/dimensions", json=request)
    assert answer.status_code == 200, answer.text
    return schemas.DimensionsResponse.model_validate(answer.json()).results


async def test_golden_numbers_come_from_a_folder_of_weights(weights: WeightStore) -> None:
    names = [*NETWORKED, "motion_smoothness", "temporal_flickering"]
    async with app_of(weights_dir=str(weights.folder)) as app:
        (result,) = await measured(app, clips=[ref("odd")], dimensions=names)
    found = result.dimensions
    assert list(found) == names
    assert found["subject_consistency"].raw == pytest.approx(GOLDEN_SCORE, abs=1e-6)
    flow = golden("dynamic_degree")["cases"]["odd"]
    assert found["dynamic_degree"].raw == float(flow["score"])
    assert found["dynamic_degree"].continuous is not None
    np.testing.assert_allclose(found["dynamic_degree"].per_frame or (), flow["lengths"], rtol=1e-6)
    assert found["temporal_flickering"].raw is not None
    # What lacks its weights has a reason that helps; its neighbours have their numbers.
    lacking = found["motion_smoothness"]
    assert lacking.raw is None
    assert lacking.reason is not None
    for word in ("amt-s.pth", "CC BY-NC 4.0", "critic weights fetch amt_s"):
        assert word in lacking.reason.message
    assert str(weights.folder) not in lacking.reason.message


async def test_an_encoded_clip_is_measured_on_all_its_frames(weights: WeightStore) -> None:
    from critic_models.video.encode import encode_mp4

    clip = GOLDEN_CLIPS["nine"]
    video = encode_mp4(clip.frames()[:, :128], 24.0)
    files = {"clip": ("a.mp4", video)}
    async with app_of(weights_dir=str(weights.folder)) as app:
        form = {"dimensions": "subject_consistency"}
        answer = await app.post("/v1/dimensions", files=files, data=form)
    (result,) = schemas.DimensionsResponse.model_validate(answer.json()).results
    score = result.dimensions["subject_consistency"]
    assert score.num_frames == 9
    assert score.raw is not None


async def test_frames_that_the_critic_would_see_do_not_suffice(
    weights: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong implementation: the critic's sample in the place of all frames."""
    monkeypatch.setattr(gauges, "AllFrames", lambda: Uniform(4))
    async with app_of(weights_dir=str(weights.folder)) as app:
        (result,) = await measured(app, clips=[ref("odd")], dimensions=NETWORKED)
    assert [each.raw for each in result.dimensions.values()] == [None, None]


async def test_swapped_colours_are_another_number(weights: WeightStore) -> None:
    clip = GOLDEN_CLIPS["odd"]
    wrong = to_safetensors(np.ascontiguousarray(clip.frames()[..., ::-1]), fps=clip.fps)
    async with app_of(weights_dir=str(weights.folder)) as app:
        (result,) = await measured(
            app,
            clips=[{"frames_base64": as_base64(wrong)}],
            dimensions=["subject_consistency"],
        )
    raw_number = result.dimensions["subject_consistency"].raw
    assert raw_number is not None
    assert abs(raw_number - GOLDEN_SCORE) > 1e-6


@pytest.mark.parametrize("path", ["score", "rank"])
async def test_the_same_numbers_beside_what_the_critic_says(
    weights: WeightStore, path: str
) -> None:
    names = ["temporal_flickering", *NETWORKED]
    clips = [ref("odd"), ref("two")]
    request: dict[str, Any] = {"items": [{"clip": each} for each in clips]}
    if path == "rank":
        request = {"clips": clips}
    async with app_of(weights_dir=str(weights.folder)) as app:
        answer = await app.post(f"/v1/{path}", json={**request, "dimensions": names})
        alone = await measured(app, clips=clips, dimensions=names)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [each["dimensions"] for each in results] == [
        each.model_dump()["dimensions"] for each in alone
    ]
    assert all(each["reward"] is not None for each in results)
    assert results[0]["dimensions"]["subject_consistency"]["raw"] == pytest.approx(GOLDEN_SCORE)


async def test_a_prompt_belongs_to_its_own_item(weights: WeightStore) -> None:
    cases = golden("human_action")["cases"]
    right, wrong = cases["odd-0"], cases["odd-399"]
    items = [
        {"clip": ref("odd"), "prompt": f"A person is {right['action']}"},
        {"clip": ref("odd"), "prompt": f"A person is {wrong['action']}"},
        {"clip": ref("odd"), "prompt": "A person is", "auxiliary": {"human_action": "yoga"}},
        {"clip": ref("odd")},
    ]
    async with app_of(weights_dir=str(weights.folder)) as app:
        results = await measured(app, items=items, dimensions=["human_action"])
    found = [each.dimensions["human_action"] for each in results]
    assert [each.raw for each in found[:2]] == [float(right["score"]), float(wrong["score"])]
    assert (found[0].continuous or 0) > (found[1].continuous or 0)
    assert found[2].raw is not None
    assert found[3].raw is None
    assert "prompt is needed" in (found[3].reason.message if found[3].reason else "")


async def test_networks_are_loaded_once_and_run_one_clip_at_a_time(
    weights: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    threads: set[str] = set()
    at_work = threading.Lock()
    load, measure = loading.load_network, NetworkRunner.measure

    def counted(name: str, *how: Any) -> Any:
        loaded.append(name)
        return load(name, *how)

    def watched(self: NetworkRunner, *what: Any) -> Any:
        assert at_work.acquire(blocking=False), "two clips at the same time"
        try:
            threads.add(threading.current_thread().name)
            return measure(self, *what)
        finally:
            at_work.release()

    monkeypatch.setattr("critic_models.dimensions.suite.load_network", counted)
    monkeypatch.setattr(NetworkRunner, "measure", watched)
    async with app_of(weights_dir=str(weights.folder), decode_threads=4) as app:
        assert loaded == [], "nothing is loaded before it is needed"
        request = {"clips": [ref("odd"), ref("two")], "dimensions": ["subject_consistency"]}
        await asyncio.gather(*(measured(app, **request) for _ in range(3)))
    assert loaded == ["dino_vitb16"]
    assert len(threads) == 1
    assert threads.pop().startswith("networks")


async def test_others_are_answered_while_a_network_runs(
    weights: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, go = threading.Event(), threading.Event()

    def slow(self: NetworkRunner, *what: Any) -> Any:
        running.set()
        assert go.wait(10)
        raise RuntimeError("it never got that far")

    monkeypatch.setattr(NetworkRunner, "measure", slow)
    async with app_of(weights_dir=str(weights.folder), decode_threads=1) as app:
        request = {"clips": [ref("two")], "dimensions": ["subject_consistency"]}
        slow_call = asyncio.create_task(app.post("/v1/dimensions", json=request))
        assert await asyncio.to_thread(running.wait, 10)
        other = await app.post("/v1/dimensions", json={"clips": [ref("two")]})
        scored = await app.post("/v1/score", json={"items": [{"clip": ref("two")}]})
        assert not slow_call.done()
        go.set()
        failed = await slow_call
    assert (other.status_code, scored.status_code) == (200, 200)
    (result,) = failed.json()["results"]
    assert result["dimensions"]["subject_consistency"]["raw"] is None
    assert "never got" not in failed.text, "what failed inside is for the log"


async def test_what_one_network_fails_with_costs_the_others_nothing(
    weights: WeightStore,
) -> None:
    weights.path("raft_things").write_bytes(b"not a checkpoint")
    async with app_of(weights_dir=str(weights.folder)) as app:
        (result,) = await measured(app, clips=[ref("odd")], dimensions=NETWORKED)
    broken = result.dimensions["dynamic_degree"]
    assert broken.raw is None
    assert "raft-things.pth cannot be used" in (broken.reason.message if broken.reason else "")
    assert result.dimensions["subject_consistency"].raw == pytest.approx(GOLDEN_SCORE, abs=1e-6)


async def test_a_measurement_nobody_waits_for_stops(
    weights: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, ended = threading.Event(), threading.Event()
    gone: list[str] = []

    def endless(self: NetworkRunner, clips: Any, names: Any, go_on: Any) -> Any:
        running.set()
        try:
            while True:
                go_on()
                ended.wait(0.002)
        except Exception as error:
            gone.append(type(error).__name__)
            raise
        finally:
            ended.set()

    monkeypatch.setattr(NetworkRunner, "measure", endless)
    async with app_of(weights_dir=str(weights.folder)) as app:
        request = {"clips": [ref("two")], "dimensions": ["subject_consistency"]}
        headers = {"X-Request-Deadline-Ms": "300"}
        answer = await app.post("/v1/dimensions", json=request, headers=headers)
        assert await asyncio.to_thread(running.wait, 10)
        assert await asyncio.to_thread(ended.wait, 10)
    assert answer.status_code == 504
    assert gone == ["Draining"]


async def test_a_clip_too_large_to_be_kept_is_still_measured_frame_by_frame(
    weights: WeightStore,
) -> None:
    from critic_models.video.limits import ClipLimits

    few = ClipLimits(max_decoded_bytes=4 * 133 * 171 * 3)
    names = ["temporal_flickering", "subject_consistency"]
    async with app_of(weights_dir=str(weights.folder), clip=few) as app:
        (result,) = await measured(app, clips=[ref("odd")], dimensions=names)
    assert result.dimensions["temporal_flickering"].raw is not None
    assert result.dimensions["subject_consistency"].raw is None


async def test_an_unreadable_clip_fails_alone(weights: WeightStore) -> None:
    broken = {"video_base64": as_base64(b"nothing")}
    async with app_of(weights_dir=str(weights.folder)) as app:
        bad, good = await measured(
            app, clips=[broken, ref("odd")], dimensions=["subject_consistency"]
        )
    assert bad.reason is not None
    assert bad.reason.code == "clip_unreadable"
    assert good.dimensions["subject_consistency"].raw == pytest.approx(GOLDEN_SCORE, abs=1e-6)


async def test_none_named_are_those_that_need_nothing(weights: WeightStore) -> None:
    async with app_of(weights_dir=str(weights.folder)) as app:
        (result,) = await measured(app, clips=[ref("two")])
    assert set(result.dimensions) == set(DIMENSIONS)


@pytest.mark.parametrize(
    "request_of",
    [
        {"dimensions": NETWORKED},
        {"clips": []},
        {"clips": [ref("two")], "items": [{"clip": ref("two")}]},
        {"items": [{"clip": ref("two"), "auxiliary": {"colour": "red"}}]},
        {"items": [{"clip": ref("two"), "auxiliary": {"color": ""}}]},
        {"items": [{"clip": ref("two"), "auxiliary": {"color": "r" * 501}}]},
        {"items": [{"clip": ref("two"), "auxiliary": {"questions": ["?"] * 33}}]},
        {"items": [{"clip": ref("two"), "auxiliary": {"spatial_relationship": {"object_a": "a"}}}]},
        {"clips": [ref("two")], "dimensions": ["beauty"]},
        {"clips": [ref("two")], "dimensions": ["vlm.beauty", *NETWORKED]},
        {"clips": [ref("two")], "split": "halves"},
    ],
)
async def test_what_the_schema_does_not_know_is_refused(request_of: dict[str, Any]) -> None:
    async with app_of() as app:
        answer = await app.post("/v1/dimensions", json=request_of)
    assert answer.status_code == 422, answer.text


async def test_info_says_what_is_missing_until_it_is_there(tmp_path: Path) -> None:
    store = WeightStore(tmp_path)
    async with app_of(weights_dir=str(tmp_path)) as app:
        before = await info_of(app)
        store.path("raft_things").write_bytes(b"it is there")
        after = await info_of(app)
    assert set(before) == set(CATALOGUE)
    assert {n for n, each in before.items() if each.available} == set(DIMENSIONS)
    assert "raft-things.pth" in (before["dynamic_degree"].reason or "")
    assert "BSD-3-Clause" in (before["dynamic_degree"].reason or "")
    assert "critic weights fetch raft_things`" in (before["dynamic_degree"].reason or "")
    assert "--accept-non-commercial" in (before["motion_smoothness"].reason or "")
    assert "critic-fake" in (before["vlm.color"].reason or "")
    assert "vlm.color" in (before["color"].reason or "")
    assert before["overall_consistency"].needs == "prompt"
    gained = {n for n, each in after.items() if each.available} - set(DIMENSIONS)
    assert gained == {"dynamic_degree", "static_filter"}


async def info_of(app: App) -> dict[str, schemas.DimensionInfo]:
    answer: httpx.Response = await app.client.get("/v1/info")
    found = schemas.InfoResponse.model_validate(answer.json()).dimensions
    return {each.name: each for each in found}


async def test_a_long_clip_is_measured_in_parts_where_that_is_asked_for(
    weights: WeightStore,
) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (44, 32, 48, 3), dtype=np.uint8)
    frames[22:] = frames[22]
    clips = [{"frames_base64": as_base64(to_safetensors(frames, fps=8.0))}, ref("odd")]
    names = ["subject_consistency", "temporal_flickering"]
    async with app_of(weights_dir=str(weights.folder)) as app:
        whole, short_whole = await measured(app, clips=clips, dimensions=names)
        parts, short = await measured(app, clips=clips, dimensions=names, split="vbench_long")
    for name in names:
        assert len(parts.dimensions[name].per_frame or ()) == 3
        assert parts.dimensions[name].raw != pytest.approx(whole.dimensions[name].raw, abs=1e-4)
    assert short.dimensions == short_whole.dimensions, "a short clip is its own"


@dataclass
class AskingFake(FakeJudge):
    """A critic that may be asked: P(yes) is a number of the frames and the question."""

    why_no_questions: str | None = None
    asked: list[dict[str, str]] = field(default_factory=list)

    def ask(self, clip: FakePreparedClip, questions: Mapping[str, str]) -> FakeItem:
        self.asked.append(dict(questions))
        self.words = {**getattr(self, "words", {}), **questions}
        return FakeItem((clip,), "asked", tuple(questions), clip.num_tokens)

    def run(self, items: Any) -> list[Any]:
        mine = [item for item in items if item.prompt == "asked"]
        others = iter(super().run([item for item in items if item.prompt != "asked"]))
        return [
            {key: chance(item.clips[0].digest, self.words[key]) for key in item.criteria}
            if item in mine
            else next(others)
            for item in items
        ]

    def replies(self, answers: dict[str, float]) -> dict[str, Score]:
        return {key: Score(key, p, p, "yes_no", {}, 0.9) for key, p in answers.items()}


def chance(digest: str, question: str) -> float:
    return (raw_of(digest, question, None) + 3) / 6


async def test_all_questions_about_a_clip_go_to_the_critic_in_one_item() -> None:
    judge = AskingFake()
    told = {"clip": ref("two"), "auxiliary": {"object": "bird and cat", "scene": "alley"}}
    names = ["vlm.multiple_objects", "vlm.scene", "vlm.color", "temporal_flickering"]
    async with app_of(judge) as app:
        judge.asked.clear()
        (result,) = await measured(app, items=[told], dimensions=names)
        scored = await app.post("/v1/score", json={"items": [told], "dimensions": names})
    assert [len(each) for each in judge.asked] == [3, 3]
    digest = judge.prepared[-1]
    chances = [chance(digest, question) for question in judge.asked[0].values()]
    objects, scene = result.dimensions["vlm.multiple_objects"], result.dimensions["vlm.scene"]
    assert objects.per_frame == pytest.approx(chances[:2])
    assert objects.continuous == pytest.approx(min(chances[:2]))
    assert objects.raw == float(min(chances[:2]) > 0.5)
    assert scene.continuous == pytest.approx(chances[2])
    color = result.dimensions["vlm.color"]
    assert color.raw is None
    assert "color is needed" in (color.reason.message if color.reason else "")
    assert list(result.dimensions) == names
    (beside,) = scored.json()["results"]
    assert beside["dimensions"] == result.model_dump()["dimensions"]
    assert beside["reward"] is not None


async def test_a_critic_that_learned_its_own_questions_is_not_asked_others() -> None:
    judge = AskingFake(why_no_questions="critic-fake has never learned to answer others")
    told = {"clip": ref("two"), "auxiliary": {"object": "bird"}}
    async with app_of(judge) as app:
        (result,) = await measured(app, items=[told], dimensions=["vlm.object_class"])
    score = result.dimensions["vlm.object_class"]
    assert judge.asked == []
    assert score.raw is None
    assert "never learned" in (score.reason.message if score.reason else "")


async def test_an_engine_that_fails_leaves_the_frames_their_numbers() -> None:
    judge = AskingFake()
    told = {"clip": ref("two"), "auxiliary": {"object": "bird"}}

    def fail(items: Any) -> list[Any]:
        raise RuntimeError("the forward")

    async with app_of(judge) as app:
        judge.run = fail  # type: ignore[method-assign]
        app.door.core.desk.engine._run = fail
        names = ["vlm.object_class", "temporal_flickering"]
        (result,) = await measured(app, items=[told], dimensions=names)
    assert result.dimensions["vlm.object_class"].raw is None
    assert result.dimensions["temporal_flickering"].raw is not None


def test_the_wire_knows_every_fact_that_a_dimension_needs() -> None:
    needed = {each.needs for each in CATALOGUE.values()} - {None, "prompt", "image"}
    assert needed <= set(schemas.Auxiliary.model_fields)
    assert json.loads(schemas.Auxiliary.model_validate({"judge": [True, False]}).model_dump_json())[
        "judge"
    ] == [True, False]
    assert umt_network.NUM_FRAMES == 16
