"""Feed the waiting items of jobs to the core, a few at a time and behind everybody else.

An item is asked for like a call of one item with the priority `batch`: the same checks, the same
desk, the same score. What is under way when the process ends is waiting again when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from critic_models.errors import CriticError

from critic_service.call import CallContext
from critic_service.core import CriticCore, Parts
from critic_service.deadline import within
from critic_service.errors import Draining, Unavailable, as_critic_error, plain
from critic_service.jobs.kinds import KINDS, Judged
from critic_service.jobs.tables import StoredItem

logger = logging.getLogger(__name__)

MAX_PAUSE_S = 10.0


class Desk(Protocol):
    """Where items come from and outcomes go to."""

    async def item(self, job: str, position: int) -> StoredItem | None:
        """Return an item that still waits."""

    async def commit(
        self,
        job: str,
        position: int,
        attempt: int,
        outcome: dict[str, Any],
        fingerprint: str | None,
    ) -> None:
        """Store what came of it."""

    def parts(self, names: Iterable[str]) -> Parts:
        """Return clips by their names."""


class Runner:
    """Work through jobs, one item of each in turn.

    Args:
        core: judges.
        desk: the stored items.
        max_in_flight: items that are worked on at the same time.
    """

    def __init__(self, core: CriticCore, desk: Desk, max_in_flight: int) -> None:
        self._core = core
        self._desk = desk
        self._max_in_flight = max_in_flight
        self._waiting: dict[str, deque[int]] = {}
        self._in_flight: dict[asyncio.Task[None], tuple[str, int]] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    @property
    def waiting_items(self) -> int:
        """How many items wait or are worked on."""
        return sum(map(len, self._waiting.values())) + len(self._in_flight)

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._loop = asyncio.create_task(self._feed(), name="jobs")

    def add(self, job: str, positions: Iterable[int]) -> None:
        """Let items of a job wait for their turn."""
        self._waiting.setdefault(job, deque()).extend(positions)
        self._wake.set()

    async def stop_job(self, job: str) -> None:
        """Forget a job's items; those that are worked on are let go."""
        self._waiting.pop(job, None)
        await _end(task for task, (owner, _) in self._in_flight.items() if owner == job)

    async def close(self) -> None:
        """Let go of everything."""
        if self._loop is not None:
            await _end([self._loop])
        await _end(self._in_flight)

    async def _feed(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and len(self._in_flight) < self._max_in_flight:
                self._begin_next()

    def _begin_next(self) -> None:
        """Take the next item of the job whose turn it is, which is last in line afterwards."""
        job = next(iter(self._waiting))
        positions = self._waiting.pop(job)
        if not positions:
            return
        position = positions.popleft()
        if positions:
            self._waiting[job] = positions
        task = asyncio.create_task(self._work(job, position))
        self._in_flight[task] = (job, position)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        job, position = self._in_flight.pop(task)
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            # The disk may be full, and have room again later.
            logger.error("an item of a job could not be stored", exc_info=task.exception())
            asyncio.get_running_loop().call_later(MAX_PAUSE_S, self.add, job, [position])

    async def _work(self, job: str, position: int) -> None:
        stored = await self._desk.item(job, position)
        if stored is None:
            return
        try:
            judged = await self._judged(job, position, stored)
            outcome: dict[str, Any] = {"result": {**judged.result, "index": position}}
            fingerprint = judged.fingerprint
        except Draining:
            self._waiting.clear()  # they wait for the next process
            return
        except CriticError as error:
            outcome, fingerprint = {"result": None, "failure": _failure(error)}, None
        except Exception as error:
            logger.exception("an item of a job failed in an unexpected way")
            outcome = {"result": None, "failure": _failure(as_critic_error(error))}
            fingerprint = None
        await self._desk.commit(job, position, stored.attempt, outcome, fingerprint)

    async def _judged(self, job: str, position: int, stored: StoredItem) -> Judged:
        """Judge an item, and wait where there is no room for it."""
        kind = KINDS[stored.kind]  # type: ignore[index]
        call = kind.call_of(stored.options, stored.item)
        names = {stored.item[field]["part"] for field in kind.clip_fields}
        while True:
            try:
                context = self._context(job, position)
                async with within(context.deadline_s):
                    return await kind.judge(self._core, call, self._desk.parts(names), context)
            except Draining:
                raise
            except Unavailable as error:
                await asyncio.sleep(min(MAX_PAUSE_S, error.retry_after_s))

    def _context(self, job: str, position: int) -> CallContext:
        now_s = asyncio.get_running_loop().time()
        return CallContext(
            request_id=f"job-{job}-{position}",
            deadline_s=now_s + self._core.settings.request_timeout_s,
            priority="batch",
        )


def _failure(error: CriticError) -> Mapping[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "details": plain(error.details),
    }


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
