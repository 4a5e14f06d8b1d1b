"""The HTTP application: the calls that judge, one that describes, and what operators look at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from critic_models.errors import CriticError
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response

from critic_service import schemas
from critic_service.body import read_body
from critic_service.call import CallContext
from critic_service.calls import CALLS, Call
from critic_service.compat import doors, unirl
from critic_service.deadline import within
from critic_service.documentation import error_responses, index_page, openapi_of, request_body
from critic_service.door import Door
from critic_service.errors import (
    ClientGone,
    Internal,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
)
from critic_service.guard import Arrival
from critic_service.metrics import CONTENT_TYPE
from critic_service.packing import Priority
from critic_service.responses import answer, failure
from critic_service.version import VERSION

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_DEADLINE_DIGITS = 9


def create_app(door: Door) -> FastAPI:
    """Build the application that answers behind the guard.

    Args:
        door: gives the core once it is loaded.
    """
    app = FastAPI(
        title="critic-service",
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    for call in CALLS:
        app.add_api_route(
            f"/v1/{call.name}",
            _endpoint(door, call),
            methods=["POST"],
            name=call.name,
            summary=call.summary,
            response_model=call.response,
            responses=error_responses(),
            openapi_extra={"requestBody": request_body(call)},
        )

    if door.settings.compat:
        _add_compat(app, door)

    @app.get("/v1/info", response_model=schemas.InfoResponse, summary="Describe this service")
    async def info() -> Response:
        return answer(door.core.info())

    @app.get("/livez", summary="Whether this process should go on", response_model=None)
    async def livez() -> Response:
        return _probe(await door.why_not_alive())

    @app.get("/readyz", summary="Whether a clip could be scored now", response_model=None)
    async def readyz() -> Response:
        return _probe(await door.why_not_ready())

    @app.get("/metrics", summary="Prometheus metrics", response_model=None)
    async def metrics() -> Response:
        return Response(door.metrics.exposition(), media_type=CONTENT_TYPE)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return JSONResponse(openapi_of(app))

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return HTMLResponse(index_page(), headers={"Content-Security-Policy": "default-src 'none'"})

    def on_error(request: Request, error: Exception) -> Response:
        found = _as_critic_error(request, error)
        arrival = _arrival(request)
        door.metrics.on_failure("call", found.code)
        return failure(found, arrival.request_id)

    for kind in (CriticError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)
    return app


def _add_compat(app: FastAPI, door: Door) -> None:
    """Open the doors of other protocols."""
    for path, call in doors.CALLS.items():
        app.add_api_route(
            path,
            _endpoint(door, call),
            methods=["POST"],
            name=f"compat_{call.name}",
            summary=call.summary,
            include_in_schema=False,
        )

    @app.get("/rewards", include_in_schema=False)
    async def rewards() -> Response:
        return answer(unirl.rewards(door.core))

    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        return answer(unirl.health(door.core))


def _endpoint(door: Door, call: Call) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        core = door.core
        context = _context(request, door.settings.request_timeout_s)
        try:
            async with (
                within(context.deadline_s),
                read_body(request, call.request, call.shorthand) as body,
            ):
                work = call.work(core, body.request, body.parts, context)
                response = await _unless_gone(request, work)
        except ClientDisconnect:
            raise ClientGone("the client closed its connection") from None
        return answer(response, {"Server-Timing": context.timings.header()})

    return endpoint


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Do the work while the client is there, and stop it when it is not."""
    doing = asyncio.ensure_future(work)
    watching = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        watching.cancel()
        doing.cancel()
        # The parts of the body are closed next: nobody may still read them.
        await asyncio.gather(doing, watching, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _context(request: Request, request_timeout_s: float) -> CallContext:
    arrival = _arrival(request)
    timeout_s = request_timeout_s
    asked = request.headers.get("x-request-deadline-ms")
    if asked is not None:
        if not (asked.isascii() and asked.isdigit() and len(asked) <= MAX_DEADLINE_DIGITS):
            raise MalformedRequest("X-Request-Deadline-Ms must be a whole number of milliseconds")
        timeout_s = min(timeout_s, int(asked) / 1000)
    return CallContext(arrival.request_id, arrival.at_s + timeout_s, _priority(request))


def _priority(request: Request) -> Priority:
    match request.headers.get("x-request-priority", "online"):
        case "online":
            return "online"
        case "batch":
            return "batch"
        case other:
            raise MalformedRequest(
                f"X-Request-Priority must be online or batch, not {other[:40]!r}"
            )


def _arrival(request: Request) -> Arrival:
    return request.scope["arrival"]


def _as_critic_error(request: Request, error: Exception) -> CriticError:
    if isinstance(error, CriticError):
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFound(f"there is no {request.url.path}; the calls are at /openapi.json")
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowed(f"{request.url.path} does not take {request.method}")
    return Internal()


def _probe(reason: str | None) -> Response:
    if reason is None:
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": "unavailable", "reason": reason}, 503)
