"""What callers say beside a request, in HTTP headers or in gRPC's metadata of the same names."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from critic_service.errors import MalformedRequest
from critic_service.packing import Priority

MAX_DEADLINE_DIGITS = 9
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the caller's own id of the request where it is a plain one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def timeout_of(headers: Mapping[str, str], longest_s: float) -> float:
    """Return how many seconds the call may take: what the caller says, at most `longest_s`.

    Raises:
        MalformedRequest: it is not a whole number of milliseconds.
    """
    asked = headers.get("x-request-deadline-ms")
    if asked is None:
        return longest_s
    if not (asked.isascii() and asked.isdigit() and len(asked) <= MAX_DEADLINE_DIGITS):
        raise MalformedRequest("X-Request-Deadline-Ms must be a whole number of milliseconds")
    return min(longest_s, int(asked) / 1000)


def priority_of(headers: Mapping[str, str]) -> Priority:
    """Return who goes first.

    Raises:
        MalformedRequest: it is neither `online` nor `batch`.
    """
    match headers.get("x-request-priority", "online"):
        case "online":
            return "online"
        case "batch":
            return "batch"
        case other:
            raise MalformedRequest(
                f"X-Request-Priority must be online or batch, not {other[:40]!r}"
            )
