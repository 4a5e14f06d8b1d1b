"""One service among several: its connections, its load, its health."""

from __future__ import annotations

import asyncio

from ._breaker import Breaker
from ._config import PROBE_TIMEOUT_S, Config
from ._core import READY_REQUEST, Answer, Request, new_request_id, read_readiness
from ._errors import (
    ConnectionFailed,
    CriticClientError,
    DeadlineExceeded,
    Overloaded,
    ServerError,
    TimedOut,
    Unavailable,
)
from ._http import AsyncHTTP, AsyncTransport
from ._retry import Attempts, Budget


class Endpoint:
    """One service. All methods are called in the event loop of its connections.

    Attributes:
        url: its address.
        breaker: whether it is to be called now.
        num_in_flight: calls that are being sent to it.
        num_sent: calls that were ever sent to it.
        trouble: the last failure in words; None while all is well.
    """

    def __init__(self, config: Config, transport: AsyncTransport | None) -> None:
        self.url = config.base_url
        self.breaker = Breaker()
        self.num_in_flight = 0
        self.num_sent = 0
        self.trouble: str | None = None
        self._http = AsyncHTTP(config, transport)
        self._probe: asyncio.Task[None] | None = None

    async def send(self, request: Request, budget: Budget, request_id: str) -> Answer:
        """Send one attempt; errors as `AsyncHTTP.send`."""
        return await self._http.send(request, budget, request_id)

    def note(self, error: CriticClientError | None) -> None:
        """Learn from what came of a call. An error of the input says that the endpoint is well."""
        if not _is_trouble(error):
            self.trouble = None
            self.breaker.succeeded()
        else:
            self.trouble = str(error)
            self.breaker.failed(certainly=_is_out(error))

    def probe_if_due(self) -> None:
        """Begin to ask `/readyz` where the breaker is open and has waited; never twice at once."""
        if self._probe is None and self.breaker.wants_probe:
            self._probe = asyncio.create_task(self._ask_readiness())
            self._probe.add_done_callback(self._forget_probe)

    async def aclose(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        await self._http.aclose()

    async def _ask_readiness(self) -> None:
        budget = Attempts(PROBE_TIMEOUT_S, max_retries=0).budget()
        try:
            answer = await self._http.send(READY_REQUEST, budget, new_request_id())
            ready = read_readiness(answer)
        except CriticClientError as error:
            self.trouble, ready = str(error), False
        self.breaker.probed(ready=ready)

    def _forget_probe(self, probe: asyncio.Task[None]) -> None:
        self._probe = None


def is_away(error: CriticClientError) -> bool:
    """Tell whether the endpoint never took the call up, so that it may be sent until one does."""
    return isinstance(error, (ConnectionFailed, Overloaded)) or _is_out(error)


def _is_out(error: CriticClientError | None) -> bool:
    # A failed forward has the status of a service that is not ready, but is one.
    return isinstance(error, Unavailable) and error.code != "engine_error"


def _is_trouble(error: CriticClientError | None) -> bool:
    # A deadline that the caller chose too short is no fault of the service.
    return isinstance(error, (ConnectionFailed, TimedOut)) or (
        isinstance(error, ServerError) and not isinstance(error, DeadlineExceeded)
    )
