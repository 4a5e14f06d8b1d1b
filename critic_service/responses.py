"""HTTP answers: a schema as JSON, or an error in its envelope."""

from __future__ import annotations

from collections.abc import Mapping

from critic_models.errors import CriticError
from starlette.responses import Response

from critic_service.errors import envelope_of, headers_of, status_of
from critic_service.schemas import Wire

JSON = "application/json"


def answer(body: Wire, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a call that was done."""
    return Response(body.model_dump_json(), 200, headers=headers, media_type=JSON)


def failure(error: CriticError, request_id: str) -> Response:
    """Answer a call that was not done."""
    envelope = envelope_of(error, request_id)
    return Response(
        envelope.model_dump_json(), status_of(error), headers=headers_of(error), media_type=JSON
    )
