"""Requests on one stream: replies as they are finished, bounded in flight, each failing alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from fake_judge import FakeItem
from grpc_app import RpcApp, rpc_app_of, scored
from service_app import until

from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc import score_stream

KEY = "a-long-enough-key"


async def replies_of(stream: Any) -> dict[int, pb.ScoreStreamReply]:
    return {reply.index: reply async for reply in stream}


async def test_each_request_has_the_reply_that_it_would_have_alone() -> None:
    async with rpc_app_of() as app:
        replies = await replies_of(app.stream([scored(1), scored(2, 3), scored(4)]))
        alone = [await app.call("Score", request) for request in (scored(1), scored(2, 3))]
        assert app.http.door.held_bodies.num_bytes == 0
    assert sorted(replies) == [0, 1, 2]
    for index, expected in enumerate(alone):
        assert replies[index].response.results == expected.results


async def test_what_is_finished_first_comes_first() -> None:
    async with rpc_app_of(max_batch_items=1) as app:
        app.judge.gate.clear()
        stream = app.stream()
        await stream.write(scored(1))
        await until(app.judge.entered.is_set)
        # The second is refused while the first is still judged.
        await stream.write(scored(2, critic="nobody"))
        refused = await stream.read()
        app.judge.gate.set()
        judged = await stream.read()
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
    assert (refused.index, refused.error.code, refused.error.status) == (1, "unknown_name", 422)
    assert judged.index == 0
    assert judged.response.results[0].HasField("reward")


async def test_requests_that_fail_leave_the_stream_open() -> None:
    bad_clip = pb.ScoreRequest(items=[pb.ScoreItem(clip=pb.ClipRef(video=b"nothing"))])
    async with rpc_app_of() as app:
        requests = [b"\xff", bad_clip, b"\xc8\x3e\x01", scored(1)]
        replies = await replies_of(app.stream(requests))
    codes = [replies[index].error.code for index in range(3)]
    assert codes == ["malformed_request", "clip_unreadable", "invalid_request"]
    assert replies[3].WhichOneof("outcome") == "response"


async def test_no_more_is_read_than_may_be_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_stream, "MAX_IN_FLIGHT", 3)
    asked = 0

    async def requests() -> AsyncIterator[pb.ScoreRequest]:
        nonlocal asked
        for seed in range(8):
            asked += 1
            yield scored(seed)

    async with rpc_app_of(max_batch_items=1) as app:
        app.judge.gate.clear()
        stream = app.stream(requests())
        reading = asyncio.create_task(replies_of(stream))
        desk = app.http.door.core.desk
        await until(lambda: desk.open_calls == 3)
        # Those that were sent wait on the connection, not in this process.
        await asyncio.sleep(0.05)
        assert desk.open_calls == 3
        most = 0

        def look(_: list[FakeItem]) -> None:
            nonlocal most
            most = max(most, desk.open_calls)

        app.judge.on_run = look  # type: ignore[assignment]
        app.judge.gate.set()
        assert sorted(await reading) == list(range(8))
    assert most <= 3
    assert asked == 8


async def test_a_stream_that_is_given_up_takes_its_work_back() -> None:
    async with rpc_app_of(max_batch_items=1) as app:
        app.judge.gate.clear()
        stream = app.stream([scored(seed) for seed in range(4)])
        desk = app.http.door.core.desk
        await until(lambda: desk.queued_items == 3)
        stream.cancel()
        await until(lambda: desk.queued_items == 0 and desk.open_calls == 0)
        app.judge.gate.set()
        await until(lambda: app.http.door.held_bodies.num_bytes == 0)
        assert app.judge.batch_sizes == [1]


async def test_requests_of_a_stream_share_batches_with_other_calls() -> None:
    async with rpc_app_of() as app:
        app.judge.gate.clear()
        first = asyncio.ensure_future(app.call("Score", scored(1)))
        await until(app.judge.entered.is_set)
        reading = asyncio.create_task(replies_of(app.stream([scored(2), scored(3)])))
        other = asyncio.ensure_future(app.call("Score", scored(4)))
        await until(lambda: app.http.door.core.desk.queued_items == 3)
        app.judge.gate.set()
        await asyncio.gather(first, reading, other)
    assert app.judge.batch_sizes == [1, 3]


async def test_a_request_of_a_stream_is_bounded_by_the_longest_time_of_a_call() -> None:
    async with rpc_app_of(request_timeout_s=0.3) as app:
        app.judge.gate.clear()
        stream = app.stream()
        await stream.write(scored(1))
        reply = await stream.read()
        app.judge.gate.set()
        # The stream itself lasts longer.
        await stream.write(scored(2))
        assert (await stream.read()).WhichOneof("outcome") == "response"
    assert reply.error.code == "deadline_exceeded"
    assert reply.error.status == 504


async def test_a_stream_that_drains_finishes_what_it_took() -> None:
    async with rpc_app_of() as app:
        app.judge.gate.clear()
        stream = app.stream()
        await stream.write(scored(1))
        await until(app.judge.entered.is_set)
        app.http.door.begin_to_close()
        await stream.write(scored(2))
        refused = await stream.read()
        app.judge.gate.set()
        judged = await stream.read()
    assert (refused.index, refused.error.code) == (1, "draining")
    assert refused.error.retryable
    assert refused.error.retry_after_s >= 1
    assert judged.response.results[0].HasField("reward")


async def test_a_key_that_is_withdrawn_ends_with_its_next_request(tmp_path: Any) -> None:
    from critic_service.keys import KeyLine, digest_of, write_keys

    file = tmp_path / "keys"
    write_keys(file, [KeyLine("trainer", digest_of(KEY))])
    async with rpc_app_of(api_keys_file=str(file)) as app:
        stream = app.stream(metadata=(("x-api-key", KEY),))
        await stream.write(scored(1))
        assert (await stream.read()).WhichOneof("outcome") == "response"
        write_keys(file, [KeyLine("other", digest_of("another-long-key"))])
        await stream.write(scored(2))
        assert (await stream.read()).error.code == "unauthenticated"


async def test_a_slow_reader_holds_up_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_stream, "MAX_IN_FLIGHT", 1)
    async with rpc_app_of() as app:
        unread = app.stream([scored(seed) for seed in range(3)])
        await asyncio.gather(*(other(app, seed) for seed in range(3)))
        assert sorted(await replies_of(unread)) == [0, 1, 2]


async def other(app: RpcApp, seed: int) -> None:
    assert (await app.call("Score", scored(seed))).results[0].HasField("reward")
