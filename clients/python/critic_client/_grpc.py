"""Send a call over gRPC, get what HTTP would have answered: what the clients know of grpcio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import grpc

from ._config import Config
from ._core import Answer, Call, Request
from ._errors import APIError, ConnectionFailed, CriticClientError, TimedOut
from ._grpc_messages import (
    SERVICE,
    answer_of,
    answer_of_details,
    answer_of_error,
    encode,
    encode_chunk,
    parse,
)
from ._models import ScoreReply
from ._retry import Budget
from ._version import __version__

CHUNK_BYTES = 2**20
MAX_TRAILER_BYTES = 2**20
FIRST_RECONNECT_MS = 200
LAST_RECONNECT_MS = 2_000

METHODS = {
    "/v1/score": "Score",
    "/v1/compare": "Compare",
    "/v1/rank": "Rank",
    "/v1/dimensions": "Dimensions",
    "/v1/prompts/score": "PromptScore",
    "/v1/info": "Info",
    "/v1/clips": "UploadClip",
}
_HEALTH = "/grpc.health.v1.Health/Check"
# The reply SERVING: field 1, as a number, 1.
_SERVING = b"\x08\x01"
_READY = Answer(200, {}, b"{}")
_NOT_READY = Answer(503, {}, b'{"code": "not_ready", "message": "the service takes no calls now"}')

# What a failure means that carries no details of the service: it was made by gRPC itself, or by
# something on the way.
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNIMPLEMENTED: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}

Streamed = tuple[int, "ScoreReply | APIError"]


@dataclass(frozen=True)
class Trust:
    """Whom a client trusts, and as whom it introduces itself, all in PEM; only with https.

    Attributes:
        root_certificates: those who sign for services; the machine's own if None.
        private_key, certificate: the client's own, where the service asks for one.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = None


class SyncGrpc:
    """A connection to one service."""

    def __init__(self, config: Config, trust: Trust) -> None:
        self._base_url = config.base_url
        self._api_key = config.api_key
        self._channel = _channel(grpc, config, trust)

    def send(self, request: Request, budget: Budget, request_id: str) -> Answer:
        """Send one attempt and return the answer, whatever its status.

        Raises:
            ConnectionFailed: if no answer came.
            TimedOut: if the budget ran out.
        """
        how = _how(self._api_key, budget, request_id)
        try:
            if request.path == "/readyz":
                return _readiness(self._channel.unary_unary(_HEALTH)(b"", **how))
            method = METHODS[request.path]
            if request.content is not None:
                ask = self._channel.stream_unary(f"/{SERVICE}/{method}")
                data, done = ask.with_call(_chunks(request.content), **how)
            else:
                ask = self._channel.unary_unary(f"/{SERVICE}/{method}")
                data, done = ask.with_call(encode(method, request), **how)
            return answer_of(method, data, done.trailing_metadata() or ())
        except grpc.RpcError as error:
            return _failed(error, self._base_url, request_id)

    def score_stream(
        self, calls: Iterable[Call[ScoreReply]], budget: Budget, request_id: str
    ) -> Iterator[Streamed]:
        """Send calls on one stream and yield what comes, with the place of its call."""
        source = _Source(calls)
        stream = self._channel.stream_stream(f"/{SERVICE}/ScoreStream")
        running = stream(iter(source), **_how(self._api_key, budget, request_id))
        try:
            with _stream_errors(self._base_url, request_id):
                for data in running:
                    yield _read_streamed(source, data)
            source.raise_error()
        finally:
            running.cancel()

    def close(self) -> None:
        self._channel.close()


class AsyncGrpc:
    """A connection to one service, for asyncio."""

    def __init__(self, config: Config, trust: Trust) -> None:
        self._base_url = config.base_url
        self._api_key = config.api_key
        self._channel = _channel(grpc.aio, config, trust)

    async def send(self, request: Request, budget: Budget, request_id: str) -> Answer:
        """Send one attempt and return the answer, whatever its status; errors as `SyncGrpc`."""
        how = _how(self._api_key, budget, request_id)
        try:
            if request.path == "/readyz":
                return _readiness(await self._channel.unary_unary(_HEALTH)(b"", **how))
            method = METHODS[request.path]
            if request.content is not None:
                ask = self._channel.stream_unary(f"/{SERVICE}/{method}")
                running = ask(_chunks(request.content), **how)
            else:
                ask = self._channel.unary_unary(f"/{SERVICE}/{method}")
                running = ask(await asyncio.to_thread(encode, method, request), **how)
            return answer_of(method, await running, await running.trailing_metadata() or ())
        except grpc.RpcError as error:
            return _failed(error, self._base_url, request_id)

    async def score_stream(
        self, calls: Iterable[Call[ScoreReply]], budget: Budget, request_id: str
    ) -> AsyncIterator[Streamed]:
        """Send calls on one stream and yield what comes, with the place of its call."""
        source = _Source(calls)
        stream = self._channel.stream_stream(f"/{SERVICE}/ScoreStream")
        running = stream(source.__aiter__(), **_how(self._api_key, budget, request_id))
        try:
            with _stream_errors(self._base_url, request_id):
                async for data in running:
                    yield _read_streamed(source, data)
            source.raise_error()
        finally:
            running.cancel()

    async def aclose(self) -> None:
        await self._channel.close()


