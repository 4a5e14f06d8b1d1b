"""A request that is sent again is done once; one that nobody waits for is not done at all."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from critic_models.errors import EngineError, OutOfMemory
from fake_judge import FakeJudge, failing
from service_app import RAW, App, app_of, raw_clip, scored, until

from critic_service.errors import IdempotencyConflict, InvalidRequest, Overloaded
from critic_service.idempotency import Answers, Name

KEY = {"Idempotency-Key": "again-and-again"}


def name(key: str = "k", caller: str = "me") -> Name:
    return Name(caller, "score", key)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Work:
    """Counts how often it is done, and waits until it may end."""

    def __init__(self, answer: bytes = b"answer", error: Exception | None = None) -> None:
        self.answer, self.error = answer, error
        self.times = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> bytes:
        self.times += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.answer


def at_once(answer: bytes = b"answer") -> Work:
    work = Work(answer)
    work.may_end.set()
    return work


async def started(*works: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(each) for each in works]
    await asyncio.sleep(0)
    return tasks


async def test_who_asks_meanwhile_waits_for_the_same_answer() -> None:
    answers, work = Answers(), Work()
    tasks = await started(*(answers.once(name(), b"d", work) for _ in range(3)))
    work.may_end.set()
    assert await asyncio.gather(*tasks) == [
        (b"answer", False),
        (b"answer", True),
        (b"answer", True),
    ]
    assert await answers.once(name(), b"d", work) == (b"answer", True)
    assert work.times == 1


async def test_names_are_apart() -> None:
    answers, work = Answers(), at_once()
    for each in (name("a"), name("b"), name("a", "you"), Name("me", "rank", "a")):
        assert await answers.once(each, b"d", work) == (b"answer", False)
    assert work.times == 4


async def test_another_request_under_the_same_name_is_refused() -> None:
    answers, work = Answers(), Work()
    (task,) = await started(answers.once(name(), b"d", work))
    with pytest.raises(IdempotencyConflict):
        await answers.once(name(), b"other", work)
    work.may_end.set()
    await task
    with pytest.raises(IdempotencyConflict):
        await answers.once(name(), b"other", work)


async def test_somebody_who_waits_takes_over_from_who_has_gone() -> None:
    answers, work = Answers(), Work()
    first, *others = await started(*(answers.once(name(), b"d", work) for _ in range(3)))
    first.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    assert {replayed for _, replayed in await asyncio.gather(*others)} == {False, True}
    assert work.times == 2


async def test_who_waits_may_go_without_harm() -> None:
    answers, work = Answers(), Work()
    first, second = await started(*(answers.once(name(), b"d", work) for _ in range(2)))
    second.cancel()
    work.may_end.set()
    assert await first == (b"answer", False)


async def test_an_error_is_told_to_who_waits_and_not_kept() -> None:
    answers, work = Answers(), Work(error=InvalidRequest("no"))
    tasks = await started(*(answers.once(name(), b"d", work) for _ in range(2)))
    work.may_end.set()
    for task in tasks:
        with pytest.raises(InvalidRequest):
            await task
    assert work.times == 1
    assert await answers.once(name(), b"d", at_once()) == (b"answer", False)


async def test_an_error_that_may_pass_is_not_shared() -> None:
    answers, work = Answers(), Work(error=Overloaded("full"))
    tasks = await started(*(answers.once(name(), b"d", work) for _ in range(2)))
    work.may_end.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert work.times == 2


async def test_what_is_kept_is_bounded() -> None:
    clock = Clock()
    answers = Answers(max_answers=3, max_bytes=10, keep_s=5.0, clock=clock)
    for key in "abcd":
        await answers.once(name(key), b"d", at_once(b"xx"))
    assert [each.key for each in answers._kept] == ["b", "c", "d"]
    await answers.once(name("e"), b"d", at_once(b"x" * 8))
    assert [each.key for each in answers._kept] == ["d", "e"]
    await answers.once(name("f"), b"d", at_once(b"x" * 11))
    assert [each.key for each in answers._kept] == ["d", "e"]
    clock.now_s = 5.0
    again = at_once()
    assert await answers.once(name("e"), b"other", again) == (b"answer", False)
    assert answers._num_bytes == len(b"answer")


def form(*seeds: int) -> dict[str, Any]:
    request = json.dumps({"items": [{"clip": {"part": f"c{seed}"}} for seed in seeds]})
    files = {f"c{seed}": ("clip", raw_clip(seed), RAW) for seed in seeds}
    return {"data": {"request": request}, "files": files}


async def test_a_call_that_is_sent_again_is_judged_once() -> None:
    async with app_of() as app:
        answers = [await app.post("/v1/score", **form(1, 2), headers=KEY) for _ in range(3)]
        assert [each.status_code for each in answers] == [200] * 3
        assert len({each.content for each in answers}) == 1
        assert [each.headers.get("idempotency-replayed") for each in answers] == [
            None,
            "true",
            "true",
        ]
        assert len(app.judge.prepared) == 2

        for other in (form(1, 3), {"json": scored(1)}):
            refused = await app.post("/v1/score", **other, headers=KEY)
            assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_conflict")
        assert (await app.post("/v1/score", **form(1, 2))).status_code == 200
        assert len(app.judge.prepared) == 4
        wrong = await app.post("/v1/score", json=scored(1), headers={"Idempotency-Key": "a b"})
        assert wrong.json()["code"] == "malformed_request"


async def test_calls_that_come_together_are_judged_once() -> None:
    judge = FakeJudge()
    async with app_of(judge) as app:
        judge.gate.clear()
        tasks = [
            asyncio.create_task(app.post("/v1/score", json=scored(1), headers=KEY))
            for _ in range(4)
        ]
        await until(judge.entered.is_set)
        judge.gate.set()
        answers = await asyncio.gather(*tasks)
    assert len({each.content for each in answers}) == 1
    assert [len(batch) for batch in judge.batches] == [1]


@pytest.mark.parametrize("error", [EngineError("x"), OutOfMemory("x")])
async def test_a_call_that_failed_is_tried_anew(error: EngineError) -> None:
    judge = FakeJudge()
    async with app_of(judge) as app:
        judge.outcome_of = failing(error, lambda item: True)
        for _ in range(2):
            answer = await app.post("/v1/score", json=scored(1), headers=KEY)
            assert answer.json()["code"] == error.code
        judge.outcome_of = lambda item: None
        assert (await app.post("/v1/score", json=scored(1), headers=KEY)).status_code == 200
        assert len(judge.batches) == 3


async def hang_up(app: App, request: Any, headers: dict[str, str], when: Any) -> None:
    """Send a call and close the connection once `when` is true."""
    body = json.dumps(request).encode()
    gone = asyncio.Event()
    sent = [False]

    async def receive() -> dict[str, Any]:
        if not sent[0]:
            sent[0] = True
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None: ...

    raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/score",
        "raw_path": b"/v1/score",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *raw],
    }
    call = asyncio.create_task(app.guard(scope, receive, send))
    await until(when)
    gone.set()
    await call


async def test_what_waits_for_the_engine_goes_with_its_client() -> None:
    judge = FakeJudge()
    async with app_of(judge) as app:
        desk = app.door.core.desk
        judge.gate.clear()
        running = asyncio.create_task(app.post("/v1/score", json=scored(1)))
        await until(judge.entered.is_set)
        # Decoded, prepared and in the queue.
        await hang_up(app, scored(2, 3), {}, lambda: desk.queued_items == 2)
        assert desk.queued_items == 0
        judge.gate.set()
        assert (await running).status_code == 200
    assert [len(batch) for batch in judge.batches] == [1]


async def test_what_waits_for_a_decoder_goes_with_its_client() -> None:
    judge = FakeJudge(prepare_s=0.1)
    async with app_of(judge, decode_threads=1) as app:
        # One is being decoded, which cannot be taken back; seven wait for their turn.
        await hang_up(app, scored(*range(8)), {}, lambda: judge.preparing == 1)
        await until(lambda: judge.preparing == 0)
        assert (await app.post("/v1/score", json=scored(99))).status_code == 200
    assert len(judge.prepared) == 2


async def test_a_client_that_hangs_up_leaves_the_work_to_who_sent_the_same() -> None:
    judge = FakeJudge()
    async with app_of(judge) as app:
        judge.gate.clear()
        leaving = asyncio.create_task(hang_up(app, scored(1), KEY, lambda: len(waiting) == 1))
        waiting: list[asyncio.Task[httpx.Response]] = []
        await until(judge.entered.is_set)
        task = asyncio.create_task(app.post("/v1/score", json=scored(1), headers=KEY))
        await asyncio.sleep(0.02)
        waiting.append(task)
        await leaving
        judge.gate.set()
        assert (await task).status_code == 200
