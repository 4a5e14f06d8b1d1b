"""gRPC beside HTTP: the same answers from the same desk, and what holds for every call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest
import service_app
from critic_client._grpc_messages import plain
from google.protobuf.message import Message
from grpc_app import REPLIES, RpcApp, error_of, retry_delay_s, rpc_app_of, scored
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from service_app import in_json, raw_clip, until

from critic_service import schemas
from critic_service.body import MAX_CLIP_PARTS
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc import translate
from critic_service.rpc.server import RpcServer
from critic_service.settings import SettingsError

KEY = "a-long-enough-key"
Code = grpc.StatusCode


def ref(seed: int) -> pb.ClipRef:
    return pb.ClipRef(frames=raw_clip(seed))


ASKED: dict[str, tuple[str, dict[str, Any], Message]] = {
    "Score": (
        "/v1/score",
        service_app.scored(
            1, 2, criteria=["quality", "alignment"], reward={"weights": {"quality": 1.0}},
            dimensions=["temporal_flickering"],
        ),
        scored(
            1, 2, criteria=["quality", "alignment"],
            reward=pb.RewardSpec(weights={"quality": 1.0}), dimensions=["temporal_flickering"],
        ),
    ),
    "Compare": (
        "/v1/compare",
        {"pairs": [dict(zip("ab", in_json(1, 2), strict=True))], "method": "both_orders"},
        pb.CompareRequest(pairs=[pb.PairItem(a=ref(1), b=ref(2))], method="both_orders"),
    ),
    "Rank": (
        "/v1/rank",
        {"clips": in_json(1, 2, 3), "prompt": "a cat", "criteria": ["quality"]},
        pb.RankRequest(clips=[ref(1), ref(2), ref(3)], prompt="a cat", criteria=["quality"]),
    ),
    "Dimensions": (
        "/v1/dimensions",
        {"clips": in_json(1, 2), "dimensions": ["temporal_flickering"]},
        pb.DimensionsRequest(clips=[ref(1), ref(2)], dimensions=["temporal_flickering"]),
    ),
    "PromptScore": (
        "/v1/prompts/score",
        {"items": [{"query": "a cat", "optimised_prompt": "a cat sits"}], "judge": "none"},
        pb.PromptsRequest(
            items=[pb.PromptItem(query="a cat", optimised_prompt="a cat sits")], judge="none"
        ),
    ),
}  # fmt: skip


async def both(app: RpcApp, method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer over HTTP and over gRPC, each as JSON, without what names the call."""
    path, body, message = ASKED[method]
    over_http = (await app.http.post(path, json=body)).raise_for_status().json()
    over_grpc = plain(await app.call(method, message))
    assert over_http.pop("request_id") != over_grpc.pop("request_id")
    return over_http, over_grpc


@pytest.mark.parametrize("method", ASKED)
async def test_both_doors_give_the_same_answer(method: str) -> None:
    async with rpc_app_of() as app:
        over_http, over_grpc = await both(app, method)
    assert over_grpc == over_http
    assert over_http["results"]


async def test_a_translation_that_loses_a_field_gives_another_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = translate._fill_field

    def lossy(message: Message, field: Any, value: Any) -> None:
        if field.name != "answer_mass":
            honest(message, field, value)

    monkeypatch.setattr(translate, "_fill_field", lossy)
    async with rpc_app_of() as app:
        over_http, over_grpc = await both(app, "Score")
    assert over_grpc != over_http


async def test_both_doors_describe_the_same_service() -> None:
    async with rpc_app_of() as app:
        over_http = (await app.http.client.get("/v1/info")).json()
        assert plain(await app.call("Info", pb.InfoRequest())) == over_http


async def test_calls_of_both_doors_share_a_batch() -> None:
    async with rpc_app_of() as app:
        app.judge.gate.clear()
        first = asyncio.create_task(app.http.post("/v1/score", json=service_app.scored(1)))
        await until(app.judge.entered.is_set)
        over_http = asyncio.create_task(app.http.post("/v1/score", json=service_app.scored(2)))
        over_grpc = asyncio.ensure_future(app.call("Score", scored(3)))
        await until(lambda: app.http.door.core.desk.queued_items == 2)
        app.judge.gate.set()
        await asyncio.gather(first, over_http, over_grpc)
    assert app.judge.batch_sizes == [1, 2]


