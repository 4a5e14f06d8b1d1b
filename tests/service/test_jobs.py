"""Jobs: what they take, what they give, and what a process that dies costs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from critic_models.errors import EngineError
from fake_judge import FakeJudge, failing
from hypothesis import given
from hypothesis import strategies as st
from service_app import App, app_of, as_base64, in_json, raw_clip, scored, until
from service_process import free_port

from critic_service.errors import BodyTooLarge
from critic_service.jobs.files import ClipFiles
from critic_service.jobs.intake import lines_of
from critic_service.jobs.store import JobStore
from critic_service.jobs.tables import JobsUnusable, NewItem

NDJSON = {"content-type": "application/x-ndjson"}


def body_of(kind: str, items: list[Any], /, **options: Any) -> bytes:
    lines = [{"kind": kind, "options": options}, *items]
    return b"\n".join(json.dumps(line).encode() for line in lines)


def score_items(*seeds: int) -> list[dict[str, Any]]:
    return [{"clip": ref, "prompt": f"number {i}"} for i, ref in enumerate(in_json(*seeds))]


async def submitted(app: App, body: bytes, **headers: str) -> dict[str, Any]:
    answer = await app.post("/v1/jobs", content=body, headers={**NDJSON, **headers})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["job"]


async def ended(app: App, job: str, **headers: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found = (await app.client.get(f"/v1/jobs/{job}", headers=headers)).json()["job"]
            if found["state"] != "active":
                return found
            await asyncio.sleep(0.005)


async def results(app: App, job: str, query: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = await app.client.get(f"/v1/jobs/{job}/results{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_job_gives_what_the_call_gives(tmp_path: Path) -> None:
    request = scored(1, 2, 3, criteria=["quality", "alignment"])
    async with app_of(jobs_dir=str(tmp_path)) as app:
        expected = (await app.post("/v1/score", json=request)).json()
        body = body_of("score", request["items"], criteria=request["criteria"])
        job = await submitted(app, body)
        assert job["num_items"] == 3
        done = await ended(app, job["id"])
        lines = await results(app, job["id"])
    assert (done["state"], done["num_done"], done["num_failed"]) == ("done", 3, 0)
    assert done["fingerprints"] == [expected["fingerprint"]["id"]]
    assert [line["offset"] for line in lines] == [0, 1, 2]
    by_index = sorted(lines, key=lambda line: line["index"])
    assert [line["result"] for line in by_index] == expected["results"]
    assert by_index[0]["result"]["scores"] != by_index[1]["result"]["scores"]


async def test_every_kind_of_job_gives_what_its_call_gives(tmp_path: Path) -> None:
    a, b = in_json(1, 2)
    pair = {"a": a, "b": b, "prompt": "a cat"}
    async with app_of(jobs_dir=str(tmp_path)) as app:
        compared = (await app.post("/v1/compare", json={"pairs": [pair]})).json()["results"]
        measured = (await app.post("/v1/dimensions", json={"clips": [a]})).json()["results"]
        for kind, item, expected in (
            ("compare", pair, compared),
            ("dimensions", {"clip": a}, measured),
        ):
            job = await submitted(app, body_of(kind, [item]))
            await ended(app, job["id"])
            assert [line["result"] for line in await results(app, job["id"])] == expected


async def test_a_clip_that_was_sent_ahead_is_the_jobs_own_from_then_on(tmp_path: Path) -> None:
    judge = FakeJudge()
    async with app_of(judge, jobs_dir=str(tmp_path), keep_clips_s=0.2) as app:
        sent = await app.client.put("/v1/clips", content=raw_clip(4))
        clip_id = sent.json()["clip_id"]
        judge.gate.clear()
        job = await submitted(app, body_of("score", [{"clip": {"clip_id": clip_id}}]))
        await asyncio.sleep(0.2)
        gone = await app.post("/v1/score", json={"items": [{"clip": {"clip_id": clip_id}}]})
        assert gone.json()["code"] == "clip_unknown"
        judge.gate.set()
        assert (await ended(app, job["id"]))["num_done"] == 1


async def test_results_come_as_they_are_there_and_go_on_from_an_offset(tmp_path: Path) -> None:
    judge = FakeJudge()
    async with app_of(judge, jobs_dir=str(tmp_path), jobs_in_flight=1) as app:
        judge.gate.clear()
        job = (await submitted(app, body_of("score", score_items(*range(6)))))["id"]
        assert await results(app, job) == []
        following = asyncio.create_task(results(app, job, "?follow=true"))
        await asyncio.sleep(0.02)
        assert not following.done()
        judge.gate.set()
        lines = await following
        assert [line["offset"] for line in lines] == list(range(6))
        assert await results(app, job, "?offset=4") == lines[4:]
        assert await results(app, job, "?offset=6&follow=true") == []
        for query in ("?offset=-1", "?offset=x", "?follow=maybe"):
            answer = await app.client.get(f"/v1/jobs/{job}/results{query}")
            assert answer.json()["code"] == "invalid_request"


async def test_what_failed_is_tried_again_and_nothing_else(tmp_path: Path) -> None:
    judge = FakeJudge()
    judge.outcome_of = failing(EngineError("no"), lambda item: item.prompt == "number 1")
    async with app_of(judge, jobs_dir=str(tmp_path)) as app:
        job = (await submitted(app, body_of("score", score_items(1, 2, 3))))["id"]
        done = await ended(app, job)
        assert (done["num_done"], done["num_failed"]) == (2, 1)
        (failed,) = [line for line in await results(app, job) if line["failure"]]
        assert failed["index"] == 1
        assert failed["failure"]["code"] == "engine_error"
        assert failed["failure"]["retryable"] is True
        assert failed["result"] is None

        judge.outcome_of = lambda item: None
        judge.batches.clear()
        assert (await app.post(f"/v1/jobs/{job}/retry")).status_code == 200
        done = await ended(app, job)
        assert (done["num_done"], done["num_failed"]) == (3, 0)
        assert judge.batch_sizes == [1]
        last = (await results(app, job, "?offset=3"))[0]
        assert (last["index"], last["attempt"], last["failure"]) == (1, 2, None)


async def test_a_clip_that_cannot_be_decoded_costs_itself(tmp_path: Path) -> None:
    items = [*score_items(1), {"clip": {"video_base64": as_base64(b"no video")}}]
    async with app_of(jobs_dir=str(tmp_path)) as app:
        job = (await submitted(app, body_of("score", items)))["id"]
        await ended(app, job)
        failures = {line["index"]: line["failure"] for line in await results(app, job)}
    assert failures[0] is None
    assert failures[1]["code"] == "clip_unreadable"


async def test_cancelling_stops_a_job_and_keeps_what_it_has(tmp_path: Path) -> None:
    judge = FakeJudge()
    async with app_of(judge, jobs_dir=str(tmp_path), jobs_in_flight=2) as app:
        judge.gate.clear()
        job = (await submitted(app, body_of("score", score_items(*range(20)))))["id"]
        await until(judge.entered.is_set)
        cancelled = (await app.client.delete(f"/v1/jobs/{job}")).json()["job"]
        assert cancelled["state"] == "cancelled"
        judge.gate.set()
        await until(lambda: not app.door.jobs.waiting_items)
        assert (await ended(app, job))["num_results"] == 0
        assert (await app.client.delete(f"/v1/jobs/{job}")).status_code == 200
        again = await app.post(f"/v1/jobs/{job}/retry")
        assert again.json()["code"] == "invalid_request"
        assert len(judge.batches) <= 1


async def test_calls_go_before_jobs(tmp_path: Path) -> None:
    judge = FakeJudge(max_batch_tokens=100)
    async with app_of(judge, jobs_dir=str(tmp_path), jobs_in_flight=4) as app:
        judge.gate.clear()
        await submitted(app, body_of("score", score_items(*range(6))))
        await until(lambda: app.door.core.desk.queued_items == 3)
        online = asyncio.create_task(app.post("/v1/score", json=scored(99)))
        await until(lambda: app.door.core.desk.queued_items == 4)
        judge.gate.set()
        assert (await online).status_code == 200
    prompts = [batch[0].prompt for batch in judge.batches]
    assert prompts.index("a cat") == 1


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "invalid_request", "empty"),
        (b"[1]", "invalid_request", ""),
        (b"{", "malformed_request", ""),
        (body_of("score", []), "invalid_request", "no items"),
        (body_of("rank", score_items(1)), "invalid_request", "kind"),
        (body_of("score", [{"clip": {"part": "a"}}]), "invalid_request", "item 0: a job has no"),
        (body_of("score", [*score_items(1), {"clop": 1}]), "invalid_request", "item 1"),
        (body_of("score", score_items(1), items=[]), "invalid_request", "options"),
        (body_of("score", score_items(1), colour="red"), "invalid_request", "colour"),
        (body_of("score", [{"clip": {"video_base64": "%"}}]), "clip_unreadable", "item 0"),
        (body_of("score", [{"clip": {"clip_id": "ab"}}]), "clip_unknown", "item 0"),
        (body_of("score", score_items(*range(9))), "body_too_large", "8 items"),
    ],
)
async def test_what_is_no_job_is_refused_and_leaves_nothing(
    tmp_path: Path, body: bytes, code: str, says: str
) -> None:
    async with app_of(jobs_dir=str(tmp_path), jobs_max_items=8) as app:
        answer = await app.post("/v1/jobs", content=body, headers=NDJSON)
        assert answer.json()["code"] == code
        assert says in answer.json()["message"]
        assert (await app.client.get("/v1/jobs")).json()["jobs"] == []
        assert not list((tmp_path / "clips").iterdir())
        assert (await app.post("/v1/jobs", json={})).status_code == 415


async def test_jobs_are_off_unless_they_have_a_folder() -> None:
    async with app_of() as app:
        for answer in (
            await app.post("/v1/jobs", content=body_of("score", score_items(1)), headers=NDJSON),
            await app.client.get("/v1/jobs/x"),
        ):
            assert answer.status_code == 404
            assert "CRITIC_JOBS_DIR" in answer.json()["message"]


async def test_the_number_of_jobs_and_their_bytes_are_bounded(tmp_path: Path) -> None:
    judge = FakeJudge()
    async with app_of(judge, jobs_dir=str(tmp_path), jobs_max=2, jobs_max_bytes=20_000) as app:
        large = await app.post(
            "/v1/jobs", content=body_of("score", score_items(*range(9))), headers=NDJSON
        )
        assert large.json()["details"]["limit"] == "jobs_max_bytes"
        first = (await submitted(app, body_of("score", score_items(1))))["id"]
        await ended(app, first)
        judge.gate.clear()
        await submitted(app, body_of("score", score_items(2)))
        await submitted(app, body_of("score", score_items(3)))  # the first one makes room
        assert (await app.client.get(f"/v1/jobs/{first}")).status_code == 404
        assert len(list((tmp_path / "clips").iterdir())) == 2
        full = await app.post("/v1/jobs", content=body_of("score", score_items(4)), headers=NDJSON)
        assert full.status_code == 429
        assert int(full.headers["retry-after"]) > 0
        judge.gate.set()


async def test_jobs_that_ended_long_ago_are_dropped(tmp_path: Path) -> None:
    async with app_of(jobs_dir=str(tmp_path), jobs_keep_s=0.05) as app:
        job = (await submitted(app, body_of("score", score_items(1))))["id"]
        await ended(app, job)
        await asyncio.sleep(0.06)
        jobs = app.door.jobs
        await jobs._do(jobs._retention.sweep)
        assert (await app.client.get(f"/v1/jobs/{job}")).status_code == 404
        assert not list((tmp_path / "clips").iterdir())


async def test_an_idempotency_key_makes_one_job(tmp_path: Path) -> None:
    async with app_of(jobs_dir=str(tmp_path)) as app:
        body, key = body_of("score", score_items(1)), {"Idempotency-Key": "k"}
        first = await app.post("/v1/jobs", content=body, headers={**NDJSON, **key})
        again = await app.post("/v1/jobs", content=body, headers={**NDJSON, **key})
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["job"]["id"] == again.json()["job"]["id"]
        other = await app.post(
            "/v1/jobs", content=body_of("score", score_items(2)), headers={**NDJSON, **key}
        )
        assert other.json()["code"] == "idempotency_conflict"
        assert len((await app.client.get("/v1/jobs")).json()["jobs"]) == 1


async def test_a_graceful_stop_leaves_the_rest_for_the_next_process(tmp_path: Path) -> None:
    items = score_items(*range(12))
    judge = FakeJudge(run_s=0.01)
    async with app_of(judge, jobs_dir=str(tmp_path), jobs_in_flight=2) as app:
        job = (await submitted(app, body_of("score", items)))["id"]
        await until(lambda: len(judge.batches) > 2)
    async with app_of(jobs_dir=str(tmp_path)) as app:
        done = await ended(app, job)
        lines = await results(app, job)
    assert done["num_done"] == 12
    assert sorted(line["index"] for line in lines) == list(range(12))


@contextmanager
def running(folder: Path, run_s: float) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """A service process in a folder of jobs."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRITIC_")}
    ours = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "CRITIC_JOBS_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", "fake_service", str(port), str(run_s)],
        env={**kept, **ours, "CRITIC_JOBS_IN_FLIGHT": "3"},
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            end_s = time.monotonic() + 60
            while True:
                assert time.monotonic() < end_s
                try:
                    if client.get("/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.02)
            yield client, process
    finally:
        process.kill()
        process.wait()


def lines_of_job(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/jobs/{job}/results?follow=true")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_killed_process_costs_a_job_nothing(tmp_path: Path) -> None:

    body = body_of("score", score_items(*range(30)))
    with running(tmp_path / "calm", run_s=0.0) as (client, _):
        job = client.post("/v1/jobs", content=body, headers=NDJSON).json()["job"]["id"]
        undisturbed = lines_of_job(client, job)

    folder = tmp_path / "killed"
    with running(folder, run_s=0.03) as (client, process):
        job = client.post("/v1/jobs", content=body, headers=NDJSON).json()["job"]["id"]
        while (client.get(f"/v1/jobs/{job}").json()["job"]["num_results"]) < 5:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with running(folder, run_s=0.0) as (client, _):
        before = client.get(f"/v1/jobs/{job}").json()["job"]
        after = lines_of_job(client, job)
        done = client.get(f"/v1/jobs/{job}").json()["job"]
    assert before["num_items"] == done["num_done"] == 30
    assert [line["offset"] for line in after] == list(range(30))

    def by_index(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in line.items() if name != "offset"}
            for line in sorted(lines, key=lambda line: line["index"])
        ]

    assert by_index(after) == by_index(undisturbed)


def small_job(store: JobStore, num_items: int = 2) -> str:
    job = store.begin("me", "score", {})
    store.add_items(job, [NewItem(i, {"clip": {"part": "x"}}, ("x",)) for i in range(num_items)], 9)
    store.finish(job, None, "d")
    return job


def test_an_outcome_is_stored_once(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = small_job(store)
    assert store.commit(job, 0, 1, {"result": {"a": 1}}, "f")
    assert not store.commit(job, 0, 1, {"result": {"a": 2}}, "f")
    assert not store.commit(job, 1, 2, {"result": {"a": 2}}, "f")  # of an attempt that is not on
    assert [each.outcome for each in store.results(job, 0, 9)] == [{"result": {"a": 1}}]
    assert store.waiting(job) == [1]
    store.cancel(job)
    assert not store.commit(job, 1, 1, {"result": {}}, "f")
    store.close()


def test_what_was_still_coming_in_is_forgotten(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = store.begin("me", "score", {})
    store.add_items(job, [NewItem(0, {}, ("x",))], 9)
    assert store.job(job) is None
    store.close()
    store = JobStore(tmp_path)
    assert store.num_bytes() == 0
    assert store.clip_names() == set()
    store.close()


def test_one_process_at_a_time_uses_a_folder(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    with pytest.raises(JobsUnusable, match="another process"):
        JobStore(tmp_path)
    store.close()
    JobStore(tmp_path).close()


def test_a_clip_goes_with_the_last_job_that_has_it(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    first, second = small_job(store), small_job(store)
    assert store.drop([first]) == []
    assert store.drop([second]) == ["x"]
    store.close()


def test_no_name_leaves_the_folder_of_clips(tmp_path: Path) -> None:
    files = ClipFiles(tmp_path / "clips")
    (tmp_path / "secret").write_text("x")
    name = files.put(b"one")
    assert files.put(b"one") == name
    assert files.part(name).read() == b"one"
    for wrong in ("../secret", "", name[:-1], name + "/", "A" * 64):
        with pytest.raises(OSError, match="names no clip"):
            files.part(wrong)


@given(st.lists(st.binary(max_size=30)), st.lists(st.integers(1, 40), max_size=30))
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    whole = b"\n".join(lines)

    async def chunks() -> AsyncIterator[bytes]:
        begin = 0
        for length in cuts:
            yield whole[begin : begin + length]
            begin += length
        yield whole[begin:]

    async def read() -> list[bytes]:
        return [line async for line in lines_of(chunks(), 10**6)]

    assert asyncio.run(read()) == [line for each in whole.split(b"\n") if (line := each.strip())]


async def test_a_line_is_bounded_while_it_comes_in() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 10
            yield b"x" * 10

    with pytest.raises(BodyTooLarge):
        async for _ in lines_of(endless(), 100):
            pass
    assert taken <= 120
