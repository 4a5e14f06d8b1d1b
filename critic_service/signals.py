"""Stop in two steps: refuse new work politely for a while, then let the server close its port."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def delay_stop_signals(on_first: Callable[[], None], delay_s: float) -> None:
    """Wrap the server's own handlers of stop signals, where it has installed any.

    The first signal calls `on_first` on the running event loop, and the server's handler only
    `delay_s` seconds later, so that load balancers see the probe fail before the port closes. A
    second signal goes to the server at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    signalled = False

    def wrap(number: int, handler: Callable[[int, FrameType | None], object]) -> None:
        def on_signal(number: int, frame: FrameType | None) -> None:
            nonlocal signalled
            if signalled:
                handler(number, frame)
                return
            signalled = True
            logger.info("draining; the port closes in %.1f s", delay_s)
            loop.call_soon_threadsafe(on_first)
            loop.call_soon_threadsafe(loop.call_later, delay_s, handler, number, None)

        signal.signal(number, on_signal)

    for number in _STOP_SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and handler is not signal.default_int_handler:
            wrap(number, handler)