async def test_a_bad_clip_fails_alone() -> None:
    request = scored(1)
    request.items.add(clip=pb.ClipRef(video=b"not a video"), prompt="a cat")
    async with rpc_app_of() as app:
        reply = await app.call("Score", request)
    good, bad = reply.results
    assert good.HasField("reward")
    assert not good.HasField("reason")
    assert not bad.HasField("reward")
    assert bad.reason.code == "clip_unreadable"
    assert not bad.HasField("clip_id")


async def test_a_clip_of_many_pairs_travels_once() -> None:
    request = pb.CompareRequest(method="scores")
    request.parts["x"].CopyFrom(pb.Part(content=raw_clip(1), is_frames=True))
    for seed in (2, 3):
        request.pairs.add(a=pb.ClipRef(part="x"), b=ref(seed))
    async with rpc_app_of() as app:
        reply = await app.call("Compare", request)
        assert len(app.judge.prepared) == 3
    assert len({each.clip_id_a for each in reply.results}) == 1


FAILING: dict[str, tuple[dict[str, Any], pb.ScoreRequest]] = {
    "no clip can be read": (
        {"items": [{"clip": {"frames_base64": service_app.as_base64(b"x" * 9)}}] * 2},
        pb.ScoreRequest(items=[pb.ScoreItem(clip=pb.ClipRef(frames=b"x" * 9))] * 2),
    ),
    "an unknown critic": (
        service_app.scored(1, critic="nobody"),
        scored(1, critic="nobody"),
    ),
    "an unknown criterion": (
        service_app.scored(1, criteria=["beauty"]),
        scored(1, criteria=["beauty"]),
    ),
    "no item": ({}, pb.ScoreRequest()),
    "a clip that nobody sent": (
        {"items": [{"clip": {"clip_id": "0" * 64}}]},
        pb.ScoreRequest(items=[pb.ScoreItem(clip=pb.ClipRef(clip_id="0" * 64))]),
    ),
    "a negative weight": (
        service_app.scored(1, reward={"weights": {"quality": -1.0}}),
        scored(1, reward=pb.RewardSpec(weights={"quality": -1.0})),
    ),
}


@pytest.mark.parametrize("why", FAILING)
async def test_an_error_carries_the_envelope_of_http(why: str) -> None:
    body, message = FAILING[why]
    async with rpc_app_of() as app:
        answer = await app.http.post("/v1/score", json=body)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await app.call("Score", message, metadata=(("x-request-id", "mine"),))
        assert app.http.door.held_bodies.num_bytes == 0
    envelope = plain(error_of(failed.value))
    assert envelope.pop("status") == answer.status_code == 422
    assert envelope.pop("retry_after_s") is None
    assert envelope.pop("request_id") == "mine"
    expected = answer.json()
    del expected["request_id"]
    assert envelope == expected
    assert failed.value.code() is Code.INVALID_ARGUMENT
    assert failed.value.details() == expected["message"]


