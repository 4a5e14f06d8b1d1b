"""Take from a process what decoding does not need. Linux, and no root needed.

This stops a decoder that is led to open files or addresses, to fill the memory, or to run for ever.
It is no wall against code of an attacker's own inside the process: such code still may read files
that the service may read. `docs/security.md` says what that means.
"""

from __future__ import annotations

import ctypes
import math
import resource
import signal
from pathlib import Path

from critic_models.video.limits import ClipLimits

_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

# A decoder keeps up to 17 reference frames (H.264), and frames on their way through its pipeline;
# 10 bits per sample without subsampling are 6 bytes per pixel.
_DECODER_FRAMES = 32
_BYTES_PER_PIXEL = 6
_SLACK_BYTES = 256 * 2**20


def enter_empty_network() -> bool:
    """Move this process into a network without interfaces; False where the system forbids it.

    Call it while the process has one thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0


def renounce_privileges() -> None:
    """Let this process and its children gain nothing by executing a privileged file."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def confine(limits: ClipLimits, wall_s: float, own_bytes: int) -> None:
    """Bound this process for good: memory, processor time, and no new file, socket or process.

    `alarm` bounds the wall time.

    Args:
        limits: bounds on the clip, which decide what memory it may need.
        wall_s: processor time may be a little longer.
        own_bytes: address space of the process before the clip; see `address_space_bytes`.
    """
    cpu_s = math.ceil(wall_s) + 1
    bounds = {
        resource.RLIMIT_AS: own_bytes + memory_allowance_bytes(limits),
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        # Descriptors that are open stay so; there can be no new ones, for files or for sockets.
        resource.RLIMIT_NOFILE: 0,
    }
    for which, value in bounds.items():
        _, hard = resource.getrlimit(which)
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (least, least))
    # The soft limit is a signal that names the reason; the hard one would be a plain SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    for number in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)


def alarm(wall_s: float) -> None:
    """Have this process killed by SIGALRM after so many seconds, inside whatever call; 0 for not.

    Any earlier alarm is off.
    """
    signal.setitimer(signal.ITIMER_REAL, wall_s)


def memory_allowance_bytes(limits: ClipLimits) -> int:
    """Return what one clip within its limits may need beside the process itself.

    The clip, the frames that are kept of it, and the decoder's own frames.
    """
    decoder_bytes = _DECODER_FRAMES * _BYTES_PER_PIXEL * limits.max_pixels_per_frame
    return 2 * limits.max_bytes + limits.max_decoded_bytes + decoder_bytes + _SLACK_BYTES


def address_space_bytes() -> int:
    """Return the address space that this process uses now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
