"""What the service says of itself: its OpenAPI document and its index page."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from critic_service import schemas
from critic_service.body import JSON, MULTIPART, REQUEST_PART, Shorthand
from critic_service.calls import CALLS, Call
from critic_service.intake import FRAMES_MEDIA_TYPE
from critic_service.jobs.schemas import JobSpec

_REF = "#/components/schemas/{model}"
_CLIP = {"type": "string", "format": "binary", "description": "encoded video, or raw frames"}
_FAILURES = {
    400: "The body or a header cannot be parsed",
    401: "The API key is missing or wrong",
    413: "The body or a clip is too large",
    415: "The body is neither JSON nor a form",
    422: "The request is not what the schema asks for, or none of its clips can be judged",
    429: "The queue is full; see Retry-After",
    500: "The service failed",
    503: "The service is starting or stopping, or the engine failed; see Retry-After",
    504: "The deadline passed",
}

_DESCRIPTION = f"""\
Every call takes JSON, with clips as base64, or a form with one part `{REQUEST_PART}` (the same \
JSON) and one part with a file name for each clip. A part of type `{FRAMES_MEDIA_TYPE}` holds raw \
frames, any other one encoded video. Send `X-Request-Id` to name a call, `X-Request-Deadline-Ms` \
to bound it, `X-Request-Priority: batch` to let others go first, and `Idempotency-Key` to send it \
again safely. If at least one item of a call was judged, the others have `null` and a `reason`.\
"""


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the application."""
    document = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    wanted = [(model, "validation") for model in (JobSpec, *(call.request for call in CALLS))]
    _, definitions = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]
    document["components"]["schemas"].update(definitions["$defs"])
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"key": []}]
    return document


def request_body(call: Call) -> dict[str, Any]:
    """Describe the two forms of a call's body."""
    schema = {"$ref": _REF.format(model=call.request.__name__)}
    forms: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {REQUEST_PART: schema},
            "required": [REQUEST_PART],
            "additionalProperties": _CLIP if call.takes_clips else False,
        }
    ]
    if call.shorthand is not None:
        forms.append(_spelled(call.shorthand))
    form = forms[0] if len(forms) == 1 else {"oneOf": forms}
    return {"required": True, "content": {JSON: {"schema": schema}, MULTIPART: {"schema": form}}}


def clip_body() -> dict[str, Any]:
    """Describe the body of a clip that is sent ahead."""
    return {"required": True, "content": {"application/octet-stream": {"schema": _CLIP}}}


def error_responses() -> dict[int | str, dict[str, Any]]:
    """Describe the answers of a call that was not done."""
    return {
        status: {"model": schemas.ErrorResponse, "description": description}
        for status, description in _FAILURES.items()
    }


def index_page() -> str:
    """Return a page that names the calls; it loads nothing from anywhere."""
    rows = "".join(
        f"<li><code>POST /v1/{escape(call.name)}</code> {escape(call.summary)}</li>"
        for call in CALLS
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>critic-service</title>'
        f"<h1>critic-service</h1><p>{escape(_DESCRIPTION)}</p><ul>{rows}"
        "<li><code>PUT /v1/clips</code> Keep a clip, to name it later by its content</li>"
        "<li><code>POST /v1/jobs</code> Have many items judged in the background</li>"
        '<li><a href="ui">GET /ui</a> a page to try it with</li>'
        '<li><a href="v1/info">GET /v1/info</a> critics, criteria, limits, fingerprint</li>'
        '<li><a href="openapi.json">GET /openapi.json</a> every schema</li>'
        '<li><a href="metrics">GET /metrics</a> for Prometheus</li>'
        '<li><a href="readyz">GET /readyz</a>, <a href="livez">GET /livez</a></li></ul></html>'
    )


def _spelled(shorthand: Shorthand) -> dict[str, Any]:
    clips = dict.fromkeys(shorthand.clips, _CLIP)
    texts = {name: {"type": "string"} for name in (*shorthand.texts, *shorthand.lists)}
    return {
        "type": "object",
        "properties": {**clips, **texts},
        "required": list(shorthand.clips),
        "additionalProperties": False,
    }
