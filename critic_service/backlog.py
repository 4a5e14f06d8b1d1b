"""Work that is promised and not yet done, in tokens: who is let in, and who comes back later."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from critic_service.errors import Overloaded
from critic_service.packing import Priority

BATCHES_AHEAD = 4
BATCH_PRIORITY_SHARE = 0.5
MAX_RETRY_AFTER_S = 60.0
SMOOTHING = 0.1


@dataclass(frozen=True)
class DeskLimits:
    """How much may wait and how much may run together.

    Attributes:
        max_batch_tokens: token budget of one run; an item above it runs alone.
        max_batch_items: items of one run.
        max_queue_tokens: backlog above which admission is refused; `batch` calls may fill half.
        linger_s: how long a lone item waits for company.
        typical_item_tokens: first guess of an item's cost, corrected by what is handed in.
    """

    max_batch_tokens: int
    max_batch_items: int
    max_queue_tokens: int
    linger_s: float
    typical_item_tokens: float


@dataclass(eq=False)
class Reservation:
    """Tokens set aside for the items that one call will hand in."""

    tokens_per_item: int
    tokens: int


class Backlog:
    """Tokens that are reserved, queued and running.

    Attributes:
        queued_tokens: handed in and waiting for a batch.
        running_tokens: of the present run.
        calls_so_far: calls that were let in since the start.
    """

    def __init__(self, limits: DeskLimits) -> None:
        self._limits = limits
        self.queued_tokens = 0
        self.running_tokens = 0
        self._reserved_tokens = 0
        self._open_reservations = 0
        self.calls_so_far = 0
        self._typical_item_tokens = limits.typical_item_tokens
        self._tokens_per_s = float(limits.max_batch_tokens)
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def open_calls(self) -> int:
        """How many calls hold a reservation."""
        return self._open_reservations

    @contextmanager
    def reserve(self, num_items: int, priority: Priority) -> Iterator[Reservation]:
        """Set aside the typical cost of a call's items for as long as the call lasts.

        With nothing else reserved or queued, a call of any size is let in.

        Raises:
            Overloaded: the call would bring the backlog above its limit.
        """
        tokens_per_item = math.ceil(self._typical_item_tokens)
        reservation = Reservation(tokens_per_item, num_items * tokens_per_item)
        self._refuse_if_full(reservation.tokens, priority)
        self._reserved_tokens += reservation.tokens
        self._open_reservations += 1
        self.calls_so_far += 1
        self._idle.clear()
        try:
            yield reservation
        finally:
            self._release(reservation, reservation.tokens)
            self._open_reservations -= 1
            if not self._open_reservations:
                self._idle.set()

    def exchange(self, reservation: Reservation, num_tokens: int) -> None:
        """Count an item that is handed in: its real cost takes the place of its reservation."""
        self._release(reservation, reservation.tokens_per_item)
        self._typical_item_tokens += SMOOTHING * (num_tokens - self._typical_item_tokens)
        self._count_queued(num_tokens)

    def leave_queue(self, num_tokens: int) -> None:
        """Count out an item that was queued."""
        self._count_queued(-num_tokens)

    def learn_speed(self, num_tokens: int, ran_s: float) -> None:
        """Learn from a run how fast the engine works."""
        self._tokens_per_s += SMOOTHING * (num_tokens / max(ran_s, 1e-6) - self._tokens_per_s)

    async def wait_for_room(self) -> None:
        """Wait until less than a few batches are queued."""
        await self._room.wait()

    async def wait_until_idle(self) -> None:
        """Wait until no call holds a reservation."""
        await self._idle.wait()

    def _refuse_if_full(self, asked_tokens: int, priority: Priority) -> None:
        share = 1.0 if priority == "online" else BATCH_PRIORITY_SHARE
        limit_tokens = round(share * self._limits.max_queue_tokens)
        waiting_tokens = self.queued_tokens + self._reserved_tokens
        if not waiting_tokens or waiting_tokens + asked_tokens <= limit_tokens:
            return
        wait_s = (waiting_tokens + self.running_tokens) / self._tokens_per_s
        raise Overloaded(
            f"about {waiting_tokens} tokens of work are waiting; with this call's {asked_tokens} "
            f"they would exceed {limit_tokens}, the limit for {priority} calls",
            retry_after_s=min(MAX_RETRY_AFTER_S, wait_s),
            resource="desk",
        )

    def _release(self, reservation: Reservation, tokens: int) -> None:
        released = min(tokens, reservation.tokens)
        reservation.tokens -= released
        self._reserved_tokens -= released

    def _count_queued(self, num_tokens: int) -> None:
        self.queued_tokens += num_tokens
        if self.queued_tokens < BATCHES_AHEAD * self._limits.max_batch_tokens:
            self._room.set()
        else:
            self._room.clear()
