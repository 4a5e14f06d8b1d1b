"""When to send a call again, and how long to wait before.

A judgement is a pure function of the clips, the prompts and the critic, and changes nothing on the
service: sending a POST again can cost time but never count anything twice. What is repeated is what
may go better the next time: a connection that was refused or broke before the answer, a full queue,
and a fault that the service itself calls passing. A fault of the input never is, nor is a call that
ran out of time: the deadline bounds all attempts and the waits between them together.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from ._config import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    JITTER,
    MAX_SERVER_DEADLINE_MS,
    RETRY_AFTER_MAX_S,
    deadline_margin_s,
)
from ._errors import (
    APIError,
    ConnectionFailed,
    CriticClientError,
    DeadlineExceeded,
    Overloaded,
    ServerError,
    TimedOut,
    Unavailable,
)


@dataclass(frozen=True)
class Budget:
    """What one attempt may take: the client's own timeout, and what the service is told."""

    timeout_s: float
    server_deadline_ms: int


class Attempts:
    """The attempts of one call. It decides; its caller sends and sleeps.

    Args:
        deadline_s: for the whole call.
        max_retries: attempts after the first.
        clock: seconds that only grow.
        uniform: draws a number in [0, 1) for the jitter, so that clients that were turned away
            together do not come back together.
    """

    def __init__(
        self,
        deadline_s: float,
        max_retries: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._uniform = uniform
        self._deadline_s = deadline_s
        self._ends_at = clock() + deadline_s
        self._max_retries = max_retries
        self._num_failed = 0

    def budget(self) -> Budget:
        """Return what the next attempt may take.

        Raises:
            TimedOut: if no time is left.
        """
        remaining_s = self._ends_at - self._clock()
        if remaining_s <= 0:
            raise TimedOut(f"no answer within the deadline of {self._deadline_s:g} s")
        told_s = remaining_s - deadline_margin_s(remaining_s)
        return Budget(remaining_s, min(max(1, int(told_s * 1000)), MAX_SERVER_DEADLINE_MS))

    def wait_after_s(self, error: CriticClientError) -> float | None:
        """Return how long to wait before the next attempt, or None if there is to be none."""
        if self._num_failed >= self._max_retries or not _may_pass(error):
            return None
        wait_s = self._wait_s(error)
        self._num_failed += 1
        # A wait that ends after the deadline would only delay the bad news.
        return wait_s if self._clock() + wait_s < self._ends_at else None

    def _wait_s(self, error: CriticClientError) -> float:
        spread = JITTER * self._uniform()
        asked_s = error.retry_after_s if isinstance(error, APIError) else None
        if asked_s is not None:
            return min(asked_s, RETRY_AFTER_MAX_S) * (1 + spread)
        return min(BACKOFF_FIRST_S * 2.0**self._num_failed, BACKOFF_MAX_S) * (1 - spread)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, which is a number of seconds or a date.

    Returns:
        Seconds from now, never negative; None where the header is absent or says neither.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - (now or datetime.now(timezone.utc))).total_seconds())


def _may_pass(error: CriticClientError) -> bool:
    if isinstance(error, (ConnectionFailed, Overloaded, Unavailable)):
        return True
    # The service names its passing faults; another 504 would find the same deadline, only nearer.
    return (
        isinstance(error, ServerError)
        and error.retryable
        and not isinstance(error, DeadlineExceeded)
    )
