"""The outermost layer: what holds for every request, whatever it asks and whoever sent it.

Request ids, the API key, bounds on bodies, counting, the access log, and an answer even where
everything behind it fails. Labels of metrics come from a fixed list of calls.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass

from critic_models.errors import CriticError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from critic_service.door import Door
from critic_service.errors import (
    Internal,
    MalformedRequest,
    UnsupportedMediaType,
)
from critic_service.headers import request_id_of
from critic_service.keys import CALLER
from critic_service.logs import REQUEST_ID
from critic_service.page import PAGE, PATHS
from critic_service.responses import failure

access = logging.getLogger("critic_service.access")
logger = logging.getLogger(__name__)

CALLS = {
    "/v1/score": "score",
    "/v1/compare": "compare",
    "/v1/rank": "rank",
    "/v1/dimensions": "dimensions",
    "/v1/prompts/score": "prompts_score",
    "/v1/clips": "clips",
    "/v1/jobs": "jobs",
    "/v1/info": "info",
    "/score": "compat_score",
    "/get_reward": "compat_get_reward",
    "/rewards": "compat_rewards",
    "/health": "compat_health",
    "/livez": "livez",
    "/readyz": "readyz",
    "/metrics": "metrics",
    "/openapi.json": "openapi",
    "/": "index",
    **dict.fromkeys((*PATHS, f"{PAGE}/"), "ui"),
}
JOB_CALLS = (
    (re.compile(r"/v1/jobs/[^/]+"), "job"),
    (re.compile(r"/v1/jobs/[^/]+/results"), "job_results"),
    (re.compile(r"/v1/jobs/[^/]+/retry"), "job_retry"),
)
OTHER = "other"
PROBES = frozenset({"livez", "readyz"})
WITHOUT_KEY = PROBES | {"ui"}
WORK = frozenset(
    {
        *("score", "compare", "rank", "dimensions", "prompts_score", "clips", "jobs"),
        *("compat_score", "compat_get_reward"),
    }
)

CLIENT_CLOSED = 499


@dataclass
class Arrival:
    """What the guard knows of a request; it travels as `scope["arrival"]`.

    Attributes:
        request_id: the caller's, where it is a plain one, else a new one.
        call: one of `CALLS` or `JOB_CALLS`, or `other`.
        at_s: in the event loop's time.
        held_bytes: of the body so far.
        is_read: whether the body was read to its end.
        status: of the answer, once it has begun.
        caller: the name of the key that it came with.
    """

    request_id: str
    call: str
    at_s: float
    held_bytes: int = 0
    is_read: bool = False
    status: int | None = None
    caller: str = ""


class Guard:
    """Wrap the application.

    Args:
        app: answers HTTP requests.
        lifespan: is told of start-up and shutdown.
        door: its settings and metrics.
    """

    def __init__(self, app: ASGIApp, lifespan: ASGIApp, door: Door) -> None:
        self._app = app
        self._lifespan = lifespan
        self._door = door
        self._held = door.held_bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        headers = Headers(scope=scope)
        arrival = Arrival(
            request_id=request_id_of(headers),
            call=_call_of(scope["path"]),
            at_s=loop.time(),
            is_read=not _has_body(headers),
        )
        scope["arrival"] = arrival
        REQUEST_ID.set(arrival.request_id)

        async def receive_within_bounds() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                arrival.is_read = not message.get("more_body", False)
                self._hold(arrival, len(message.get("body", b"")))
            return message

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                arrival.status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-Id"] = arrival.request_id
                if not arrival.is_read:
                    # The rest of the body would be taken for the next request.
                    out["Connection"] = "close"
            await send(message)

        try:
            self._admit(arrival, headers)
            await self._app(scope, receive_within_bounds, send_with_id)
        except CriticError as error:
            await self._refuse(error, arrival, scope, receive, send_with_id)
        except Exception:
            logger.exception("%s failed in an unexpected way", arrival.call)
            await self._refuse(Internal(), arrival, scope, receive, send_with_id)
        finally:
            self._held.give_back(arrival.held_bytes)
            self._count(arrival, loop.time() - arrival.at_s)

    def _admit(self, arrival: Arrival, headers: Headers) -> None:
        """Refuse what can be refused before a byte of the body is read."""
        if arrival.call in WITHOUT_KEY:
            return
        caller = self._door.keys.admit(headers)
        arrival.caller = caller.name
        CALLER.set(caller)
        if "pickle" in headers.get("content-type", "").lower():
            raise UnsupportedMediaType("pickle is never read")
        length = headers.get("content-length")
        if length is not None:
            if not re.fullmatch(r"[0-9]{1,18}", length):
                raise MalformedRequest("the Content-Length is not a number of bytes")
            self._held.check_one(int(length))

    def _hold(self, arrival: Arrival, num_bytes: int) -> None:
        self._held.check_one(arrival.held_bytes + num_bytes)
        self._held.take(num_bytes)
        arrival.held_bytes += num_bytes

    async def _refuse(
        self, error: CriticError, arrival: Arrival, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if arrival.status is None:
            self._door.metrics.on_failure("call", error.code)
            await failure(error, arrival.request_id)(scope, receive, send)

    def _count(self, arrival: Arrival, seconds: float) -> None:
        status = CLIENT_CLOSED if arrival.status is None else arrival.status
        self._door.metrics.on_request(arrival.call, status, seconds)
        if arrival.call in WORK or (status >= 400 and arrival.call not in PROBES):
            access.info(
                "%s %d",
                arrival.call,
                status,
                extra={
                    "seconds": round(seconds, 4),
                    "body_bytes": arrival.held_bytes,
                    "caller": arrival.caller,
                },
            )


def _call_of(path: str) -> str:
    named = (call for pattern, call in JOB_CALLS if pattern.fullmatch(path))
    return CALLS.get(path) or next(named, OTHER)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
