"""What holds for every request: ids, key, bounds, deadlines, draining, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fake_judge import FakeJudge
from prometheus_client.parser import text_string_to_metric_families
from service_app import App, app_of, in_json, raw_clip, scored, until

from critic_service.guard import CALLS
from critic_service.logs import JsonFormatter

KEY = "a-long-enough-key"


async def metrics_of(app: App) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = (await app.client.get("/metrics")).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("given", ["abc-123", "~!@#", "x" * 128])
async def test_a_plain_request_id_is_echoed(given: str) -> None:
    async with app_of() as app:
        answer = await app.post("/v1/nowhere", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "tab\there", "né"])
async def test_any_other_request_id_is_replaced(given: str) -> None:
    async with app_of() as app:
        headers = [(b"x-request-id", given.encode("latin-1"))]
        answer = await app.post("/v1/nowhere", headers=headers)
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"X-API-Key": KEY}, 200),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": KEY}, 401),
        ({"Authorization": f"Bearer {KEY}x"}, 401),
        ({"Authorization": f"Bearer {KEY[:-1]}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "é"}, 401),
    ],
)
async def test_the_api_key(headers: dict[str, str], status: int) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with app_of(api_key=KEY) as app:
        for path in ("/v1/info", "/metrics", "/", "/openapi.json"):
            answer = await app.client.get(path, headers=raw)
            assert answer.status_code == status, path
        if status == 401:
            judged = await app.post("/v1/score", json=scored(1), headers=raw)
            assert (judged.status_code, judged.json()["code"]) == (401, "unauthenticated")
            assert judged.headers["www-authenticate"] == "Bearer"
            assert KEY not in judged.text
            assert app.judge.prepared == []
        for path in ("/livez", "/readyz"):
            assert (await app.client.get(path)).status_code == 200


async def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with app_of(max_body_bytes=1000) as app:
        headers = {"content-length": "1001", "content-type": "application/json"}
        answer = await app.post("/v1/score", content=never(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_that_announces_nothing_is_cut_off(media_type: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="c"; filename="c"\r\n\r\n'
        while True:
            sent += 1000
            yield b" " * 1000

    async with app_of(max_body_bytes=50_000) as app:
        headers = {"content-type": media_type}
        answer = await app.post("/v1/score", content=endless(), headers=headers)
        assert app.door.held_bodies.num_bytes == 0
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent <= 52_000


async def test_a_content_length_that_is_no_number() -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", content=b"{}", headers={"content-length": "-1"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_bodies_of_all_calls_together_are_bounded() -> None:
    async with app_of(max_body_bytes=30_000, max_held_body_bytes=30_000) as app:
        app.judge.gate.clear()
        body = json.dumps(scored(*range(4)))
        assert 15_000 < len(body) < 30_000
        headers = {"content-type": "application/json"}
        first = asyncio.create_task(app.post("/v1/score", content=body, headers=headers))
        await asyncio.to_thread(app.judge.entered.wait, 5)
        second = await app.post("/v1/score", content=body, headers=headers)
        app.judge.gate.set()
        assert (await first).status_code == 200
        third = await app.post("/v1/score", content=body, headers=headers)
    assert (second.status_code, second.json()["code"]) == (429, "overloaded")
    assert second.json()["details"]["resource"] == "body_bytes"
    assert third.status_code == 200


async def test_announcing_a_body_takes_no_room_from_others() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)

    async with app_of(max_body_bytes=30_000, max_held_body_bytes=30_000) as app:
        headers = {"content-type": "application/json", "content-length": "30000"}
        loris = asyncio.create_task(app.post("/v1/score", content=slow(), headers=headers))
        await asyncio.sleep(0.02)
        assert (await app.post("/v1/score", json=scored(*range(4)))).status_code == 200
        loris.cancel()


@pytest.mark.parametrize(
    "media_type", ["application/vnd.bentoml+pickle", "application/x-pickle", "Application/PICKLE"]
)
@pytest.mark.parametrize("path", ["/v1/score", "/info", "/schema.json"])
async def test_pickle_is_refused_everywhere(path: str, media_type: str) -> None:
    async with app_of() as app:
        answer = await app.post(path, content=b"\x80\x04.", headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_full_desk_answers_before_anything_is_decoded() -> None:
    async with app_of(max_queue_tokens=1500) as app:  # room for three clips of 500 guessed tokens
        app.judge.gate.clear()
        waits = [asyncio.create_task(app.post("/v1/score", json=scored(1)))]
        await asyncio.to_thread(app.judge.entered.wait, 5)
        waits.append(asyncio.create_task(app.post("/v1/score", json=scored(2, 3, 4))))
        await until(lambda: app.door.core.desk.queued_items == 3)
        prepared = len(app.judge.prepared)
        answer = await app.post("/v1/score", json=scored(*range(5, 10)))
        assert len(app.judge.prepared) == prepared
        app.judge.gate.set()
        assert [each.status_code for each in await asyncio.gather(*waits)] == [200, 200]
    body = answer.json()
    assert "connection" not in answer.headers  # the body was read: the next call may follow
    assert (answer.status_code, body["code"], body["retryable"]) == (429, "overloaded", True)
    assert body["details"]["resource"] == "desk"
    assert int(answer.headers["retry-after"]) >= 1


async def test_too_many_clips_in_progress() -> None:
    async with app_of(max_clips_in_progress=3) as app:
        app.judge.gate.clear()
        first = asyncio.create_task(app.post("/v1/score", json=scored(1, 2, 3)))
        await asyncio.to_thread(app.judge.entered.wait, 5)
        answer = await app.post("/v1/dimensions", json={"clips": in_json(4)})
        app.judge.gate.set()
        assert (await first).status_code == 200
        assert (await app.post("/v1/score", json=scored(*range(9)))).status_code == 200
    assert (answer.status_code, answer.json()["details"]["resource"]) == (429, "intake")
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_callers_deadline_bounds_the_call() -> None:
    async with app_of() as app:
        app.judge.gate.clear()
        answer = await app.post(
            "/v1/score", json=scored(1), headers={"X-Request-Deadline-Ms": "50"}
        )
        assert app.door.core.desk.queued_items == 0
    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (504, "deadline_exceeded", True)


async def test_the_services_own_deadline_bounds_every_call() -> None:
    async with app_of(request_timeout_s=0.1) as app:
        app.judge.gate.clear()
        answer = await app.post(
            "/v1/score", json=scored(1), headers={"X-Request-Deadline-Ms": "999999999"}
        )
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


async def test_the_deadline_counts_from_the_first_byte() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(10)

    async with app_of() as app:
        headers = {"X-Request-Deadline-Ms": "50", "content-type": "application/json"}
        answer = await app.post("/v1/score", content=slow(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("given", ["", "soon", "-5", "1.5", "1e3", "٣", "9" * 30])
async def test_a_deadline_must_be_a_number(given: str) -> None:
    async with app_of() as app:
        headers = [(b"x-request-deadline-ms", given.encode())]
        answer = await app.post("/v1/score", json=scored(1), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_priority() -> None:
    async with app_of(max_batch_tokens=100, linger_ms=0) as app:
        app.judge.gate.clear()

        async def score(prompt: str, priority: str) -> httpx.Response:
            request = {"items": [{"clip": in_json(1)[0], "prompt": prompt}]}
            headers = {"X-Request-Priority": priority}
            return await app.post("/v1/score", json=request, headers=headers)

        waits = [asyncio.create_task(score("first", "batch"))]
        await asyncio.to_thread(app.judge.entered.wait, 5)
        for position, (prompt, priority) in enumerate([("later", "batch"), ("now", "online")]):
            waits.append(asyncio.create_task(score(prompt, priority)))
            await until(lambda wanted=position: app.door.core.desk.queued_items > wanted)
        app.judge.gate.set()
        await asyncio.gather(*waits)
        odd = await score("odd", "urgent")
    assert [batch[0].prompt for batch in app.judge.batches] == ["first", "now", "later"]
    assert (odd.status_code, odd.json()["code"]) == (400, "malformed_request")


async def test_draining_refuses_new_work_and_finishes_the_old() -> None:
    async with app_of() as app:
        app.judge.gate.clear()
        first = asyncio.create_task(app.post("/v1/score", json=scored(1)))
        await asyncio.to_thread(app.judge.entered.wait, 5)
        app.door.drain()
        refused = await app.post("/v1/score", json=scored(2))
        ready, live = await app.client.get("/readyz"), await app.client.get("/livez")
        closing = asyncio.create_task(app.door.close())
        await asyncio.sleep(0.02)
        app.judge.gate.set()
        assert (await first).status_code == 200
        await closing
    assert (refused.status_code, refused.json()["code"]) == (503, "draining")
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["connection"] == "close"
    assert (ready.status_code, ready.json()["reason"]) == (503, "draining")
    assert live.status_code == 200


async def test_what_cannot_be_finished_while_draining_is_answered() -> None:
    judge = FakeJudge(prepare_s=0.02)
    async with app_of(judge, drain_s=0.1, decode_threads=1, max_batch_tokens=100) as app:
        app.judge.gate.clear()
        waits = [
            asyncio.create_task(app.post("/v1/score", json=scored(*range(30)))),
            asyncio.create_task(app.post("/v1/dimensions", json={"clips": in_json(*range(30))})),
        ]
        await asyncio.to_thread(app.judge.entered.wait, 5)
        await asyncio.wait_for(app.door.close(), 3)
        score, dimensions = await asyncio.wait_for(asyncio.gather(*waits), 3)
    assert (score.status_code, score.json()["code"]) == (503, "draining")
    results = dimensions.json()["results"]
    assert results[0]["reason"] is None
    assert results[-1]["reason"]["code"] == "draining"


class Connection:
    """A client that speaks ASGI and can hang up."""

    def __init__(self, app: App, path: str, body: bytes, *, whole: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []
        self._hung_up = asyncio.Event()
        self._messages = [{"type": "http.request", "body": body, "more_body": not whole}]
        headers = [(b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
        }
        self.served = asyncio.create_task(app.guard(scope, self._receive, self._send))

    def hang_up(self) -> None:
        self._hung_up.set()

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


async def test_a_client_that_hangs_up_cancels_its_work() -> None:
    async with app_of() as app:
        app.judge.gate.clear()
        first = asyncio.create_task(app.post("/v1/score", json=scored(1)))
        await asyncio.to_thread(app.judge.entered.wait, 5)
        body = json.dumps(scored(2, 3)).encode()
        gone = [Connection(app, "/v1/score", body) for _ in range(3)]
        await until(lambda: app.door.core.desk.queued_items == 6)
        for each in gone:
            each.hang_up()
        await asyncio.wait_for(asyncio.gather(*(each.served for each in gone)), 3)
        assert app.door.core.desk.queued_items == 0
        app.judge.gate.set()
        assert (await first).status_code == 200
        counted = await metrics_of(app)
    assert app.judge.batch_sizes == [1]
    assert counted["critic_requests_total", (("call", "score"), ("code", "499"))] == 3


async def test_a_client_that_hangs_up_while_sending() -> None:
    async with app_of() as app:
        gone = Connection(app, "/v1/score", b'{"items": [', whole=False)
        await asyncio.sleep(0.01)
        gone.hang_up()
        await asyncio.wait_for(gone.served, 3)
        counted = await metrics_of(app)
    assert counted["critic_requests_total", (("call", "score"), ("code", "499"))] == 1


async def test_other_protocols_are_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with app_of() as app:
        await app.guard({"type": "websocket", "path": "/"}, lambda: None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_bug_behind_the_guard_is_an_answer_all_the_same() -> None:
    async with app_of() as app:
        app.door.metrics.exposition = lambda: 1 / 0  # type: ignore[assignment, method-assign]
        answer = await app.client.get("/metrics")

        async def broken(*_: Any) -> None:
            raise RuntimeError("secret")

        app.guard._app = broken
        worse = await app.client.get("/v1/info")
    for each in (answer, worse):
        assert (each.status_code, each.json()["code"]) == (500, "internal")
        assert "secret" not in each.text


async def test_metrics_have_bounded_labels_and_can_be_parsed() -> None:
    async with app_of() as app:
        before = len(await metrics_of(app))
        for n in range(300):
            await app.client.get(f"/v1/{n}/../{n * 7919:x}")
            await app.client.request(f"M{n}"[:7], "/v1/score")
        await app.post("/v1/score", json=scored(1, critic="x" * 100))
        await app.post("/v1/score", json=scored(1, criteria=["y" * 100]))
        assert (await app.post("/v1/score", json=scored(1, 2))).status_code == 200
        samples = await metrics_of(app)
    labels = {key: value for _, pairs in samples for key, value in pairs if key == "call"}
    assert set(labels.values()) <= {*CALLS.values(), "other"}
    assert len(samples) < before + 200
    assert samples["critic_requests_total", (("call", "other"), ("code", "404"))] == 300
    assert samples["critic_requests_total", (("call", "score"), ("code", "200"))] == 1
    assert samples["critic_clips_total", ()] >= 2
    assert samples["critic_queue_items", ()] == 0
    assert samples["critic_held_body_bytes", ()] == 0
    assert samples["critic_batch_tokens_sum", ()] == 300  # the self-test's clip, and two
    quality = (("criterion", "quality"), ("critic", "critic-fake"))
    assert samples["critic_score_value_count", quality] == 3
    unknown = (("code", "unknown_name"), ("level", "call"))
    assert samples["critic_failures_total", unknown] == 2
    names = {name for name, _ in samples}
    for needed in (
        "critic_request_seconds_bucket",
        "critic_queue_wait_seconds_bucket",
        "critic_batch_items_bucket",
        "critic_engine_seconds_bucket",
        "critic_decode_seconds_bucket",
        "critic_queue_tokens",
        "critic_open",
        "critic_draining",
    ):
        assert needed in names


async def test_failures_of_items_are_counted_by_code() -> None:
    request = {"items": [{"clip": {"video_base64": "AAAA"}}, {"clip": in_json(1)[0]}]}
    async with app_of() as app:
        assert (await app.post("/v1/score", json=request)).status_code == 200
        samples = await metrics_of(app)
    key = (("code", "clip_unreadable"), ("level", "item"))
    assert samples["critic_failures_total", key] == 1


@pytest.fixture
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """What the service logs, as its operators read it."""
    lines: list[dict[str, Any]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter().format(record)))

    service, handler = logging.getLogger("critic_service"), Collect()
    level = service.level
    service.addHandler(handler)
    service.setLevel(logging.INFO)
    yield lines
    service.removeHandler(handler)
    service.setLevel(level)


async def test_work_is_logged_with_its_request_id_and_probes_are_not(
    log_lines: list[dict[str, Any]],
) -> None:
    async with app_of() as app:
        log_lines.clear()
        await app.post("/v1/score", json=scored(1), headers={"X-Request-Id": "mine"})
        app.door.drain()
        assert (await app.client.get("/readyz")).status_code == 503
        [line] = log_lines
    assert (line["message"], line["request_id"], line["level"]) == ("score 200", "mine", "info")
    assert line["seconds"] > 0
    assert line["body_bytes"] > 1000


async def test_a_fault_is_found_in_the_log_under_its_request_id(
    log_lines: list[dict[str, Any]],
) -> None:
    async with app_of() as app:
        log_lines.clear()
        app.judge.prepare = lambda clip: 1 / 0  # type: ignore[assignment, method-assign]
        await app.post("/v1/score", json=scored(1), headers={"X-Request-Id": "mine"})
    faults = [line for line in log_lines if "exception" in line]
    assert [line["request_id"] for line in faults] == ["mine"]
    assert "ZeroDivisionError" in faults[0]["exception"]


async def test_two_hundred_clips_at_once_are_decoded_a_few_at_a_time() -> None:
    judge = FakeJudge(prepare_s=0.002)
    async with app_of(judge, decode_threads=3, max_batch_items=8) as app:
        requests = [app.post("/v1/score", files=[("clip", ("c", raw_clip(n)))]) for n in range(200)]
        answers = await asyncio.gather(*requests)
        assert app.door.held_bodies.num_bytes == 0
    assert {answer.status_code for answer in answers} == {200}
    assert judge.most_preparing <= 3
    assert len(judge.prepared) == 200
    assert max(judge.batch_sizes) <= 8


@pytest.mark.parametrize("clips_per_call", [60, 1])
async def test_nobody_decodes_far_ahead_of_a_slow_engine(clips_per_call: int) -> None:
    judge = FakeJudge()
    async with app_of(judge, max_batch_tokens=200, max_batch_items=2, decode_threads=2) as app:
        judge.gate.clear()
        calls = [
            asyncio.create_task(app.post("/v1/score", json=scored(*range(n, n + clips_per_call))))
            for n in range(0, 60, clips_per_call)
        ]
        await until(lambda: len(judge.prepared) >= 8)
        with contextlib.suppress(TimeoutError):
            await until(lambda: len(judge.prepared) > 20, timeout_s=0.3)
        # One batch of two runs, four batches wait, two threads may have begun another clip; on a
        # busy machine some more are decoded and not yet on the desk, which does not count them.
        assert len(judge.prepared) <= 20
        judge.gate.set()
        assert {each.status_code for each in await asyncio.gather(*calls)} == {200}
    assert len(judge.prepared) == 60


async def test_a_large_call_lets_a_small_one_in_between() -> None:
    judge = FakeJudge(prepare_s=0.01)
    async with app_of(judge, decode_threads=1) as app:
        large = asyncio.create_task(app.post("/v1/score", json=scored(*range(60))))
        await until(lambda: len(judge.prepared) > 3)
        assert (await app.post("/v1/score", json=scored(100))).status_code == 200
        assert not large.done()
        assert len(judge.prepared) < 40
        assert (await large).status_code == 200
