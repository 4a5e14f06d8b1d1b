"""Calls in flight while the trainer does something else: `submit` returns a future.

All calls run in the event loop of one background thread, so that many of them cost one thread, a
cancelled future closes its connection, and nothing is left running after `close`.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, TypeVar

from ._config import DEFAULT_BASE_URL, Config
from ._core import Call, Prompts, R, rank_call, score_call
from ._fleet import Fleet, Traffic
from ._http import AsyncTransport
from ._models import Fingerprint, RankReply, ScoreReply
from ._parts import ClipSource

T = TypeVar("T")

DEFAULT_PIPELINE_TIMEOUT_S = 300.0
DEFAULT_MAX_IN_FLIGHT = 16


class Pipeline:
    """Score clips in the background, on one critic service or on several equal ones.

        with Pipeline(["http://a:3000", "http://b:3000"]) as pipeline:
            scoring = pipeline.submit(clips, prompts)
            ...  # sample the next batch
            rewards = scoring.result().rewards

    A call goes to the least loaded endpoint that is well, and is sent again until its deadline
    where a service is gone, not ready or full: a service may be restarted in mid-step. All answers
    must have one fingerprint. A pipeline can be used by many threads.

    Args:
        base_urls: of the service, or of services that are the same critic.
        api_key: sent to all of them as a bearer token.
        timeout_s: deadline of a call with all its attempts; long enough for a restart.
        max_in_flight: calls at a time; `submit` waits while there are as many.
        hedge_after_s: send a call to a second endpoint when the first took this long, and take the
            first answer; never if None. At most two calls are doubled at any time.
        fingerprint_id: that every answer must have; that of the first answer if None.
        transport: an `httpx.AsyncBaseTransport` to send with, for tests and recordings.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        base_urls: str | Sequence[str] = DEFAULT_BASE_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_PIPELINE_TIMEOUT_S,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        hedge_after_s: float | None = None,
        fingerprint_id: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight must be one or more, not {max_in_flight}")
        urls = [base_urls] if isinstance(base_urls, str) else list(base_urls)
        configs = [Config(url, api_key, timeout_s) for url in urls]
        self._fleet = Fleet(
            configs,
            hedge_after_s=hedge_after_s,
            fingerprint_id=fingerprint_id,
            transport=transport,
        )
        self._config = configs[0]
        self._places = threading.BoundedSemaphore(max_in_flight)
        self._lock = threading.Lock()
        self._in_flight: set[Future[Any]] = set()
        self._is_closed = False
        self._loop = _LoopThread(self._fleet.aclose)
        # A pipeline that nobody closed ends with its last reference, or with the program.
        self._stop = weakref.finalize(self, self._loop.stop)

    def submit(
        self,
        clips: ClipSource | Sequence[ClipSource],
        prompts: Prompts = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
    ) -> Future[ScoreReply]:
        """Begin to score clips; arguments as in `CriticClient.score`.

        The clips are read before this returns, so their arrays and files may change after.

        Returns:
            The reply to come. Its `result()` raises a `CriticClientError` where the call failed;
            its `cancel()` also cancels the work on the service.

        Raises:
            ValueError, TypeError, OSError: if an argument cannot be sent.
            RuntimeError: if the pipeline is closed.
        """
        return self._submit(score_call(clips, prompts, criteria, reward, critic), deadline_s)

    def submit_rank(
        self,
        clips: Sequence[ClipSource],
        prompt: str | None = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
    ) -> Future[RankReply]:
        """Begin to rank clips of one prompt; arguments as in `CriticClient.rank`, else `submit`."""
        return self._submit(rank_call(clips, prompt, criteria, reward, critic), deadline_s)

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return self._fleet.traffic

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint that all answers had; None before the first."""
        return self._fleet.fingerprint

    def close(self, *, cancel: bool = False) -> None:
        """Wait for the calls in flight, or cancel them, then end the thread and its connections."""
        with self._lock:
            self._is_closed = True
            in_flight = list(self._in_flight)
        if cancel:
            for future in in_flight:
                future.cancel()
        wait(in_flight)
        self._stop()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(cancel=kind is not None)

    def _submit(self, call: Call[R], deadline_s: float | None) -> Future[R]:
        allowed_s = self._config.deadline_s(deadline_s)
        if threading.current_thread() is self._loop.thread:
            raise RuntimeError("submit from a callback of a future could wait for itself for ever")
        self._check_open()
        self._places.acquire()
        try:
            with self._lock:
                self._check_open()
                future = self._loop.run(self._fleet.run(call, allowed_s))
                self._in_flight.add(future)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(self._leave)
        return future

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the pipeline is closed")

    def _leave(self, future: Future[Any]) -> None:
        with self._lock:
            self._in_flight.discard(future)
        self._places.release()


def join(futures: Sequence[Future[Any]], finish: Callable[[], T]) -> Future[T]:
    """Return a future of what `finish` returns once all of `futures` are done, well or not.

    Cancelling it cancels them.
    """
    joined: Future[T] = Future()
    lock = threading.Lock()
    num_left = len(futures)

    def conclude() -> None:
        if joined.set_running_or_notify_cancel():
            try:
                joined.set_result(finish())
            except BaseException as error:
                joined.set_exception(error)

    def one_done(_: Future[Any]) -> None:
        nonlocal num_left
        with lock:
            num_left -= 1
            is_last = num_left == 0
        if is_last:
            conclude()

    def cancel_all(_: Future[T]) -> None:
        if joined.cancelled():
            for future in futures:
                future.cancel()

    joined.add_done_callback(cancel_all)
    for future in futures:
        future.add_done_callback(one_done)
    if not futures:
        conclude()
    return joined


class _LoopThread:
    """An event loop in a thread of its own.

    Args:
        cleanup: awaited in the loop before it ends, when all tasks have ended.
    """

    def __init__(self, cleanup: Callable[[], Coroutine[Any, Any, None]]) -> None:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self.thread = threading.Thread(
            target=asyncio.run,
            args=(_until_stopped(started, cleanup),),
            name="critic-client",
            daemon=True,
        )
        self.thread.start()
        self._loop, self._stopped = started.result()

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        # The last reference may go in the loop itself, which cannot wait for its own end.
        if threading.current_thread() is not self.thread:
            self.thread.join()


async def _until_stopped(
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]],
    cleanup: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    stopped = asyncio.Event()
    started.set_result((asyncio.get_running_loop(), stopped))
    await stopped.wait()
    unfinished = asyncio.all_tasks() - {asyncio.current_task()}
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)
    await cleanup()