class _Source:
    """The calls of a stream as messages, remembering those that wait.

    A call that cannot be made ends the messages, and its error is raised once what was sent before
    it is answered: gRPC itself would only say that something went wrong.
    """

    def __init__(self, calls: Iterable[Call[ScoreReply]]) -> None:
        self._calls = calls
        self.waiting: dict[int, Call[ScoreReply]] = {}
        self._error: Exception | None = None

    def raise_error(self) -> None:
        """Raise what went wrong while the calls were made."""
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        messages = iter(self)
        while (data := await asyncio.to_thread(next, messages, None)) is not None:
            yield data

    def __iter__(self) -> Iterator[bytes]:
        try:
            for index, call in enumerate(self._calls):
                data = encode("Score", call)
                # Its clips need not be kept until the reply comes.
                self.waiting[index] = Call(
                    call.method, call.path, reply=call.reply, num_results=call.num_results
                )
                yield data
        except Exception as error:
            self._error = error


@contextmanager
def _stream_errors(base_url: str, request_id: str) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        reader = Call("POST", "/v1/score", reply=ScoreReply)
        reader.read(_failed(error, base_url, request_id))


def _read_streamed(source: _Source, data: bytes) -> Streamed:
    reply = parse("ScoreStreamReply", data)
    call = source.waiting.pop(reply.index)
    if reply.WhichOneof("outcome") == "error":
        answer = answer_of_error(reply.error)
    else:
        answer = answer_of("Score", reply.response.SerializeToString())
    try:
        return reply.index, call.read(answer)
    except APIError as error:
        return reply.index, error


def _channel(library: Any, config: Config, trust: Trust) -> Any:
    address = urlsplit(config.base_url)
    is_secret = address.scheme == "https"
    host = address.hostname or ""
    target = f"{f'[{host}]' if ':' in host else host}:{address.port or (443 if is_secret else 80)}"
    options = [
        ("grpc.primary_user_agent", f"critic-client/{__version__}"),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_TRAILER_BYTES),
        ("grpc.initial_reconnect_backoff_ms", FIRST_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", FIRST_RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", LAST_RECONNECT_MS),
        # When to try again is decided for all transports in one place.
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0 if config.is_loopback else 1),
    ]
    if not is_secret:
        return library.insecure_channel(target, options=options)
    credentials = grpc.ssl_channel_credentials(
        trust.root_certificates, trust.private_key, trust.certificate
    )
    return library.secure_channel(target, credentials, options=options)


def _how(api_key: str | None, budget: Budget, request_id: str) -> dict[str, Any]:
    metadata = [
        ("x-request-id", request_id),
        ("x-request-deadline-ms", str(budget.server_deadline_ms)),
    ]
    if api_key is not None:
        metadata.append(("authorization", f"Bearer {api_key}"))
    return {"timeout": budget.timeout_s, "metadata": metadata}


def _chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, max(1, len(content)), CHUNK_BYTES):
        yield encode_chunk(content[start : start + CHUNK_BYTES])


def _readiness(reply: bytes) -> Answer:
    return _READY if reply == _SERVING else _NOT_READY


def _failed(error: Any, base_url: str, request_id: str) -> Answer:
    """Return the service's own answer, or say what stood between.

    Raises:
        ConnectionFailed, TimedOut: the service did not answer.
    """
    answer = answer_of_details(error.trailing_metadata() or ())
    if answer is not None:
        return answer
    code, reason = error.code(), error.details() or ""
    kinds: dict[Any, type[CriticClientError]] = {
        grpc.StatusCode.UNAVAILABLE: ConnectionFailed,
        grpc.StatusCode.CANCELLED: ConnectionFailed,
        grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    }
    if code in kinds:
        raise kinds[code](f"no answer: {base_url}: {reason}", request_id=request_id) from error
    status = _STATUS.get(code, 500)
    if "larger than max" in reason:
        status = 413
    body = {"code": f"grpc_{code.name.lower()}", "message": reason, "request_id": request_id}
    return Answer(status, {}, json.dumps(body).encode())
