"""The one thread that calls the engine, and what it makes of an engine that misbehaves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from critic_models.errors import CriticError, EngineError

logger = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class EngineThread(Generic[ItemT, ResultT]):
    """Call `run` in a thread of its own, one call at a time.

    Args:
        run: takes items and returns as many results or errors, in the same order.
    """

    def __init__(self, run: Callable[[Sequence[ItemT]], Sequence[ResultT | Exception]]) -> None:
        self._run = run
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._since_s: float | None = None
        self.failed_runs = 0

    @property
    def running_s(self) -> float:
        """How long the present run has taken so far, in seconds; 0 between runs."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    async def run(self, items: Sequence[ItemT]) -> list[ResultT | CriticError]:
        """Run the items together and return one outcome for each.

        `failed_runs` counts the failures since the last run that did not fail as a whole.

        Raises:
            EngineError: the run failed as a whole: it raised, whatever it raised, or it did not
                return one outcome for each item.
        """
        self._since_s = time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            outcomes = await loop.run_in_executor(self._thread, self._call, items)
        finally:
            self._since_s = None
        if isinstance(outcomes, EngineError):
            self.failed_runs += 1
            raise outcomes
        self.failed_runs = 0
        return outcomes

    def close(self) -> None:
        """Take no more runs; one that runs now is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, items: Sequence[ItemT]) -> list[ResultT | CriticError] | EngineError:
        # Nothing may leave this thread as an exception: a SystemExit would stop the event loop, and
        # a StopIteration cannot be stored in a future, whose waiter would wait for ever.
        try:
            outcomes = list(self._run(items))
        except EngineError as error:
            logger.warning("a run of %d items failed: %s", len(items), error.message)
            return error
        except BaseException:
            logger.exception("a run of %d items failed", len(items))
            return EngineError("the forward failed")
        if len(outcomes) != len(items):
            logger.error("a run of %d items returned %d outcomes", len(items), len(outcomes))
            return EngineError("the engine did not return one outcome for each item")
        return [_clean(outcome) for outcome in outcomes]


def _clean(outcome: ResultT | BaseException) -> ResultT | CriticError:
    if isinstance(outcome, CriticError) or not isinstance(outcome, BaseException):
        return outcome
    logger.error("the engine failed for one item", exc_info=outcome)
    return EngineError("the engine failed for this item")
