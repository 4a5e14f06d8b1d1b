"""Ready means that a clip could be scored now; not alive means that a restart would help."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from critic_models.errors import CheckpointError, EngineError
from fake_judge import FakeJudge, failing
from service_app import App, app_of, no_lifespan, scored, until

from critic_service.door import Door
from critic_service.errors import Draining, NotReady
from critic_service.guard import Guard
from critic_service.health import SUSPICIOUS_FAILED_RUNS
from critic_service.http import create_app
from critic_service.settings import Settings


async def probe(app: App, path: str) -> tuple[int, str | None]:
    answer = await app.client.get(path)
    return answer.status_code, answer.json().get("reason")


@asynccontextmanager
async def loading(load: Callable[[], Any]) -> AsyncIterator[tuple[Door, httpx.AsyncClient]]:
    door = Door(Settings(drain_s=0.1), load)
    transport = httpx.ASGITransport(Guard(create_app(door), no_lifespan, door))
    door.open()
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://critic") as client:
            yield door, client
    finally:
        await door.close()


async def test_ready_and_alive() -> None:
    async with app_of() as app:
        assert await probe(app, "/readyz") == (200, None)
        assert await probe(app, "/livez") == (200, None)


async def test_a_clip_was_scored_end_to_end_before_the_door_opened() -> None:
    judge = FakeJudge()
    door = Door(Settings(), lambda: judge)
    door.open()
    await until(lambda: door._core is not None)
    assert judge.batch_sizes == [1]
    assert judge.batches[0][0].prompt
    await door.close()


async def test_probes_answer_while_the_critic_is_loaded() -> None:
    slow = threading.Event()

    def load() -> FakeJudge:
        slow.wait(5)
        return FakeJudge()

    async with loading(load) as (door, client):
        ready, live = await client.get("/readyz"), await client.get("/livez")
        score = await client.post("/v1/score", json=scored(1))
        assert (ready.status_code, ready.json()["reason"]) == (503, "the critic is being loaded")
        assert live.status_code == 200
        assert (score.status_code, score.json()["code"]) == (503, "not_ready")
        assert int(score.headers["retry-after"]) >= 1
        slow.set()
        await until(lambda: door._core is not None)
        assert (await client.post("/v1/score", json=scored(1))).status_code == 200


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CheckpointError("model.safetensors is missing"), "model.safetensors is missing"),
        (RuntimeError("the secret path /etc/x"), "the log has the details"),
    ],
)
async def test_a_critic_that_cannot_be_loaded(error: Exception, told: str) -> None:
    def load() -> FakeJudge:
        raise error

    async with loading(load) as (door, client):
        await until(lambda: door._failure is not None)
        for path in ("/readyz", "/livez"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert told in answer.json()["reason"]
            assert "secret" not in answer.text
        with pytest.raises(NotReady, match=told):
            _ = door.core


async def test_a_critic_that_loads_but_cannot_score_is_not_ready() -> None:
    def broken(items: Any) -> None:
        raise EngineError("no kernel image is available")

    async with loading(lambda: FakeJudge(on_run=broken)) as (door, client):
        await until(lambda: door._failure is not None)
        assert "no kernel image" in (await client.get("/readyz")).json()["reason"]


async def test_a_failing_engine_is_tested_again_and_found_broken() -> None:
    async with app_of() as app:
        app.judge.outcome_of = lambda item: None
        app.judge.on_run = lambda items: 1 / 0  # type: ignore[assignment, return-value]
        for _ in range(SUSPICIOUS_FAILED_RUNS):
            assert (await app.post("/v1/score", json=scored(1))).status_code == 503
        for path in ("/readyz", "/livez"):
            status, reason = await probe(app, path)
            assert status == 503
            assert "known good clip" in (reason or "")
        app.judge.on_run = lambda items: None
        assert await probe(app, "/readyz") == (200, None)
        assert (await app.post("/v1/score", json=scored(1))).status_code == 200


async def test_a_client_whose_clips_crash_the_engine_does_not_take_the_service_down() -> None:
    def crash_on_poison(items: Any) -> None:
        if any(item.prompt == "poison" for item in items):
            raise RuntimeError("illegal memory access")

    async with app_of() as app:
        app.judge.on_run = crash_on_poison
        request = scored(1)
        request["items"][0]["prompt"] = "poison"
        for _ in range(SUSPICIOUS_FAILED_RUNS + 2):
            assert (await app.post("/v1/score", json=request)).status_code == 503
        assert await probe(app, "/readyz") == (200, None)
        assert await probe(app, "/livez") == (200, None)


async def test_errors_of_single_items_are_no_reason_for_suspicion() -> None:
    async with app_of() as app:
        app.judge.outcome_of = failing(EngineError("not finite"), lambda item: True)
        for _ in range(SUSPICIOUS_FAILED_RUNS + 1):
            await app.post("/v1/score", json=scored(1))
        assert app.door.core.desk.engine.failed_runs == 0
        assert await probe(app, "/readyz") == (200, None)


async def test_an_engine_that_is_stuck() -> None:
    async with app_of(request_timeout_s=0.5) as app:
        app.judge.gate.clear()
        call = asyncio.create_task(app.post("/v1/score", json=scored(1)))
        await asyncio.to_thread(app.judge.entered.wait, 5)
        assert await probe(app, "/livez") == (200, None)
        await until(lambda: app.door.core.desk.engine.running_s > 0.5)
        assert (await call).status_code == 504
        status, reason = await probe(app, "/livez")
        assert (status, "stuck" in (reason or "")) == (503, True)
        app.judge.gate.set()
        await until(lambda: app.door.core.desk.engine.running_s == 0)
        assert await probe(app, "/livez") == (200, None)


async def test_a_loop_that_has_ended() -> None:
    async with app_of() as app:
        app.door.core.desk._serving.cancel()  # type: ignore[union-attr]
        await asyncio.sleep(0)
        status, reason = await probe(app, "/readyz")
        assert (status, "ended" in (reason or "")) == (503, True)
        score = await app.post("/v1/score", json=scored(1))
        assert (score.status_code, score.json()["code"]) == (503, "not_ready")


async def test_a_full_desk_is_no_verdict_on_the_engine() -> None:
    async with app_of(max_queue_tokens=500) as app:
        app.door.core.desk.engine.failed_runs = SUSPICIOUS_FAILED_RUNS
        app.judge.gate.clear()
        first = asyncio.create_task(app.post("/v1/score", json=scored(1)))
        await asyncio.to_thread(app.judge.entered.wait, 5)
        second = asyncio.create_task(app.post("/v1/score", json=scored(2, 3, 4, 5, 6)))
        await until(lambda: app.door.core.desk.queued_items == 5)
        assert await probe(app, "/readyz") == (200, None)
        app.judge.gate.set()
        await asyncio.gather(first, second)


async def test_closing_while_loading() -> None:
    async with loading(lambda: FakeJudge()) as (door, _):
        await door.close()
        with pytest.raises(Draining):
            _ = door.core
