"""From an error to what gRPC says of it: a code, a sentence and details.

The details are a `google.rpc.Status` under `grpc-status-details-bin`, where the libraries of all
languages look for them. It holds a `critic.v1.ErrorResponse`, which equals the envelope over HTTP,
and a `google.rpc.RetryInfo` where the caller is to come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from critic_models.errors import CriticError
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from critic_service.errors import Unavailable, envelope_of, status_of
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc.translate import fill

DETAILS = "grpc-status-details-bin"
# Clients refuse trailers of more than 8 KiB unless told otherwise, and base64 adds a third.
MAX_DETAILS_BYTES = 5 * 1024
MAX_MESSAGE_CHARACTERS = 1_000

CODES: dict[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""By the HTTP status of the same error; a test holds that every error has one."""


@dataclass(frozen=True)
class Refusal:
    """How a call ends that was not done."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, bytes], ...]


def refusal_of(error: CriticError, request_id: str) -> Refusal:
    """Say an error in gRPC's words."""
    response = _shortened(error_response(error, request_id))
    code = CODES[response.status]
    status = Status(code=code.value[0], message=response.message)
    status.details.add().Pack(response)
    if response.HasField("retry_after_s"):
        delay = Duration(seconds=int(response.retry_after_s))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return Refusal(code, response.message, ((DETAILS, status.SerializeToString()),))


def error_response(error: CriticError, request_id: str) -> pb.ErrorResponse:
    """Return an error's envelope, with the status that it has over HTTP."""
    response = fill(pb.ErrorResponse(status=status_of(error)), envelope_of(error, request_id))
    if isinstance(error, Unavailable):
        response.retry_after_s = error.retry_after_s
    return response


def _shortened(response: pb.ErrorResponse) -> pb.ErrorResponse:
    """Cut what does not fit into a trailer: long lists of details first, then all details."""
    response.message = response.message[:MAX_MESSAGE_CHARACTERS]
    while response.ByteSize() > MAX_DETAILS_BYTES and _halve_lists(response.details):
        response.details["shortened"] = True
    if response.ByteSize() > MAX_DETAILS_BYTES:
        response.details.Clear()
        response.details["shortened"] = True
    return response


def _halve_lists(details: Any) -> bool:
    halved = False
    for value in details.fields.values():
        values = value.list_value.values
        if len(values) > 1:
            del values[len(values) // 2 :]
            halved = True
    return halved
