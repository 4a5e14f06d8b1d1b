"""The desk: a queue bounded by tokens, between many callers and one engine.

A caller first asks for admission, which is refused at once where the backlog is long; then it
prepares its items and hands them in, one by one or together. The desk packs what waits into batches
by token budget and runs one batch at a time. Every item that was handed in gets a result or an
error of its own, whatever happens to its batch.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from critic_models.errors import CriticError, EngineError

from critic_service.backlog import Backlog, DeskLimits, Reservation
from critic_service.deadline import within
from critic_service.engine_thread import EngineThread
from critic_service.errors import DeadlineExceeded, Draining, NotReady
from critic_service.packing import Priority, pack

logger = logging.getLogger(__name__)


class Item(Protocol):
    """What the engine works on: anything that knows its cost."""

    @property
    def num_tokens(self) -> int: ...


class DeskObserver(Protocol):
    """Whoever counts what the desk does."""

    def on_wait(self, waited_s: float) -> None: ...

    def on_batch(self, num_items: int, num_tokens: int, ran_s: float) -> None: ...


ItemT = TypeVar("ItemT", bound=Item)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Reply(Generic[ResultT]):
    """A result, with how long its item waited and how long its batch ran."""

    result: ResultT
    waited_s: float
    ran_s: float


@dataclass(eq=False)
class _Entry(Generic[ItemT, ResultT]):
    item: ItemT
    num_tokens: int
    priority: Priority
    arrived_s: float
    future: asyncio.Future[Reply[ResultT]]
    times_passed: int = 0


@dataclass(frozen=True, eq=False)
class Admission(Generic[ItemT, ResultT]):
    """One call's room on the desk, while the call lasts."""

    desk: Desk[ItemT, ResultT]
    priority: Priority
    deadline_s: float | None
    reservation: Reservation

    async def submit(self, item: ItemT) -> Reply[ResultT]:
        """Hand in one item and wait for its reply.

        Cancelling the wait takes the item back, unless it runs already.

        Raises:
            DeadlineExceeded: the call's deadline passed first.
            Draining: the desk closed before the item could run.
            CriticError: the engine's error for this item.
        """
        return await self.desk._submit(item, self)


