"""What can go wrong at the door, and the one table from an error to its HTTP status.

CriticError                     the base in `critic_models.errors`
└── ServiceError                raised by the service itself
    ├── MalformedRequest        400: the body is not JSON or multipart, or breaks its framing
    ├── Unauthenticated         401
    ├── NotFound                404
    ├── MethodNotAllowed        405
    ├── BodyTooLarge            413
    ├── UnsupportedMediaType    415
    ├── InvalidRequest          422: well-formed, but not what the schema asks for
    ├── IdempotencyConflict     422: an Idempotency-Key that was used for something else
    ├── ClipUnknown             422: a clip is named that was not sent ahead, or not kept so long
    ├── Unavailable             again later may help; has `retry_after_s`
    │   ├── Overloaded          429
    │   ├── NotReady            503
    │   └── Draining            503
    ├── DecodeCrashed           422: the decoder of this clip died; it would again
    ├── DecodeKilled            503: the decoder of this clip was ended from outside
    ├── DecodeTimeout           504: the decoder of this clip hung and was ended
    ├── ClientGone              499: nobody is left to read the answer
    ├── DeadlineExceeded        504
    └── Internal                500: a fault of this service; the caller learns nothing more
"""

from __future__ import annotations

import math
from typing import Any

from critic_models import errors as critic

from critic_service import schemas


class ServiceError(critic.CriticError):
    """Base of the errors that the service raises on its own account."""

    code = "service_error"


class MalformedRequest(ServiceError):
    """The body cannot be parsed at all."""

    code = "malformed_request"


class Unauthenticated(ServiceError):
    """The API key is missing or wrong."""

    code = "unauthenticated"


class NotFound(ServiceError):
    """There is no such call."""

    code = "not_found"


class MethodNotAllowed(ServiceError):
    """The call exists, under another method."""

    code = "method_not_allowed"


class BodyTooLarge(ServiceError):
    """The body, or one of its parts, is longer than its limit."""

    code = "body_too_large"


class UnsupportedMediaType(ServiceError):
    """The content type of the body is not one that the call reads."""

    code = "unsupported_media_type"


class InvalidRequest(ServiceError):
    """The body was parsed, but does not have the form that the schema asks for."""

    code = "invalid_request"


class IdempotencyConflict(ServiceError):
    """An Idempotency-Key was used before, for another request."""

    code = "idempotency_conflict"


class ClipUnknown(ServiceError):
    """A clip is named by its id, and is not kept here; sent again it can be judged."""

    code = "clip_unknown"


class Unavailable(ServiceError):
    """The service cannot take the call now.

    Attributes:
        retry_after_s: when to come back; at least one second.
    """

    code = "unavailable"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 1.0, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_s = max(1, math.ceil(retry_after_s))


class Overloaded(Unavailable):
    """A bounded queue is full; nothing was done for this call."""

    code = "overloaded"


class NotReady(Unavailable):
    """The critic is still being loaded, or failed to load."""

    code = "not_ready"


class Draining(Unavailable):
    """The process is about to stop and takes no new work."""

    code = "draining"


class DecodeCrashed(ServiceError):
    """A clip made its decoder crash, or go beyond its memory; the same clip would do it again."""

    code = "decode_crashed"


class DecodeKilled(ServiceError):
    """The process that decoded a clip was ended by something else than the clip."""

    code = "decode_killed"
    retryable = True


class DecodeTimeout(ServiceError):
    """A clip's decoder hung and was ended; on a machine that is less busy it may be in time."""

    code = "decode_timeout"
    retryable = True


class ClientGone(ServiceError):
    """The client closed its connection before the answer was there."""

    code = "client_gone"


class DeadlineExceeded(ServiceError):
    """The call's deadline passed before its answer was there."""

    code = "deadline_exceeded"
    retryable = True


class Internal(ServiceError):
    """A fault of this service; its log has the details under the request id."""

    code = "internal"

    def __init__(
        self,
        message: str = "the service failed; its log has the details under the request id",
        **details: Any,
    ) -> None:
        super().__init__(message, **details)


STATUS: dict[type[critic.CriticError], int] = {
    critic.CriticError: 500,
    critic.InputError: 422,
    critic.ClipError: 422,
    critic.ClipUnreadable: 422,
    critic.ClipEmpty: 422,
    critic.ClipTooLarge: 413,
    critic.PromptError: 422,
    critic.UnknownName: 422,
    critic.NotAnswered: 500,
    critic.CheckpointError: 500,
    critic.EngineError: 503,
    critic.OutOfMemory: 413,
    ServiceError: 500,
    MalformedRequest: 400,
    Unauthenticated: 401,
    NotFound: 404,
    MethodNotAllowed: 405,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    InvalidRequest: 422,
    IdempotencyConflict: 422,
    ClipUnknown: 422,
    Unavailable: 503,
    Overloaded: 429,
    NotReady: 503,
    Draining: 503,
    DecodeCrashed: 422,
    DecodeKilled: 503,
    DecodeTimeout: 504,
    ClientGone: 499,
    DeadlineExceeded: 504,
    Internal: 500,
}


def status_of(error: critic.CriticError) -> int:
    """Return the HTTP status of an error: its class's row, else that of its nearest base.

    An engine's error that is not worth a retry, and has no row of its own, is a plain 500.
    """
    kind = next(kind for kind in type(error).__mro__ if kind in STATUS)
    if kind is critic.EngineError and not error.retryable:
        return 500
    return STATUS[kind]


def as_critic_error(error: BaseException) -> critic.CriticError:
    """Return the error itself where it is one of ours, else `Internal`, which tells nothing."""
    if isinstance(error, critic.CriticError):
        return error
    return Internal()


def headers_of(error: critic.CriticError) -> dict[str, str]:
    """Return the headers that belong to an error's response."""
    if isinstance(error, Unavailable):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return {}


def reason_of(error: BaseException) -> schemas.Reason:
    """Return the wire form of why one item has no number."""
    error = as_critic_error(error)
    return schemas.Reason(code=error.code, message=error.message, details=plain(error.details))


def envelope_of(error: critic.CriticError, request_id: str) -> schemas.ErrorResponse:
    """Return the wire form of a call's failure."""
    return schemas.ErrorResponse(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        request_id=request_id,
        details=plain(error.details),
    )


def plain(value: Any) -> Any:
    """Return a JSON value: names become strings, non-finite numbers and strange objects text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return str(value)
