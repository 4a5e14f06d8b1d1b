"""Give freed memory back to the operating system when the service is at rest.

glibc keeps what was freed for the next allocation. After a burst of large clips that was measured
to be a gigabyte, held until the process ends; asked for it, glibc returns all of it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

PAUSE_S = 2.0


async def trim_at_rest(open_calls: Callable[[], int], calls_so_far: Callable[[], int]) -> None:
    """Trim once after every busy time, until cancelled.

    Args:
        open_calls: how many calls are in progress.
        calls_so_far: how many calls there were since the start.
    """
    trimmed_after = 0
    while True:
        await asyncio.sleep(PAUSE_S)
        calls = calls_so_far()
        if calls != trimmed_after and not open_calls():
            await asyncio.to_thread(return_free_memory)
            trimmed_after = calls


def return_free_memory() -> bool:
    """Return freed memory now; False where the C library has no such call."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    gc.collect()
    trim(0)
    return True
