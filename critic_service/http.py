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
from critic_service.documentation import (
    clip_body,
    error_responses,
    index_page,
    openapi_of,
    request_body,
)
from critic_service.door import Door
from critic_service.errors import (
    ClientGone,
    Internal,
    MethodNotAllowed,
    NotFound,
)
from critic_service.guard import Arrival
from critic_service.headers import priority_of, timeout_of
from critic_service.idempotency import REPLAYED, Answers, Name, digest_of, key_of
from critic_service.jobs.routes import add_jobs
from critic_service.metrics import CONTENT_TYPE
from critic_service.page import add_page
from critic_service.responses import JSON, answer, failure
from critic_service.version import VERSION

logger = logging.getLogger(__name__)

T = TypeVar("T")


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
    answers = Answers()
    for call in CALLS:
        app.add_api_route(
            f"/v1/{call.name}",
            _endpoint(door, call, answers),
            methods=["POST"],
            name=call.name,
            summary=call.summary,
            response_model=call.response,
            responses=error_responses(),
            openapi_extra={"requestBody": request_body(call)},
        )

    app.add_api_route(
        "/v1/clips",
        _keep_clip(door),
        methods=["PUT"],
        name="clips",
        summary="Keep a clip for a while, so that later requests can name it by its content",
        response_model=schemas.ClipResponse,
        responses=error_responses(),
        openapi_extra={"requestBody": clip_body()},
    )
    add_jobs(app, door)
    add_page(app)
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


def _endpoint(
    door: Door, call: Call, answers: Answers | None = None
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        core = door.core
        context = _context(request, door.settings.request_timeout_s)
        try:
            async with (
                within(context.deadline_s),
                read_body(request, call.request, call.shorthand) as body,
            ):

                async def work() -> bytes:
                    response = await call.work(core, body.request, body.parts, context)
                    return response.model_dump_json().encode()

                key = None if answers is None else key_of(request.headers)
                if answers is None or key is None:
                    content, is_replayed = await _unless_gone(request, work()), False
                else:
                    digest = await asyncio.to_thread(digest_of, body.request, body.parts)
                    name = Name(_arrival(request).caller, call.name, key)
                    once = answers.once(name, digest, work)
                    content, is_replayed = await _unless_gone(request, once)
        except ClientDisconnect:
            raise ClientGone("the client closed its connection") from None
        headers = {"Server-Timing": context.timings.header()}
        if is_replayed:
            headers[REPLAYED] = "true"
        return Response(content, headers=headers, media_type=JSON)

    return endpoint


def _keep_clip(door: Door) -> Callable[[Request], Awaitable[Response]]:
    async def keep_clip(request: Request) -> Response:
        core = door.core
        context = _context(request, door.settings.request_timeout_s)
        clip = bytearray()
        try:
            async with within(context.deadline_s):
                async for chunk in request.stream():
                    core.clips.check(len(clip) + len(chunk))
                    clip += chunk
                return answer(await core.clips.keep(bytes(clip), context))
        except ClientDisconnect:
            raise ClientGone("the client closed its connection") from None

    return keep_clip


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
    timeout_s = timeout_of(request.headers, request_timeout_s)
    return CallContext(arrival.request_id, arrival.at_s + timeout_s, priority_of(request.headers))


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
