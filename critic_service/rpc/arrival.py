"""What holds for every call over gRPC: key, request id, deadline, counting, a refusal in form.

Metadata has the names and the meanings of the HTTP headers, in lower case.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from critic_models.errors import CriticError

from critic_service.call import CallContext
from critic_service.door import Door
from critic_service.errors import ClientGone, DeadlineExceeded, as_critic_error, status_of
from critic_service.guard import access
from critic_service.headers import priority_of, request_id_of, timeout_of
from critic_service.held_bytes import HeldBytes
from critic_service.keys import CALLER
from critic_service.logs import REQUEST_ID
from critic_service.rpc.status import refusal_of

logger = logging.getLogger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
OK = 200


@dataclass
class Arrival:
    """One call.

    Attributes:
        call: its name in metrics and logs.
        headers: its metadata that is text.
        request_id: the caller's, where it is a plain one, else a new one.
        at_s: in the event loop's time.
        ends_at_s: when its caller gives up, in the event loop's time; None where that is open.
        held_bytes: of its messages so far.
    """

    call: str
    headers: Mapping[str, str]
    request_id: str
    at_s: float
    ends_at_s: float | None
    held_bytes: int = 0

    @classmethod
    def of(cls, call: str, context: Context) -> Arrival:
        """Look at a call that has just come."""
        now_s = asyncio.get_running_loop().time()
        headers = headers_of(context.invocation_metadata() or ())
        remaining_s = context.time_remaining()
        ends_at_s = None if remaining_s is None else now_s + remaining_s
        return cls(call, headers, request_id_of(headers), now_s, ends_at_s)

    def context(self, request_timeout_s: float) -> CallContext:
        """Return what the use cases must know of work that begins now.

        Raises:
            MalformedRequest: the metadata has a deadline or a priority that is none.
        """
        timeout_s = timeout_of(self.headers, request_timeout_s)
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        if self.ends_at_s is not None:
            deadline_s = min(deadline_s, self.ends_at_s)
        return CallContext(self.request_id, deadline_s, priority_of(self.headers))

    @contextmanager
    def holding(self, bodies: HeldBytes) -> Iterator[Callable[[int], None]]:
        """Count bytes that come in, until the work on them is over.

        Raises:
            BodyTooLarge, Overloaded: from the function that counts.
        """
        held = 0

        def hold(num_bytes: int) -> None:
            nonlocal held
            bodies.check_one(held + num_bytes)
            bodies.take(num_bytes)
            held += num_bytes
            self.held_bytes += num_bytes

        try:
            yield hold
        finally:
            bodies.give_back(held)


def headers_of(metadata: Any) -> dict[str, str]:
    """Return the metadata that is text; of a name that is there twice, the first."""
    found: dict[str, str] = {}
    for name, value in metadata:
        if isinstance(value, str):
            found.setdefault(name.lower(), value)
    return found


async def answer(
    door: Door, call: str, context: Context, work: Callable[[Arrival], Awaitable[Any]]
) -> Any:
    """Do a call's work; count it, and refuse it in form where it fails."""
    arrival = Arrival.of(call, context)
    REQUEST_ID.set(arrival.request_id)
    await context.send_initial_metadata((("x-request-id", arrival.request_id),))
    status = OK
    try:
        return await work(arrival)
    except asyncio.CancelledError:
        status = status_of(_why_cancelled(arrival))
        raise
    except Exception as error:
        found = as_critic_error(error)
        if found is not error:
            logger.exception("%s failed in an unexpected way", call)
        status = status_of(found)
    finally:
        _count(door, arrival, status)
    return await refuse(door, context, found, arrival.request_id)


async def refuse(door: Door, context: Context, error: CriticError, request_id: str) -> Any:
    """End a call with an error. It raises, always."""
    door.metrics.on_failure("call", error.code)
    refusal = refusal_of(error, request_id)
    await context.abort(refusal.code, refusal.message, refusal.trailers)


def _why_cancelled(arrival: Arrival) -> CriticError:
    if arrival.ends_at_s is not None and asyncio.get_running_loop().time() >= arrival.ends_at_s:
        return DeadlineExceeded("the caller's deadline passed")
    return ClientGone("the caller gave the call up")


def _count(door: Door, arrival: Arrival, status: int) -> None:
    seconds = asyncio.get_running_loop().time() - arrival.at_s
    door.metrics.on_request(arrival.call, status, seconds)
    access.info(
        "%s %d",
        arrival.call,
        status,
        extra={
            "seconds": round(seconds, 4),
            "body_bytes": arrival.held_bytes,
            "caller": CALLER.get().name,
        },
    )