class Desk(Generic[ItemT, ResultT]):
    """Batch the items of many callers for one engine.

    Args:
        run: takes the items of a batch and returns as many results or errors, in the same order.
            It is called in a thread of its own, one call at a time.
        limits: see `DeskLimits`.
        observer: told of every wait and batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[ItemT]], Sequence[ResultT | Exception]],
        limits: DeskLimits,
        observer: DeskObserver | None = None,
    ) -> None:
        self.engine = EngineThread(run)
        self._limits = limits
        self._observer = observer
        self._backlog = Backlog(limits)
        self._tickets = itertools.count()
        self._waiting: dict[int, _Entry[ItemT, ResultT]] = {}
        self._work = asyncio.Event()
        self._draining = False
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve, on the running event loop."""
        self._serving = asyncio.create_task(self._serve(), name="desk")

    @property
    def alive(self) -> bool:
        """Whether the loop that forms batches is running."""
        return self._serving is not None and not self._serving.done()

    @property
    def queued_items(self) -> int:
        """How many items wait for a batch."""
        return len(self._waiting)

    @property
    def queued_tokens(self) -> int:
        """What the waiting items cost together."""
        return self._backlog.queued_tokens

    @property
    def open_calls(self) -> int:
        """How many admitted calls are in progress."""
        return self._backlog.open_calls

    @property
    def calls_so_far(self) -> int:
        """How many calls were admitted since the start."""
        return self._backlog.calls_so_far

    def drain(self) -> None:
        """Admit nobody from now on; what was admitted goes on."""
        self._draining = True

    async def close(self, drain_s: float) -> None:
        """Let admitted calls finish for at most `drain_s` seconds, then stop.

        What is unfinished after that fails with `Draining`.
        """
        self.drain()
        try:
            async with asyncio.timeout(drain_s):
                await self._backlog.wait_until_idle()
        except TimeoutError:
            logger.warning("closing with %d calls unfinished", self._backlog.open_calls)
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        self.engine.close()

    @contextmanager
    def admit(
        self,
        num_items: int,
        *,
        priority: Priority = "online",
        deadline_s: float | None = None,
    ) -> Iterator[Admission[ItemT, ResultT]]:
        """Make room for a call before its items are prepared.

        Args:
            num_items: how many items the call will hand in.
            priority: `online` runs before `batch`.
            deadline_s: in the event loop's time.

        Raises:
            Overloaded: the backlog is at its limit.
            Draining: the desk is closing.
            NotReady: the desk does not run.
        """
        if self._draining:
            raise Draining("the service is about to stop and takes no new work")
        if not self.alive:
            raise NotReady("the loop that feeds the engine does not run")
        with self._backlog.reserve(num_items, priority) as reservation:
            yield Admission(self, priority, deadline_s, reservation)

    async def wait_for_room(self) -> None:
        """Wait until less than a few batches are queued: nobody should prepare further ahead."""
        await self._backlog.wait_for_room()

    async def _submit(self, item: ItemT, admission: Admission[ItemT, ResultT]) -> Reply[ResultT]:
        if not self.alive:
            raise Draining("the service stopped before this item ran")
        loop = asyncio.get_running_loop()
        if admission.deadline_s is not None and loop.time() >= admission.deadline_s:
            raise DeadlineExceeded("the deadline passed before the critic could begin")
        future: asyncio.Future[Reply[ResultT]] = loop.create_future()
        entry = _Entry(item, item.num_tokens, admission.priority, time.monotonic(), future)
        ticket = next(self._tickets)
        self._waiting[ticket] = entry
        self._backlog.exchange(admission.reservation, entry.num_tokens)
        self._work.set()
        try:
            async with within(admission.deadline_s):
                return await future
        finally:
            self._take_out(ticket)

    def _take_out(self, ticket: int) -> None:
        entry = self._waiting.pop(ticket, None)
        if entry is not None:
            self._backlog.leave_queue(entry.num_tokens)

    async def _serve(self) -> None:
        try:
            while True:
                await self._work.wait()
                await self._linger()
                batch = self._next_batch()
                try:
                    await self._answer(batch)
                except asyncio.CancelledError:
                    _fail(batch, Draining("the service stopped while this item ran"))
                    raise
                except Exception:
                    logger.exception("a batch of %d items could not be answered", len(batch))
                    _fail(batch, EngineError("the batch could not be answered"))
        finally:
            _fail(self._waiting.values(), Draining("the service stopped before this item ran"))

    async def _linger(self) -> None:
        oldest = next(iter(self._waiting.values()), None)
        full = (
            self.queued_tokens >= self._limits.max_batch_tokens
            or self.queued_items >= self._limits.max_batch_items
        )
        if oldest is None or full:
            return
        rest_s = oldest.arrived_s + self._limits.linger_s - time.monotonic()
        if rest_s > 0:
            await asyncio.sleep(rest_s)

    def _next_batch(self) -> list[_Entry[ItemT, ResultT]]:
        line = {ticket: each for ticket, each in self._waiting.items() if not each.future.done()}
        batch = pack(
            list(line.values()),
            max_tokens=self._limits.max_batch_tokens,
            max_items=self._limits.max_batch_items,
        )
        chosen = {id(entry) for entry in batch}
        for ticket, entry in line.items():
            if id(entry) in chosen:
                self._take_out(ticket)
            else:
                entry.times_passed += 1
        if len(batch) == len(line):
            self._work.clear()
        return batch

    async def _answer(self, batch: list[_Entry[ItemT, ResultT]]) -> None:
        """Run a batch; where it fails as a whole, run each of its items alone."""
        if len(batch) > 1:
            try:
                return await self._run_together(batch)
            except EngineError:
                logger.warning("%d items are run one by one", len(batch))
        for entry in batch:
            if not entry.future.done():
                try:
                    await self._run_together([entry])
                except EngineError as error:
                    _fail([entry], error)
        return None

    async def _run_together(self, batch: list[_Entry[ItemT, ResultT]]) -> None:
        started_s = time.monotonic()
        num_tokens = sum(entry.num_tokens for entry in batch)
        self._backlog.running_tokens = num_tokens
        try:
            outcomes = await self.engine.run([entry.item for entry in batch])
        finally:
            self._backlog.running_tokens = 0
        ran_s = time.monotonic() - started_s
        self._backlog.learn_speed(num_tokens, ran_s)
        for entry, outcome in zip(batch, outcomes, strict=True):
            waited_s = started_s - entry.arrived_s
            if isinstance(outcome, CriticError):
                _fail([entry], outcome)
            elif not entry.future.done():
                entry.future.set_result(Reply(outcome, waited_s, ran_s))
            if self._observer is not None:
                self._observer.on_wait(waited_s)
        if self._observer is not None:
            self._observer.on_batch(len(batch), num_tokens, ran_s)


def _fail(entries: Iterable[_Entry[Any, Any]], error: CriticError) -> None:
    for entry in entries:
        if not entry.future.done():
            entry.future.set_exception(error)
