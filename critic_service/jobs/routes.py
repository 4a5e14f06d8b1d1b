"""Jobs over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from critic_service.deadline import within
from critic_service.documentation import error_responses
from critic_service.door import Door
from critic_service.errors import ClientGone, InvalidRequest, UnsupportedMediaType
from critic_service.guard import Arrival
from critic_service.idempotency import key_of
from critic_service.jobs.intake import MEDIA_TYPES, lines_of
from critic_service.jobs.schemas import Job, JobLine, JobResponse, JobsResponse
from critic_service.responses import answer

NDJSON = MEDIA_TYPES[0]
MAX_OFFSET_DIGITS = 15
_SPARE_LINE_BYTES = 2**20
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {
                "schema": {
                    "type": "string",
                    "description": "JSON lines: a JobSpec, then an item in each line",
                }
            }
        },
    }
}
_RESULTS: dict[str, Any] = {
    "parameters": [
        {
            "name": "offset",
            "in": "query",
            "schema": {"type": "integer", "minimum": 0, "default": 0},
            "description": "number of the first line",
        },
        {
            "name": "follow",
            "in": "query",
            "schema": {"type": "boolean", "default": False},
            "description": "wait for lines that are still to come",
        },
    ]
}


def add_jobs(app: FastAPI, door: Door) -> None:
    """Add the routes; where jobs are off each of them answers so."""
    more: dict[str, Any] = {"responses": error_responses()}

    @app.post(
        "/v1/jobs",
        status_code=201,
        response_model=JobResponse,
        summary="Have many items judged in the background",
        openapi_extra=_BODY,
        **more,
    )
    async def submit_job(request: Request) -> Response:
        jobs, settings = door.jobs_for_new_work, door.settings
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in MEDIA_TYPES:
            raise UnsupportedMediaType(f"a job is JSON lines, {NDJSON}", allowed=list(MEDIA_TYPES))
        arrival = _arrival(request)
        # Base64 takes four bytes for three.
        max_line_bytes = 2 * (settings.clip.max_bytes * 4 // 3) + _SPARE_LINE_BYTES
        lines = lines_of(request.stream(), max_line_bytes)
        try:
            async with within(arrival.at_s + settings.request_timeout_s):
                job, is_new = await jobs.submit(arrival.caller, lines, key_of(request.headers))
        except ClientDisconnect:
            raise ClientGone("the client closed its connection") from None
        return _told(request, job, 201 if is_new else 200)

    @app.get("/v1/jobs", response_model=JobsResponse, summary="List the caller's jobs", **more)
    async def list_jobs(request: Request) -> Response:
        arrival = _arrival(request)
        found = await door.jobs.jobs(arrival.caller)
        return answer(JobsResponse(request_id=arrival.request_id, jobs=found))

    @app.get("/v1/jobs/{job}", response_model=JobResponse, summary="Say how far a job is", **more)
    async def get_job(request: Request, job: str) -> Response:
        return _told(request, await door.jobs.job(_arrival(request).caller, job))

    @app.get(
        "/v1/jobs/{job}/results",
        summary="Stream a job's results as JSON lines",
        response_class=StreamingResponse,
        openapi_extra=_RESULTS,
        responses={
            **error_responses(),
            200: {"model": JobLine, "description": "one JobLine in each line"},
        },
    )
    async def get_results(request: Request, job: str) -> Response:
        jobs, caller = door.jobs, _arrival(request).caller
        offset, follow = _offset(request), _follow(request)
        await jobs.job(caller, job)  # whose it is, and that it is there, before the answer begins

        async def lines() -> AsyncIterator[str]:
            async for line in jobs.results(caller, job, offset, follow):
                yield line.model_dump_json() + "\n"

        return StreamingResponse(lines(), media_type=NDJSON)

    @app.delete(
        "/v1/jobs/{job}",
        response_model=JobResponse,
        summary="Cancel a job; what it has is kept",
        **more,
    )
    async def cancel_job(request: Request, job: str) -> Response:
        return _told(request, await door.jobs.cancel(_arrival(request).caller, job))

    @app.post(
        "/v1/jobs/{job}/retry",
        response_model=JobResponse,
        summary="Try the failed items of a job again",
        **more,
    )
    async def retry_job(request: Request, job: str) -> Response:
        jobs = door.jobs_for_new_work
        return _told(request, await jobs.retry(_arrival(request).caller, job))


def _told(request: Request, job: Job, status: int = 200) -> Response:
    response = answer(JobResponse(request_id=_arrival(request).request_id, job=job))
    response.status_code = status
    return response


def _arrival(request: Request) -> Arrival:
    return request.scope["arrival"]


def _offset(request: Request) -> int:
    text = request.query_params.get("offset", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_OFFSET_DIGITS):
        raise InvalidRequest("offset must be a whole number, 0 or more")
    return int(text)


def _follow(request: Request) -> bool:
    text = request.query_params.get("follow", "false")
    if text not in ("true", "false"):
        raise InvalidRequest("follow must be true or false")
    return text == "true"
