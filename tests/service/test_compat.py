"""The doors of other protocols: closed by default, thin, and without a number for a failure."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from chat_endpoint import FakeEndpoint, chat_reply, yes_with
from critic_models.errors import EngineError, NotAnswered
from critic_models.types import Score
from fake_judge import FakeJudge, FakeSpec
from hostile_clips import good_mp4
from service_app import app_of, as_base64, raw_clip, scored, until

VIDEO = as_base64(good_mp4())
BROKEN = as_base64(b"not a video at all")


def turn(video: str | None = VIDEO, text: str = "a cat", **more: Any) -> dict[str, Any]:
    return {"text": text, **({"video_b64": video} if video is not None else {}), **more}


def wanted(*turns: dict[str, Any], rewards: tuple[str, ...] = ("critic-fake",)) -> dict[str, Any]:
    return {"history": list(turns), "required_rewards": list(rewards), "metadata": None}


async def unirl(app: Any, *requests: dict[str, Any]) -> httpx.Response:
    return await app.post("/score", json={"requests": list(requests)})


async def native(app: Any, video: str, prompt: str | None, *criteria: str) -> dict[str, Any]:
    item = {"clip": {"video_base64": video}, "prompt": prompt}
    body: dict[str, Any] = {"items": [item]}
    if criteria:
        body["criteria"] = list(criteria)
    return (await app.post("/v1/score", json=body)).json()["results"][0]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/score"), ("POST", "/get_reward"), ("GET", "/rewards"), ("GET", "/health")],
)
async def test_the_doors_are_closed_unless_opened(method: str, path: str) -> None:
    async with app_of() as app:
        assert (await app.client.request(method, path)).status_code == 404
    async with app_of(compat=True) as app:
        assert (await app.client.request(method, path)).status_code != 404
        assert path not in (await app.client.get("/openapi.json")).json()["paths"]


async def test_the_api_key_holds_for_these_doors_too() -> None:
    async with app_of(compat=True, api_key="let-me-in") as app:
        for path in ("/rewards", "/health"):
            assert (await app.client.get(path)).status_code == 401
        assert (await unirl(app, wanted(turn()))).status_code == 401


async def test_unirl_names_its_rewards() -> None:
    async with app_of(compat=True) as app:
        names = ["critic-fake", "quality", "motion", "alignment"]
        assert (await app.client.get("/rewards")).json() == {"rewards": names}
        body = (await app.client.get("/health")).json()
    assert body["status"] == "ok"
    assert list(body["rewards"]) == names


async def test_unirl_scores_are_the_native_ones() -> None:
    async with app_of(compat=True) as app:
        answer = await unirl(
            app,
            wanted(turn(), rewards=("critic-fake", "alignment")),
            wanted(turn(text="a dog"), rewards=("alignment",)),
        )
        cat = await native(app, VIDEO, "a cat", "quality", "motion", "alignment")
        dog = await native(app, VIDEO, "a dog", "alignment")
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["results"]
    assert answer.json()["errors"] == [{}, {}]
    assert list(first["critic-fake"]) == ["reward", "quality", "motion"], "the reward comes first"
    assert first["critic-fake"]["reward"] == cat["reward"]
    assert first["critic-fake"]["quality"] == cat["scores"]["quality"]["value"]
    assert first["alignment"] == {"alignment": cat["scores"]["alignment"]["value"]}
    assert second == {"alignment": {"alignment": dog["scores"]["alignment"]["value"]}}
    assert first["alignment"] != second["alignment"]


async def test_unirl_scores_the_last_turn() -> None:
    async with app_of(compat=True) as app:
        rewards = ("alignment",)
        both = await unirl(app, wanted(turn(text="a dog"), turn(), rewards=rewards))
        last = await unirl(app, wanted(turn(), rewards=rewards))
        first = await unirl(app, wanted(turn(text="a dog"), rewards=rewards))
    assert both.json() == last.json() != first.json()


async def test_unirl_errors_lie_beside_results() -> None:
    async with app_of(compat=True) as app:
        answer = await unirl(
            app,
            wanted(turn()),
            wanted(turn(BROKEN)),
            wanted(turn(None, video_path="/etc/passwd"), rewards=("quality", "motion")),
            wanted(turn(text=" "), rewards=("alignment", "quality")),
        )
    assert answer.status_code == 200, answer.text
    results, errors = answer.json()["results"], answer.json()["errors"]
    assert set(results[0]) == {"critic-fake"}
    assert errors[0] == {}
    assert results[1] == {}
    assert errors[1]["critic-fake"].startswith("clip_unreadable")
    assert results[2] == {}
    assert {each[:16] for each in errors[2].values()} == {"path_not_allowed"}
    assert results[3] == {}
    assert set(errors[3]) == {"alignment", "quality"}


async def test_unirl_where_nothing_can_be_judged_still_answers() -> None:
    async with app_of(compat=True) as app:
        answer = await unirl(app, wanted(turn(BROKEN)), wanted(turn(""), rewards=("quality",)))
        nothing = await unirl(app)
    assert answer.status_code == 200
    assert answer.json()["results"] == [{}, {}]
    assert all(answer.json()["errors"])
    assert nothing.json() == {"results": [], "errors": []}


async def test_a_criterion_that_was_not_answered_is_an_error_and_no_number() -> None:
    class Mute(FakeJudge):
        def scores(self, answers: dict[str, Any]) -> dict[str, Score]:
            said = super().scores(answers)
            said["motion"] = Score("motion", None, None, "yes_no", {}, 0.01, "it said nothing")
            return said

    async with app_of(Mute(), compat=True) as app:
        answer = await unirl(app, wanted(turn(), rewards=("critic-fake", "motion", "quality")))
    (result,), (error,) = answer.json()["results"], answer.json()["errors"]
    assert set(result) == {"quality"}
    assert set(error) == {"critic-fake", "motion"}
    assert "it said nothing" in error["motion"]


async def test_a_critic_without_a_reward_of_its_own_gives_its_criteria() -> None:
    judge = FakeJudge(spec=FakeSpec(reward_weights={}))
    async with app_of(judge, compat=True) as app:
        answer = await unirl(app, wanted(turn()))
    assert list(answer.json()["results"][0]["critic-fake"]) == ["quality", "motion"]


async def test_unirl_equal_criteria_share_a_call() -> None:
    async with app_of(compat=True) as app:
        other = as_base64(good_mp4() + b"\0" * 8)
        await unirl(app, wanted(turn()), wanted(turn(other)), wanted(turn(text="a dog")))
        assert sum(app.judge.batch_sizes) == 3
        assert len(app.judge.prepared) == 2, "equal clips are decoded once"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"requests": [wanted()]}, {"requests": [wanted(turn(), rewards=())]},
        {"requests": [wanted(turn(), rewards=("hpsv3",))]}, {"requests": [wanted(turn(None))]},
        {"requests": [wanted(turn(video_path="/x"))]}, {"requests": [], "extra": 1},
        {"requests": [{**wanted(turn()), "extra": 1}]},
        {"requests": [wanted(turn(text="x" * 8001))]},
        {"requests": [wanted(turn())] * 257}, {"requests": [wanted(*[turn("")] * 65)]},
    ],
)  # fmt: skip
async def test_unirl_what_cannot_be_asked_is_an_error(body: dict[str, Any]) -> None:
    async with app_of(compat=True) as app:
        answer = await app.post("/score", json=body)
    assert answer.status_code == 422, answer.text


async def test_unirl_a_full_service_is_an_error_to_come_back_from() -> None:
    async with app_of(compat=True, max_queue_tokens=1) as app:
        app.judge.gate.clear()
        running = [asyncio.create_task(app.post("/v1/score", json=scored(1)))]
        await asyncio.to_thread(app.judge.entered.wait, 5)
        # An idle desk takes a call of any size; one behind which something waits does not.
        running.append(asyncio.create_task(app.post("/v1/score", json=scored(2, 3))))
        await until(lambda: app.door.core.desk.queued_items == 2)
        answer = await unirl(app, *[wanted(turn())] * 50)
        app.judge.gate.set()
        assert [each.status_code for each in await asyncio.gather(*running)] == [200, 200]
    assert answer.status_code == 429
    assert answer.headers["retry-after"]


def openrlhf(answers: list[str], labels: list[Any], prompt: str = "<|user|>x<|assistant|>") -> Any:
    return {
        "query": [prompt + each for each in answers],
        "prompts": [prompt] * len(answers),
        "labels": labels,
    }


async def test_openrlhf_clips_in_labels() -> None:
    frames = as_base64(raw_clip(1))
    labels = [{"video_base64": VIDEO, "prompt": "a cat"}, {"frames_base64": frames}]
    async with app_of(compat=True) as app:
        answer = await app.post("/get_reward", json=openrlhf(["", ""], labels))
        cat = await native(app, VIDEO, "a cat")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["rewards"] == body["scores"]
    assert body["rewards"][0] == cat["reward"]
    assert len(body["rewards"]) == 2
    assert set(body["extra_logs"]) == {"quality", "motion"}
    assert body["extra_logs"]["motion"][0] == cat["scores"]["motion"]["value"]


async def test_openrlhf_one_clip_that_fails_fails_the_call() -> None:
    labels = [{"video_base64": VIDEO}, {"video_base64": BROKEN}]
    async with app_of(compat=True) as app:
        answer = await app.post("/get_reward", json=openrlhf(["", ""], labels))
    assert answer.status_code == 500
    assert answer.json()["code"] == NotAnswered.code
    assert [each["index"] for each in answer.json()["details"]["items"]] == [1]
    assert "rewards" not in answer.json()


async def test_openrlhf_prompts_are_judged_by_the_worst_principle() -> None:
    seen: list[str] = []

    def reply(request: dict[str, Any]) -> tuple[int, bytes]:
        text = request["messages"][0]["content"]
        seen.append(text)
        return yes_with(0.3 if "describe, clearly" in text and "hen" in text else 0.8)(request)

    answers = ["A red fox runs.<|im_end|>", "A hen.</s> <pad><pad>"]
    with FakeEndpoint(reply).serving() as endpoint:
        settings = {"prompt_judge_url": endpoint.url, "prompt_judge_model": "m"}
        async with app_of(compat=True, **settings) as app:
            answer = await app.post("/get_reward", json=openrlhf(answers, ["a fox", "a hen"]))
    assert answer.status_code == 200, answer.text
    assert answer.json()["rewards"] == pytest.approx([0.8, 0.3])
    assert answer.json()["extra_logs"]["harmless"] == pytest.approx([0.8, 0.8])
    lines = {line for text in seen for line in text.splitlines()}
    assert {line for line in lines if line.startswith("Prompt: ")} == {
        'Prompt: "A red fox runs."', 'Prompt: "A hen."'
    }  # fmt: skip
    assert {line for line in lines if line.startswith("Request: ")} == {
        'Request: "a fox"', 'Request: "a hen"'
    }  # fmt: skip


async def test_openrlhf_without_a_label_the_prompt_is_the_query() -> None:
    with FakeEndpoint(yes_with(0.8)).serving() as endpoint:
        settings = {"prompt_judge_url": endpoint.url, "prompt_judge_model": "m"}
        async with app_of(compat=True, **settings) as app:
            await app.post("/get_reward", json=openrlhf(["A fox."], [None], prompt="a fox\n"))
    assert 'Request: "a fox\\n"' in endpoint.requests[0][2]["messages"][0]["content"]


async def test_openrlhf_one_judgement_that_fails_fails_the_call() -> None:
    def reply(request: dict[str, Any]) -> tuple[int, bytes]:
        bad = "hen" in request["messages"][0]["content"]
        return 200, chat_reply({"Well": 0.99, "Yes": 0.01} if bad else {"Yes": 0.9, "No": 0.1})

    with FakeEndpoint(reply).serving() as endpoint:
        settings = {"prompt_judge_url": endpoint.url, "prompt_judge_model": "m"}
        async with app_of(compat=True, **settings) as app:
            answer = await app.post("/get_reward", json=openrlhf(["A fox.", "A hen."], ["a", "b"]))
    assert answer.status_code == 500
    assert [each["index"] for each in answer.json()["details"]["items"]] == [1]


async def test_openrlhf_a_critic_that_never_learned_it_is_an_error() -> None:
    async with app_of(compat=True) as app:
        answer = await app.post("/get_reward", json=openrlhf(["A fox."], ["a fox"]))
    assert answer.status_code == 500
    assert "never learned" in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {}, openrlhf([], []), openrlhf(["a", "b"], ["x"]),
        openrlhf(["a"], [{"video_base64": "", "x": 1}]),
        openrlhf(["a"], [{}]), openrlhf(["a"], [3]), openrlhf(["<|im_end|>"], ["x"]),
        openrlhf(["a", "b"], ["x", {"video_base64": VIDEO}]), openrlhf(["a" * 8001], ["x"]),
        openrlhf(["a"], [""]), {**openrlhf(["a"], ["x"]), "query": ["other"]},
        {**openrlhf(["a"], ["x"]), "extra": 1}, openrlhf(["a"] * 257, ["x"] * 257),
        openrlhf(["a"], [{"video_base64": VIDEO, "frames_base64": VIDEO}]),
    ],
)  # fmt: skip
async def test_openrlhf_what_cannot_be_asked_is_an_error(body: dict[str, Any]) -> None:
    async with app_of(compat=True) as app:
        answer = await app.post("/get_reward", json=body)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("piece", [" ", "<pad>", "<|", "<|a|>", "\n x"])
async def test_openrlhf_hostile_endings_take_no_time(piece: str) -> None:
    text = (piece * 32_000)[:31_000] + "x"
    began_s = time.perf_counter()
    async with app_of(compat=True) as app:
        answer = await app.post("/get_reward", json=openrlhf([text, "x" + text[:-1]], ["a", "b"]))
    assert answer.status_code in (422, 500)
    assert time.perf_counter() - began_s < 5.0


async def test_an_engine_that_fails_is_an_error_for_both() -> None:
    def broken(items: Any) -> None:
        raise EngineError("a fault")

    async with app_of(compat=True) as app:
        app.judge.on_run = broken
        for path, body in (
            ("/score", {"requests": [wanted(turn())]}),
            ("/get_reward", openrlhf([""], [{"video_base64": VIDEO}])),
        ):
            answer = await app.post(path, json=body)
            assert "rewards" not in answer.json()
            if path == "/score":
                assert answer.json()["results"] == [{}]
                assert "engine_error" in json.dumps(answer.json()["errors"])
            else:
                assert answer.status_code == 503
