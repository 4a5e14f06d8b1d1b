"""Keep freed memory in the process: a training step frees and takes the same blocks every time."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)

# Parameters of mallopt(3), from malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST_INT = 2**31 - 1
_TOP_PAD_BYTES = 1 << 28


def keep_freed_memory() -> bool:
    """Tell glibc's allocator not to return memory to the system.

    By default it maps every large tensor anew, and the kernel clears its pages at first touch. For
    a network this small that costs several times as much as the arithmetic.

    Returns:
        Whether this C library took the settings; without them training is only slower.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        log.info("this C library has no mallopt; training will be slower")
        return False
    settings = (
        (_MMAP_MAX, 0),
        (_TRIM_THRESHOLD, _LARGEST_INT),
        (_TOP_PAD, _TOP_PAD_BYTES),
    )
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
