"""The clients for gRPC against a service that is a script: what is sent, read, repeated, raised."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import critic_client
import grpc
import numpy as np
import pytest
from critic_client import (
    AsyncGrpcCriticClient,
    ConnectionFailed,
    CriticClient,
    CriticClientError,
    DeadlineExceeded,
    Draining,
    Frames,
    GrpcCriticClient,
    Overloaded,
    PayloadTooLarge,
    ProtocolError,
    ServerError,
    TimedOut,
    Unauthorized,
    Unprocessable,
)
from critic_client._grpc import CHUNK_BYTES
from critic_models import errors as critic
from critic_models.errors import CriticError
from httpx import MockTransport

from critic_service import errors, schemas
from critic_service.calls import CALLS
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc.servicer import METHODS
from critic_service.rpc.status import error_response, refusal_of
from critic_service.rpc.translate import fill, parse, request_of

FRAMES = Frames(np.zeros((2, 16, 16, 3), np.uint8), fps=8.0)
Step = CriticError | tuple[grpc.StatusCode, str] | bytes | float


@dataclass
class Script:
    """A server: each call takes the next step, or is answered well where there is none.

    Attributes:
        steps: an error of the service, a code of gRPC's own, bytes to send, or seconds to wait.
        asked: method, metadata and request of each call.
    """

    service: Any
    steps: list[Step] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any], Any]] = field(default_factory=list)
    clips: list[dict[str, Any]] = field(default_factory=list)
    serving: bytes = b"\x08\x01"
    port: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def handler(self) -> grpc.GenericRpcHandler:
        stream_in = grpc.stream_unary_rpc_method_handler
        handlers = {METHODS[call.name]: stream_in(self._judge(call)) for call in CALLS}
        handlers["Info"] = stream_in(self._info)
        handlers["UploadClip"] = stream_in(self._upload)
        handlers["ScoreStream"] = grpc.stream_stream_rpc_method_handler(self._score_stream)
        return grpc.method_handlers_generic_handler("critic.v1.Critic", handlers)

    def health(self) -> grpc.GenericRpcHandler:
        check = grpc.unary_unary_rpc_method_handler(lambda _, context: self.serving)
        return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})

    def _step(self, method: str, context: Any, request: Any) -> bytes | None:
        self.asked.append((method, dict(context.invocation_metadata()), request))
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, CriticError):
            told = refusal_of(step, "id-1")
            context.set_trailing_metadata(told.trailers)
            context.abort(told.code, told.message)
        if isinstance(step, tuple):
            context.abort(*step)
        if isinstance(step, float):
            time.sleep(step)
            return None
        return step

    def _judge(self, call: Any) -> Callable[..., bytes]:
        asked, replied = (getattr(pb, each.__name__) for each in (call.request, call.response))

        def judge(messages: Iterator[bytes], context: Any) -> bytes:
            request, parts = request_of(parse(asked, next(messages)), call.request)
            step = self._step(METHODS[call.name], context, request)
            self.clips.append({name: (each.read(), each.is_frames) for name, each in parts.items()})
            context.set_trailing_metadata((("server-timing", "queue;dur=1.5, engine;dur=300"),))
            return step or fill(replied(), self._reply(call, request)).SerializeToString()

        return judge

    def _reply(self, call: Any, request: Any) -> schemas.Wire:
        body = request.model_dump_json(exclude_none=True).encode()
        # The service of the tests for HTTP, so that both clients are told the same.
        replies = sys.modules[type(self.service).__module__]
        received = replies.Received("POST", "", {}, {"request": ("application/json", body)})
        return replies._REPLIES[f"/v1/{call.name}"](received)

    def _info(self, messages: Iterator[bytes], context: Any) -> bytes:
        step = self._step("Info", context, next(messages))
        replies = sys.modules[type(self.service).__module__]
        return step or fill(pb.InfoResponse(), replies._info_reply(None)).SerializeToString()

    def _upload(self, messages: Iterator[bytes], context: Any) -> bytes:
        chunks = [parse(pb.ClipChunk, data).content for data in messages]
        step = self._step("UploadClip", context, [len(chunk) for chunk in chunks])
        kept = pb.ClipResponse(
            request_id="id-1", clip_id="abc", num_bytes=sum(map(len, chunks)), expires_in_s=9.5
        )
        return step or kept.SerializeToString()

    def _score_stream(self, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        context.add_callback(self.cancelled.set)
        (call,) = (each for each in CALLS if each.name == "score")
        for index, data in enumerate(messages):
            request, _ = request_of(parse(pb.ScoreRequest, data), schemas.ScoreRequest)
            reply = pb.ScoreStreamReply(index=index)
            if request.items[0].prompt == "fail":
                reply.error.CopyFrom(error_response(critic.ClipUnreadable("bad"), "id-1"))
            elif request.items[0].prompt == "break":
                context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            else:
                fill(reply.response, self._reply(call, request))
            self.asked.append(("ScoreStream", dict(context.invocation_metadata()), request))
            yield reply.SerializeToString()


@pytest.fixture
def script(service: Any) -> Iterator[Script]:
    running = Script(service)
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((running.handler(), running.health()))
    running.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield running
    server.stop(None).wait()


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, script: Script) -> Callable[..., Any]:
    """Call a method of either client by its name."""

    def ask_sync(name: str, /, *args: Any, client: dict[str, Any] | None = None, **how: Any) -> Any:
        with GrpcCriticClient(**{"base_url": script.url, **(client or {})}) as connected:
            found = getattr(connected, name)(*args, **how)
            return list(found) if name == "score_stream" else found

    def ask_async(name: str, /, *args: Any, client: dict[str, Any] | None = None, **how: Any):
        async def run() -> Any:
            arguments = {"base_url": script.url, **(client or {})}
            async with AsyncGrpcCriticClient(**arguments) as connected:
                found = getattr(connected, name)(*args, **how)
                if name == "score_stream":
                    return [each async for each in found]
                return await found

        return asyncio.run(run())

    return ask_sync if request.param == "sync" else ask_async


CALLED: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "score": (([b"x", FRAMES], ["a", None]), {"criteria": ["sharpness"], "reward": {"q": 2.0}}),
    "compare": ((b"x", b"y", "a cat"), {"method": "scores"}),
    "compare_many": (([(b"x", b"y"), (b"x", FRAMES)],), {"critic": "critic-nano"}),
    "rank": (([b"x", b"y", b"z"], "a cat"), {"dimensions": ["flicker"]}),
    "dimensions": (([b"x", b"y"], ["flicker"]), {"auxiliary": {"color": "red"}}),
    "score_prompts": (("a cat", ["a cat sits", "a dog"]), {"principles": ["harmless"]}),
    "info": ((), {}),
}


@pytest.mark.parametrize("name", CALLED)
def test_results_are_those_of_the_http_client(
    name: str, ask: Callable[..., Any], script: Script, service: Any
) -> None:
    args, how = CALLED[name]
    with CriticClient(transport=MockTransport(service)) as client:
        over_http = getattr(client, name)(*args, **how)
    over_grpc = ask(name, *args, **how)
    assert over_grpc == over_http
    assert type(over_grpc) is type(over_http)
    if name in ("score", "rank", "dimensions"):
        assert over_grpc.timings_ms == {"queue": 1.5, "engine": 300.0}
        sent = script.asked[-1][2]
        assert sent == type(sent).model_validate(service.last.request)
        clips = {
            part: (content, kind.endswith("safetensors"))
            for part, (kind, content) in service.last.clips.items()
        }
        assert script.clips[-1] == clips


def test_every_call_of_the_http_client_is_there() -> None:
    for ours, theirs in (
        (GrpcCriticClient, CriticClient),
        (AsyncGrpcCriticClient, critic_client.AsyncCriticClient),
    ):
        assert issubclass(ours, theirs)


def test_metadata_tells_who_asks_and_how_long(ask: Callable[..., Any], script: Script) -> None:
    ask("score", b"x", client={"api_key": "a-key"}, deadline_s=20.0)
    _, metadata, _ = script.asked[0]
    assert metadata["authorization"] == "Bearer a-key"
    assert len(metadata["x-request-id"]) == 32
    assert 18_000 <= int(metadata["x-request-deadline-ms"]) <= 19_000
    assert "critic-client/" in metadata["user-agent"]


FAILURES: list[tuple[CriticError, type[CriticClientError], int]] = [
    (errors.MalformedRequest("m"), critic_client.BadRequest, 400),
    (errors.Unauthenticated("m"), Unauthorized, 401),
    (critic.ClipTooLarge("m", limit="max_bytes", allowed=3), PayloadTooLarge, 413),
    (errors.InvalidRequest("m"), Unprocessable, 422),
    (errors.Overloaded("m", retry_after_s=7, resource="desk"), Overloaded, 429),
    (errors.Internal(), ServerError, 500),
    (errors.NotReady("m"), critic_client.Unavailable, 503),
    (errors.Draining("m"), Draining, 503),
    (errors.DeadlineExceeded("m"), DeadlineExceeded, 504),
]


@pytest.mark.parametrize(("error", "kind", "status"), FAILURES)
def test_errors_are_those_of_the_http_client(
    error: CriticError,
    kind: type[CriticClientError],
    status: int,
    ask: Callable[..., Any],
    script: Script,
) -> None:
    script.steps = [error]
    with pytest.raises(kind) as failed:
        ask("score", b"x", client={"max_retries": 0})
    found = failed.value
    assert type(found) is kind
    assert (found.status, found.code, found.request_id) == (status, error.code, "id-1")
    assert (found.message, found.retryable) == (error.message, error.retryable)
    assert found.details == error.details
    assert found.retry_after_s == getattr(error, "retry_after_s", None)


FOREIGN: list[tuple[grpc.StatusCode, str, type[CriticClientError], str | None]] = [
    (grpc.StatusCode.UNAVAILABLE, "no route", ConnectionFailed, None),
    (grpc.StatusCode.CANCELLED, "reset", ConnectionFailed, None),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "late", TimedOut, None),
    (grpc.StatusCode.UNIMPLEMENTED, "no such", critic_client.APIError, "grpc_unimplemented"),
    (grpc.StatusCode.INTERNAL, "broken", ServerError, "grpc_internal"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", Overloaded, "grpc_resource_exhausted"),
    (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Received message larger than max (9 vs. 4)",
        PayloadTooLarge,
        "grpc_resource_exhausted",
    ),
]


@pytest.mark.parametrize(("code", "reason", "kind", "name"), FOREIGN)
def test_what_is_not_the_services_own_is_told_apart(
    code: grpc.StatusCode,
    reason: str,
    kind: type[CriticClientError],
    name: str | None,
    ask: Callable[..., Any],
    script: Script,
) -> None:
    script.steps = [(code, reason)]
    with pytest.raises(kind) as failed:
        ask("score", b"x", client={"max_retries": 0})
    assert type(failed.value) is kind
    assert reason in failed.value.message
    assert getattr(failed.value, "code", None) == name


def test_an_answer_that_is_no_reply(ask: Callable[..., Any], script: Script) -> None:
    script.steps = [b"\xff\xff"]
    with pytest.raises(ProtocolError):
        ask("score", b"x")


def test_a_reply_for_other_clips_is_refused(ask: Callable[..., Any], script: Script) -> None:
    script.steps = [pb.ScoreResponse(request_id="x", critic="y").SerializeToString()]
    with pytest.raises(ProtocolError):
        ask("score", b"x")


def test_a_full_service_is_asked_again_when_it_says(
    ask: Callable[..., Any], script: Script, slept: list[float]
) -> None:
    script.steps = [errors.Overloaded("full", retry_after_s=3), errors.Draining("bye")]
    assert ask("score", b"x").rewards == [0.75]
    assert len(script.asked) == 3
    assert 3.0 <= slept[0] <= 3.75
    ids = {metadata["x-request-id"] for _, metadata, _ in script.asked}
    assert len(ids) == 1


def test_a_fault_of_the_input_is_not_sent_again(ask: Callable[..., Any], script: Script) -> None:
    script.steps = [critic.ClipUnreadable("bad")]
    with pytest.raises(Unprocessable):
        ask("score", b"x")
    assert len(script.asked) == 1


def test_nobody_there(ask: Callable[..., Any], slept: list[float]) -> None:
    nobody = {"base_url": "http://127.0.0.1:1"}
    with pytest.raises(ConnectionFailed) as failed:
        ask("score", b"x", client=nobody)
    assert failed.value.request_id
    assert len(slept) == 2
    assert ask("ready", client=nobody) is False


def test_a_deadline_bounds_a_call(ask: Callable[..., Any], script: Script) -> None:
    script.steps = [1.0]
    started_s = time.monotonic()
    with pytest.raises(TimedOut):
        ask("score", b"x", deadline_s=0.3)
    assert time.monotonic() - started_s < 0.9


def test_readiness_is_that_of_grpcs_own_protocol(ask: Callable[..., Any], script: Script) -> None:
    assert ask("ready") is True
    for told in (b"\x08\x02", b""):
        script.serving = told
        assert ask("ready") is False


def test_a_clip_is_sent_ahead_in_pieces(ask: Callable[..., Any], script: Script) -> None:
    stored = ask("upload", b"x" * (2 * CHUNK_BYTES + 5))
    assert (stored.clip_id, stored.num_bytes) == ("abc", 2 * CHUNK_BYTES + 5)
    assert stored.expires_in_s == 9.5
    assert script.asked[0][2] == [CHUNK_BYTES, CHUNK_BYTES, 5]
    ask("score", [stored, b"y", stored], "a cat")
    request = script.asked[-1][2]
    assert [item.clip.clip_id for item in request.items] == ["abc", None, "abc"]
    assert list(script.clips[-1].values()) == [(b"y", False)]


def test_a_stored_clip_goes_over_http_too(service: Any) -> None:
    stored = critic_client.StoredClip("id-1", "abc", 3, 9.5)
    with CriticClient(transport=MockTransport(service)) as client:
        client.score(stored)
    assert service.last.request["items"][0]["clip"] == {"clip_id": "abc"}
    assert service.last.clips == {}


@pytest.mark.parametrize("prompts", ["a cat", ["a cat", "fail", None]])
def test_a_stream_gives_each_clip_its_reply_or_its_error(
    prompts: Any, ask: Callable[..., Any], script: Script
) -> None:
    found = dict(ask("score_stream", iter([b"x", b"y", b"z"]), prompts))
    assert sorted(found) == [0, 1, 2]
    assert found[0].rewards == [0.75]
    if prompts != "a cat":
        assert type(found[1]) is Unprocessable
        assert (found[1].status, found[1].code) == (422, "clip_unreadable")
    assert script.asked[0][2].items[0].prompt == "a cat"


def test_a_stream_that_breaks_says_so(ask: Callable[..., Any]) -> None:
    with pytest.raises(ConnectionFailed):
        ask("score_stream", [b"x"], "break")


def test_a_clip_that_cannot_be_read_ends_the_stream_with_its_own_error(
    ask: Callable[..., Any], script: Script
) -> None:
    with pytest.raises(FileNotFoundError):
        ask("score_stream", [b"x", "/nowhere/clip.mp4", b"y"])
    assert len(script.asked) == 1


def test_to_leave_a_stream_ends_it(script: Script) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    with GrpcCriticClient(script.url) as client:
        for index, _ in client.score_stream(endless()):
            if index == 2:
                break
        assert script.cancelled.wait(5)


async def test_cancelling_a_call_cancels_it_on_the_service(script: Script) -> None:
    async with AsyncGrpcCriticClient(script.url) as client:
        script.steps = [0.3]
        running = asyncio.create_task(client.score(b"x"))
        while not script.asked:
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


@pytest.mark.parametrize("url", ["127.0.0.1:50051", "grpc://h", "http://", "http://h:0"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        GrpcCriticClient(url)


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_grpc_is_imported_when_it_is_used() -> None:
    names = "[n for n in ('grpc', 'google.protobuf') if n in sys.modules]"
    code = (
        f"import sys, critic_client; print({names});"
        f"critic_client.GrpcCriticClient(); print({names})"
    )
    assert python(code).splitlines() == ["[]", "['grpc', 'google.protobuf']"]


def test_without_grpc_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['grpc'] = None\n"
        "from critic_client import GrpcCriticClient\n"
        "try: GrpcCriticClient()\n"
        "except ImportError as error: print(error)"
    )
    assert "pip install 'critic-client[grpc]'" in python(code)


def test_json_is_what_the_reply_says(ask: Callable[..., Any]) -> None:
    reply = ask("score", [b"x", b"y"])
    assert json.loads(json.dumps(reply.body))["results"][1]["reward"] is None
    assert reply.results[1].reason.details == {"bytes": 3}