async def failure_of(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value


HOSTILE: dict[str, tuple[bytes, str]] = {
    "no message": (b"\xff", "malformed_request"),
    "cut off": (scored(1).SerializeToString()[:-5], "malformed_request"),
    "an unknown field": (b"\xc8\x3e\x01", "invalid_request"),
    "an unknown field inside": (b"\x0a\x03\xc8\x3e\x01", "invalid_request"),
    "text that is not UTF-8": (b"\x12\x02\xff\xfe", "malformed_request"),
    "a million empty items": (b"\x0a\x00" * 1_000_000, "invalid_request"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_message_is_refused_before_it_becomes_objects(what: str) -> None:
    data, code = HOSTILE[what]
    async with rpc_app_of() as app:
        error = await failure_of(app.call("Score", data))
        assert app.judge.prepared == []
        assert app.http.door.held_bodies.num_bytes == 0
    assert error.code() is Code.INVALID_ARGUMENT
    assert error_of(error).code == code


async def test_too_many_parts() -> None:
    request = scored(1)
    for number in range(MAX_CLIP_PARTS + 1):
        request.parts[str(number)].content = b"x"
    async with rpc_app_of() as app:
        error = await failure_of(app.call("Score", request))
    assert error_of(error).code == "invalid_request"


async def test_a_message_above_the_limit_is_not_taken_in() -> None:
    async with rpc_app_of(max_body_bytes=2_000) as app:
        error = await failure_of(app.call("Score", scored(1)))
        assert app.judge.prepared == []
        assert app.http.door.held_bodies.num_bytes == 0
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert "larger than max" in (error.details() or "")


async def test_bodies_of_both_doors_are_bounded_together() -> None:
    async with rpc_app_of(max_body_bytes=5_000, max_held_body_bytes=6_000) as app:
        app.judge.gate.clear()
        first = asyncio.create_task(app.http.post("/v1/score", json=service_app.scored(1)))
        await until(app.judge.entered.is_set)
        error = await failure_of(app.call("Score", scored(2)))
        app.judge.gate.set()
        await first
        await app.call("Score", scored(2))
        assert app.http.door.held_bodies.num_bytes == 0
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert plain(error_of(error))["details"] == {"resource": "body_bytes"}


async def test_a_full_desk_says_when_to_come_back() -> None:
    async with rpc_app_of(max_queue_tokens=150) as app:
        app.judge.gate.clear()
        running = [asyncio.ensure_future(app.call("Score", scored(1)))]
        await until(app.judge.entered.is_set)
        running.append(asyncio.ensure_future(app.call("Score", scored(2))))
        await until(lambda: app.http.door.core.desk.queued_items == 1)
        error = await failure_of(app.call("Score", scored(3)))
        app.judge.gate.set()
        await asyncio.gather(*running)
    assert error.code() is Code.RESOURCE_EXHAUSTED
    envelope = plain(error_of(error))
    assert (envelope["code"], envelope["retryable"]) == ("overloaded", True)
    assert envelope["status"] == 429
    assert retry_delay_s(error) == envelope["retry_after_s"] >= 1


async def test_a_cancelled_call_takes_its_work_back() -> None:
    async with rpc_app_of() as app:
        app.judge.gate.clear()
        running = asyncio.ensure_future(app.call("Score", scored(1)))
        await until(app.judge.entered.is_set)
        queued = app.call("Score", scored(2, 3))
        desk = app.http.door.core.desk
        await until(lambda: desk.queued_items == 2)
        queued.cancel()
        await until(lambda: desk.queued_items == 0)
        await until(lambda: desk.open_calls == 1)
        app.judge.gate.set()
        await running
        await until(lambda: app.http.door.held_bodies.num_bytes == 0)
        assert app.judge.batch_sizes == [1]
        assert await counted(app, "grpc_Score", "499") == 1


async def counted(app: RpcApp, call: str, code: str) -> float:
    text = (await app.http.client.get("/metrics")).text
    line = f'critic_requests_total{{call="{call}",code="{code}"}} '
    return next((float(each[len(line) :]) for each in text.splitlines() if line in each), 0.0)


@pytest.mark.parametrize("how", ["of gRPC", "of the metadata"])
async def test_a_deadline_ends_a_call_and_its_work(how: str) -> None:
    async with rpc_app_of() as app:
        app.judge.gate.clear()
        running = asyncio.ensure_future(app.call("Score", scored(1)))
        await until(app.judge.entered.is_set)
        if how == "of gRPC":
            call = app.call("Score", scored(2), timeout=0.1)
        else:
            call = app.call("Score", scored(2), metadata=(("x-request-deadline-ms", "100"),))
        error = await failure_of(call)
        await until(lambda: app.http.door.core.desk.queued_items == 0)
        app.judge.gate.set()
        await running
        assert app.judge.batch_sizes == [1]
    assert error.code() is Code.DEADLINE_EXCEEDED
    if how == "of the metadata":
        assert error_of(error).code == "deadline_exceeded"


@pytest.mark.parametrize(
    "metadata", [("x-request-deadline-ms", "soon"), ("x-request-priority", "now")]
)
async def test_metadata_that_means_nothing_is_refused(metadata: tuple[str, str]) -> None:
    async with rpc_app_of() as app:
        error = await failure_of(app.call("Score", scored(1), metadata=(metadata,)))
    assert error_of(error).code == "malformed_request"


async def test_metadata_has_the_meanings_of_http_headers() -> None:
    async with rpc_app_of() as app:
        call = app.call("Score", scored(1), metadata=(("x-request-id", "abc"),))
        reply = await call
        assert dict(await call.initial_metadata())["x-request-id"] == "abc"
        assert reply.request_id == "abc"
        timing = dict(await call.trailing_metadata())["server-timing"]
        assert [each.split(";")[0] for each in timing.split(", ")] == ["queue", "decode", "engine"]
        assert await counted(app, "grpc_Score", "200") == 1


KEYS: list[tuple[tuple[tuple[str, str], ...], bool]] = [
    ((), False),
    ((("authorization", f"Bearer {KEY}"),), True),
    ((("x-api-key", KEY),), True),
    ((("authorization", f"Bearer {KEY}x"),), False),
    ((("authorization", f"Basic {KEY}"),), False),
    ((("x-api-key-bin", KEY.encode()),), False),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("metadata", "is_let_in"), KEYS)
async def test_the_api_key(metadata: Any, is_let_in: bool) -> None:
    async with rpc_app_of(api_key=KEY) as app:
        if is_let_in:
            assert (await app.call("Info", pb.InfoRequest(), metadata=metadata)).service
            return
        for method in REPLIES:
            error = await failure_of(app.call(method, b"", metadata=metadata))
            assert error.code() is Code.UNAUTHENTICATED
            assert plain(error_of(error))["status"] == 401
            assert KEY not in str(error)
        assert (await failure_of(app.upload([b"x"], metadata=metadata))).code() is (
            Code.UNAUTHENTICATED
        )
        stream = app.stream([scored(1)], metadata=metadata)
        assert (await failure_of(stream.read())).code() is Code.UNAUTHENTICATED
        assert app.judge.prepared == []
        health = health_pb2_grpc.HealthStub(app.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1


async def test_without_the_key_not_a_byte_is_read() -> None:
    async with rpc_app_of(api_key=KEY, max_body_bytes=2_000) as app:
        error = await failure_of(app.call("Score", scored(1)))
    # Had the message been read, its length would have been the complaint.
    assert error.code() is Code.UNAUTHENTICATED


async def in_a_thread(app: RpcApp, ask: Callable[[grpc.Channel], Any]) -> Any:
    def work() -> Any:
        with grpc.insecure_channel(f"localhost:{app.port}") as channel:
            return ask(channel)

    return await asyncio.to_thread(work)


async def test_reflection_tells_the_description() -> None:
    def ask(channel: grpc.Channel) -> Any:
        database = ProtoReflectionDescriptorDatabase(channel)
        services = database.get_services()
        return services, database.FindFileContainingSymbol("critic.v1.Critic")

    async with rpc_app_of() as app:
        services, file = await in_a_thread(app, ask)
    assert {"critic.v1.Critic", "grpc.health.v1.Health"} <= set(services)
    (service,) = file.service
    assert {method.name for method in service.method} == {*REPLIES, "UploadClip", "ScoreStream"}


async def test_reflection_needs_the_key() -> None:
    def ask(channel: grpc.Channel) -> Any:
        return list(ProtoReflectionDescriptorDatabase(channel).get_services())

    async with rpc_app_of(api_key=KEY) as app:
        with pytest.raises(grpc.RpcError) as failed:
            await in_a_thread(app, ask)
    assert failed.value.code() is Code.UNAUTHENTICATED  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", ["", "critic.v1.Critic"])
async def test_health_follows_the_door(service: str) -> None:
    async with rpc_app_of() as app:
        health = health_pb2_grpc.HealthStub(app.channel)
        asked = health_pb2.HealthCheckRequest(service=service)
        watching = health.Watch(asked)
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        app.http.door.drain()
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_the_health_of_something_else() -> None:
    async with rpc_app_of() as app:
        health = health_pb2_grpc.HealthStub(app.channel)
        error = await failure_of(health.Check(health_pb2.HealthCheckRequest(service="x")))
        assert error.code() is Code.NOT_FOUND
        watching = health.Watch(health_pb2.HealthCheckRequest(service="x"))
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        assert (await watching.read()).status == unknown
        listed = await health.List(health_pb2.HealthListRequest())
        assert set(listed.statuses) == {"", "critic.v1.Critic"}


async def test_draining_finishes_what_was_admitted_and_refuses_the_rest() -> None:
    async with rpc_app_of() as app:
        health = health_pb2_grpc.HealthStub(app.channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        await watching.read()
        app.judge.gate.clear()
        admitted = asyncio.ensure_future(app.call("Score", scored(1)))
        await until(app.judge.entered.is_set)
        app.http.door.begin_to_close()
        error = await failure_of(app.call("Score", scored(2)))
        app.judge.gate.set()
        await app.http.door.close()
        stopping = asyncio.create_task(app.server.stop())
        assert (await admitted).results[0].HasField("reward")
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        await stopping
        # Who only watches does not hold the server up.
        assert loop.time() - started_s < 0.9
        assert (await failure_of(app.call("Info", pb.InfoRequest()))).code() is Code.UNAVAILABLE
    assert error.code() is Code.UNAVAILABLE
    envelope = plain(error_of(error))
    assert (envelope["code"], envelope["retryable"]) == ("draining", True)
    assert retry_delay_s(error) == envelope["retry_after_s"] == 5


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with rpc_app_of() as app, service_app.app_of(grpc_port=app.port) as other:
        with pytest.raises(SettingsError, match="gRPC cannot listen"):
            await RpcServer(other.door).start()


async def test_a_fault_of_our_own_tells_nothing() -> None:
    def burst(*_: Any) -> None:
        raise RuntimeError("password=1234")

    async with rpc_app_of() as app:
        app.http.door.core.score = burst  # type: ignore[method-assign, assignment]
        app.http.door.core.info = burst  # type: ignore[method-assign, assignment]
        error = await failure_of(app.call("Info", pb.InfoRequest()))
    assert error.code() is Code.INTERNAL
    assert error_of(error).code == "internal"
    assert "1234" not in str(error)


async def test_both_doors_keep_clips_for_each_other() -> None:
    async with rpc_app_of() as app:
        over_grpc = await app.upload([raw_clip(1)[:1000], raw_clip(1)[1000:]])
        sent: httpx.Response = await app.http.client.put("/v1/clips", content=raw_clip(2))
        over_http = schemas.ClipResponse.model_validate(sent.json())
        assert (over_grpc.num_bytes, over_grpc.expires_in_s) == (len(raw_clip(1)), 900.0)
        refs = [{"clip_id": over_grpc.clip_id}, {"clip_id": over_http.clip_id}]
        items = [{"clip": each, "prompt": "a cat"} for each in refs]
        http = (await app.http.post("/v1/score", json={"items": items})).json()
        request = pb.ScoreRequest(
            items=[pb.ScoreItem(clip=pb.ClipRef(**each), prompt="a cat") for each in refs]
        )
        grpc_reply = await app.call("Score", request)
        inside = await app.call("Score", scored(1, 2))
        assert app.http.door.held_bodies.num_bytes == 0
    by_id = [each["clip_id"] for each in http["results"]]
    assert by_id == [each["clip_id"] for each in refs]
    rewards = [each.reward for each in inside.results]
    assert [each["reward"] for each in http["results"]] == rewards
    assert [each.reward for each in grpc_reply.results] == rewards


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        ([], "clip_empty"),
        ([b""], "clip_empty"),
        ([b"x" * 600] * 2, "clip_too_large"),
    ],
)
async def test_an_upload_that_cannot_be_kept(chunks: list[bytes], code: str) -> None:
    async with rpc_app_of(max_kept_clip_bytes=1_000) as app:
        error = await failure_of(app.upload(chunks))
        assert app.http.door.held_bodies.num_bytes == 0
        assert app.http.door.core.clips.store.num_bytes == 0
    assert error_of(error).code == code
