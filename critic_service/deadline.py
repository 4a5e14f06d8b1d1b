"""Deadlines in the event loop's time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from critic_service.errors import DeadlineExceeded


@asynccontextmanager
async def within(deadline_s: float | None) -> AsyncIterator[None]:
    """Cancel what runs inside once the deadline has passed.

    Args:
        deadline_s: in the event loop's time; None for no bound.

    Raises:
        DeadlineExceeded: in place of the cancellation.
    """
    scope = asyncio.timeout_at(deadline_s)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise DeadlineExceeded("the deadline passed before the answer was there") from None
