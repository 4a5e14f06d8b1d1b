"""What can go wrong with a call, as one tree.

    CriticClientError                base; catch this to catch everything below
    ├── ConnectionFailed             no connection, or it broke before an answer came
    ├── TimedOut                     no answer within the call's deadline
    ├── ProtocolError                an answer came that is not the service's schema
    └── APIError                     the service answered with an error
        ├── BadRequest               400
        ├── Unauthorized             401
        ├── PayloadTooLarge          413
        ├── UnsupportedMedia         415
        ├── Unprocessable            422: a clip, a prompt or a name that cannot be used
        ├── Overloaded               429
        └── ServerError              5xx
            ├── Unavailable          503: not ready yet, or no replica behind a proxy
            │   └── Draining         503 of a service that is shutting down
            └── DeadlineExceeded     504

Arguments that cannot be sent at all (an array without a frame rate, a missing file, prompts that do
not match the clips) are mistakes in the calling program: they raise ValueError, TypeError or
OSError before anything travels, and are outside the tree. What can go wrong only in a training loop
is in `_training_errors`, under the same base.
"""

from __future__ import annotations

from typing import Any


class CriticClientError(Exception):
    """Base of everything that a call can raise once it has been sent.

    Attributes:
        request_id: the id under which the service logged the call; None where none was sent.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id


class ConnectionFailed(CriticClientError):
    """The service could not be reached, or the connection broke before it answered."""


class TimedOut(CriticClientError):
    """No answer came within the deadline of the call."""


class ProtocolError(CriticClientError):
    """The answer is not what this service sends: another program, a proxy, or another version."""


class APIError(CriticClientError):
    """The service answered with an error.

    Attributes:
        status: HTTP status.
        code: the service's stable name of the fault; `http_<status>` where the answer is not the
            service's own, such as a proxy's page.
        message: one sentence on what was wrong and what is allowed.
        retryable: whether the same call may succeed later.
        request_id: the id under which the service logged the call.
        details: facts for a machine, such as the limit that was exceeded.
        retry_after_s: how long the service asked to wait; None where it did not say.
        body: the answer as parsed JSON; its first characters where it was not JSON.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        retryable: bool,
        request_id: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after_s: float | None = None,
        body: Any = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.status = status
        self.code = code
        self.retryable = retryable
        self.details = details or {}
        self.retry_after_s = retry_after_s
        self.body = body

    def __str__(self) -> str:
        where = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.code}: {self.message}{where}"


class BadRequest(APIError):
    """400: the request is not well-formed."""


class Unauthorized(APIError):
    """401: the API key is missing or wrong."""


class PayloadTooLarge(APIError):
    """413: a clip or the whole body exceeds a limit, which `details` names."""


class UnsupportedMedia(APIError):
    """415: the service does not read this content type."""


class Unprocessable(APIError):
    """422: well-formed, but no clip of it can be judged."""


class Overloaded(APIError):
    """429: the queue is full; `retry_after_s` says when to come back."""


class ServerError(APIError):
    """5xx: the fault is the service's."""


class Unavailable(ServerError):
    """503: nobody can take the call now."""


class Draining(Unavailable):
    """503: the service is shutting down and takes no new calls."""


class DeadlineExceeded(ServerError):
    """504: the service could not finish before the deadline that the call carried."""


_CLASS_OF_STATUS: dict[int, type[APIError]] = {
    400: BadRequest,
    401: Unauthorized,
    413: PayloadTooLarge,
    415: UnsupportedMedia,
    422: Unprocessable,
    429: Overloaded,
    503: Unavailable,
    504: DeadlineExceeded,
}


def class_of(status: int, code: str) -> type[APIError]:
    """Choose the class of an error answer by its status, then by its code."""
    if status == 503 and code == "draining":
        return Draining
    return _CLASS_OF_STATUS.get(status, ServerError if status >= 500 else APIError)
