"""When to leave an endpoint alone, and when to try it again: a circuit breaker without a network.

closed      takes calls; opens after some failures in a row, or when told to
open        takes none; after a while one probe asks whether it is ready
half open   the probe went well: one trial call is let through, and decides
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

FAILURES_TO_OPEN = 3
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 8.0


class State(Enum):
    """What the breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Breaker:
    """The breaker of one endpoint. Its caller sends, probes and reports what came of it.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.state = State.CLOSED
        self._num_failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._probe_at_s = 0.0
        self._has_trial = False

    @property
    def admits(self) -> bool:
        """Whether a call may be sent now."""
        return self.state is State.CLOSED or (self.state is State.HALF_OPEN and not self._has_trial)

    @property
    def wants_probe(self) -> bool:
        """Whether it is open and has been left alone for long enough."""
        return self.state is State.OPEN and self._clock() >= self._probe_at_s

    def begin(self) -> bool:
        """Note that a call is sent, and tell whether it is the trial of a half-open breaker."""
        self._has_trial = self.state is State.HALF_OPEN
        return self._has_trial

    def succeeded(self) -> None:
        """Note that the endpoint answered a call as a healthy one does."""
        self.state = State.CLOSED
        self._num_failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._has_trial = False

    def failed(self, *, certainly: bool = False) -> None:
        """Note that a call failed; `certainly` where the endpoint itself says that it is out."""
        self._num_failures += 1
        if self.state is State.HALF_OPEN:
            self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
            self._open()
        elif self.state is State.CLOSED and (certainly or self._num_failures >= FAILURES_TO_OPEN):
            self._open()

    def abandoned(self) -> None:
        """Note that the trial was given up by its caller: the next call is the trial."""
        self._has_trial = False

    def probed(self, *, ready: bool) -> None:
        """Note what a probe found."""
        if self.state is not State.OPEN:
            return
        if ready:
            self.state = State.HALF_OPEN
            self._has_trial = False
        else:
            self._probe_at_s = self._clock() + FIRST_PAUSE_S

    def _open(self) -> None:
        self.state = State.OPEN
        self._has_trial = False
        self._probe_at_s = self._clock() + self._pause_s
