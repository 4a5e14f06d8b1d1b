"""A request that is sent again under the same Idempotency-Key is done once.

While the first one is worked on, others wait for its answer; afterwards they get it again, for a
while. Only answers are kept: whoever repeats a call that failed has it tried anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from critic_models.errors import CriticError

from critic_service.errors import IdempotencyConflict, MalformedRequest
from critic_service.intake import Part
from critic_service.schemas import Wire

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_KEPT_ANSWERS = 1024
MAX_KEPT_BYTES = 64 * 2**20
KEEP_S = 600.0
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(headers: Mapping[str, str]) -> str | None:
    """Return the key of a request, if it has one.

    Raises:
        MalformedRequest: it is too long or not printable ASCII.
    """
    key = headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise MalformedRequest(f"{HEADER} must be 1 to 255 printable ASCII characters, no spaces")
    return key


def digest_of(request: Wire, parts: Mapping[str, Part]) -> bytes:
    """Return a hash of what is asked: the request, and the bytes of its parts, however framed."""
    digest = hashlib.sha256(request.model_dump_json().encode())
    for name in sorted(parts):
        part = parts[name]
        content = hashlib.sha256(part.read()).hexdigest()
        digest.update(f"\n{name!r} {part.is_frames} {content}".encode())
    return digest.digest()


@dataclass(frozen=True)
class Name:
    """Whose key it is, for which call."""

    caller: str
    call: str
    key: str


@dataclass(frozen=True)
class _Kept:
    digest: bytes
    answer: bytes
    expires_at_s: float


@dataclass(frozen=True, eq=False)
class _Flight:
    digest: bytes
    ended: asyncio.Future[bytes | CriticError | None]


class Answers:
    """Answers by key, bounded in number, bytes and time; for the event loop's thread.

    Args:
        max_answers, max_bytes: of what is kept; the oldest goes first.
        keep_s: how long an answer is kept.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        max_answers: int = MAX_KEPT_ANSWERS,
        max_bytes: int = MAX_KEPT_BYTES,
        keep_s: float = KEEP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_answers = max_answers
        self._max_bytes = max_bytes
        self._keep_s = keep_s
        self._clock = clock
        self._kept: OrderedDict[Name, _Kept] = OrderedDict()
        self._num_bytes = 0
        self._flights: dict[Name, _Flight] = {}

    async def once(
        self, name: Name, digest: bytes, work: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """Do the work, unless the same was done or is being done under this name.

        Where who does the work is cancelled, or is told to come back, one of those who wait takes
        over.

        Returns:
            The answer, and whether it is somebody else's.

        Raises:
            IdempotencyConflict: the name was used with another digest.
            CriticError: what the work raised; for all who waited, unless trying again may help.
        """
        while True:
            self._forget_expired()
            kept = self._kept.get(name)
            if kept is not None:
                _check(digest, kept.digest)
                return kept.answer, True
            flight = self._flights.get(name)
            if flight is None:
                return await self._lead(name, digest, work), False
            _check(digest, flight.digest)
            outcome = await asyncio.shield(flight.ended)
            if isinstance(outcome, CriticError):
                raise outcome
            if outcome is not None:
                return outcome, True

    async def _lead(self, name: Name, digest: bytes, work: Callable[[], Awaitable[bytes]]) -> bytes:
        flight = _Flight(digest, asyncio.get_running_loop().create_future())
        self._flights[name] = flight
        outcome: bytes | CriticError | None = None
        try:
            outcome = await work()
            self._keep(name, _Kept(digest, outcome, self._clock() + self._keep_s))
            return outcome
        except CriticError as error:
            outcome = None if error.retryable else error
            raise
        finally:
            del self._flights[name]
            flight.ended.set_result(outcome)

    def _keep(self, name: Name, kept: _Kept) -> None:
        if len(kept.answer) > self._max_bytes:
            return
        self._kept[name] = kept
        self._num_bytes += len(kept.answer)
        while len(self._kept) > self._max_answers or self._num_bytes > self._max_bytes:
            self._drop_oldest()

    def _forget_expired(self) -> None:
        now_s = self._clock()
        while self._kept and next(iter(self._kept.values())).expires_at_s <= now_s:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, kept = self._kept.popitem(last=False)
        self._num_bytes -= len(kept.answer)


def _check(digest: bytes, other: bytes) -> None:
    if digest != other:
        raise IdempotencyConflict(f"this {HEADER} was used for another request")
