"""Calls to one service or several equal ones: the least loaded that is well, and only one critic.

A call that finds an endpoint gone or full goes to the next one at once. Where all are gone it waits
until one is ready again, as long as its deadline allows: a service may be restarted in mid-call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from ._config import DEFAULT_MAX_RETRIES, MAX_SERVER_DEADLINE_MS, Config, check_seconds
from ._core import Call, R, new_request_id
from ._endpoint import Endpoint, is_away
from ._errors import CriticClientError, TimedOut
from ._http import AsyncTransport
from ._models import Fingerprint
from ._retry import Attempts, Budget
from ._training_errors import FingerprintMismatch

# The deadline ends the attempts of a call; this only keeps the arithmetic of the back-off in range.
MAX_RETRIES_WITHIN_DEADLINE = 1000
CHOICE_POLL_S = 0.05
MAX_HEDGES_IN_FLIGHT = 2


@dataclass(frozen=True)
class Traffic:
    """What was sent, counted over the life of a pipeline.

    Attributes:
        num_calls: calls asked for.
        num_clips: clips in them; one that occurs twice in a call travels, and counts, once.
        clip_bytes: their size as sent.
        num_attempts: times that a call was sent, with retries and hedges.
        sent_bytes: size of all parts of all attempts.
    """

    num_calls: int = 0
    num_clips: int = 0
    clip_bytes: int = 0
    num_attempts: int = 0
    sent_bytes: int = 0

    @property
    def bytes_per_clip(self) -> float | None:
        """Mean size of a clip as sent; None before the first."""
        return self.clip_bytes / self.num_clips if self.num_clips else None


class Fleet:
    """Send calls to endpoints that must all be the same critic.

    Args:
        configs: one for each endpoint.
        hedge_after_s: send a call to a second endpoint when the first took this long, and take the
            first answer; never if None. At most two calls are doubled at any time.
        fingerprint_id: that every answer must have; that of the first answer if None.
        transport: an `httpx.AsyncBaseTransport` to send with.

    Raises:
        ValueError: if there is no endpoint, one twice, or `hedge_after_s` is no length of time.
    """

    def __init__(
        self,
        configs: Sequence[Config],
        *,
        hedge_after_s: float | None = None,
        fingerprint_id: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        urls = [config.base_url.rstrip("/") for config in configs]
        if not urls or len(set(urls)) < len(urls):
            raise ValueError(f"base_urls must name at least one service, each once, not {urls}")
        if hedge_after_s is not None:
            check_seconds("hedge_after_s", hedge_after_s)
        self.traffic = Traffic()
        self.fingerprint: Fingerprint | None = None
        self._endpoints = [Endpoint(config, transport) for config in configs]
        self._hedge_after_s = hedge_after_s
        self._num_hedges = 0
        self._fingerprint_id = fingerprint_id

    async def run(self, call: Call[R], deadline_s: float) -> R:
        """Send a call until it is answered, fails for good, or its deadline is over.

        Raises:
            CriticClientError: what went wrong last; `TimedOut` where no endpoint became ready.
        """
        self._count_call(call)
        attempts = Attempts(deadline_s, MAX_RETRIES_WITHIN_DEADLINE)
        request_id = new_request_id()
        tried: set[Endpoint] = set()
        num_faults = 0
        while True:
            endpoint = await self._choose(attempts.budget().timeout_s, tried)
            try:
                return await self._race(endpoint, call, attempts.budget(), request_id)
            except CriticClientError as error:
                tried.add(endpoint)
                if not is_away(error):
                    # Perhaps this call is what the service fails at, however often it is sent.
                    num_faults += 1
                    if num_faults > DEFAULT_MAX_RETRIES:
                        raise
                elif not endpoint.breaker.admits or self._admitting(tried):
                    # Where all are away, the choice of an endpoint waits until one is ready.
                    continue
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            tried.clear()
            await asyncio.sleep(wait_s)

    async def aclose(self) -> None:
        """Close all connections; the fleet cannot be used after."""
        for endpoint in self._endpoints:
            await endpoint.aclose()

    def _admitting(self, but_not: set[Endpoint]) -> list[Endpoint]:
        return [e for e in self._endpoints if e.breaker.admits and e not in but_not]

    async def _choose(self, timeout_s: float, tried: set[Endpoint]) -> Endpoint:
        ends_at = time.monotonic() + timeout_s
        while True:
            for endpoint in self._endpoints:
                endpoint.probe_if_due()
            candidates = self._admitting(tried) or self._admitting(set())
            if candidates:
                return _least_loaded(candidates)
            if time.monotonic() + CHOICE_POLL_S >= ends_at:
                raise TimedOut(
                    "no endpoint became ready within the deadline: "
                    + "; ".join(f"{e.url} ({e.trouble or 'no answer'})" for e in self._endpoints)
                )
            await asyncio.sleep(CHOICE_POLL_S)

    async def _race(self, first: Endpoint, call: Call[R], budget: Budget, request_id: str) -> R:
        """Send to `first`, and to a second endpoint where hedging is on and the first is slow."""
        ends_at = time.monotonic() + budget.timeout_s
        tasks = [self._start(first, call, budget, request_id)]
        hedged = False
        try:
            done, _ = await asyncio.wait(tasks, timeout=self._hedge_after_s)
            second = self._second(first) if not done else None
            remaining_s = ends_at - time.monotonic()
            if second is not None and remaining_s > 0:
                hedged = True
                self._num_hedges += 1
                rest = _shortened(budget, remaining_s)
                tasks.append(self._start(second, call, rest, request_id))
            return await _first_success(tasks)
        finally:
            self._num_hedges -= hedged
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _second(self, first: Endpoint) -> Endpoint | None:
        others = self._admitting({first})
        if self._num_hedges >= MAX_HEDGES_IN_FLIGHT or not others:
            return None
        return _least_loaded(others)

    def _start(
        self, endpoint: Endpoint, call: Call[R], budget: Budget, request_id: str
    ) -> asyncio.Task[R]:
        # Counted here and not in the task, which begins later and, if cancelled, never.
        is_trial = endpoint.breaker.begin()
        endpoint.num_in_flight += 1
        endpoint.num_sent += 1
        size = sum(len(part.content) for part in call.parts)
        self.traffic = replace(
            self.traffic,
            num_attempts=self.traffic.num_attempts + 1,
            sent_bytes=self.traffic.sent_bytes + size,
        )

        def finish(task: asyncio.Task[R]) -> None:
            endpoint.num_in_flight -= 1
            if is_trial and task.cancelled():
                endpoint.breaker.abandoned()

        task = asyncio.create_task(self._attempt(endpoint, call, budget, request_id))
        task.add_done_callback(finish)
        return task

    async def _attempt(
        self, endpoint: Endpoint, call: Call[R], budget: Budget, request_id: str
    ) -> R:
        try:
            reply = call.read(await endpoint.send(call, budget, request_id))
        except CriticClientError as error:
            endpoint.note(error)
            raise
        endpoint.note(None)
        self._check_critic(getattr(reply, "fingerprint", None), endpoint.url)
        return reply

    def _check_critic(self, found: Fingerprint | None, url: str) -> None:
        if found is None:
            return
        expected_id = self._fingerprint_id or found.id
        if found.id != expected_id:
            raise FingerprintMismatch(expected_id, found, url, _difference(self.fingerprint, found))
        self._fingerprint_id = expected_id
        self.fingerprint = found

    def _count_call(self, call: Call[R]) -> None:
        clips = call.parts[1:]
        self.traffic = replace(
            self.traffic,
            num_calls=self.traffic.num_calls + 1,
            num_clips=self.traffic.num_clips + len(clips),
            clip_bytes=self.traffic.clip_bytes + sum(len(part.content) for part in clips),
        )


async def _first_success(tasks: Sequence[asyncio.Task[R]]) -> R:
    pending: set[asyncio.Task[R]] = set(tasks)
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        errors = [task.exception() for task in done]
        # A mismatch is never outvoted: the other answer may be that of the wrong critic.
        mismatch = next((e for e in errors if isinstance(e, FingerprintMismatch)), None)
        if mismatch is not None:
            raise mismatch
        for task, error in zip(done, errors, strict=True):
            if error is None or not pending:
                return task.result()


def _least_loaded(endpoints: Sequence[Endpoint]) -> Endpoint:
    return min(endpoints, key=lambda endpoint: (endpoint.num_in_flight, endpoint.num_sent))


def _shortened(budget: Budget, remaining_s: float) -> Budget:
    spent_ms = int((budget.timeout_s - remaining_s) * 1000)
    told_ms = min(max(1, budget.server_deadline_ms - spent_ms), MAX_SERVER_DEADLINE_MS)
    return Budget(remaining_s, told_ms)


def _difference(known: Fingerprint | None, found: Fingerprint) -> str:
    if known is None:
        return f"it is {found.critic} at revision {found.revision}"
    names = [spec.name for spec in fields(Fingerprint) if spec.name != "id"]
    differing = [
        f"{name} is {getattr(found, name)!r}, not {getattr(known, name)!r}"
        for name in names
        if getattr(found, name) != getattr(known, name)
    ]
    return ", ".join(differing) or "the identifier alone differs"
