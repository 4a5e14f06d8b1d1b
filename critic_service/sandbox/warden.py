"""One helper process, as its parent sees it: give it a clip's socket, ask how its child ended."""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import subprocess
import sys

from critic_service.sandbox.wire import ChannelClosed

logger = logging.getLogger(__name__)

NETWORK_EMPTY = b"e"
NETWORK_SHARED = b"s"
STATUS = struct.Struct("!i")
START_S = 30.0
END_S = 2.0
# Keys and addresses of the service are in its environment: the helper gets none of that.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_MODULE = "critic_service.sandbox"


class Warden:
    """A helper process that works on one clip at a time. Not thread-safe.

    Args:
        module: what is run; it speaks as `critic_service.sandbox.worker` does.
    """

    def __init__(self, module: str = _MODULE) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter that runs this
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._has_greeted = False
        self._has_child = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self) -> socket.socket:
        """Have a child made for one clip, and return the socket on which it listens.

        The child before it has ended by then: it is not waited for until it is in the way.

        Raises:
            ChannelClosed: the process is not there any more, or could not start.
            TimeoutError: it does not start, or its child does not end.
        """
        self._await_greeting()
        if self._has_child:
            self.wait_status()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            except (BrokenPipeError, ConnectionResetError):
                ours.close()
                raise ChannelClosed from None
        self._has_child = True
        return ours

    def wait_status(self) -> int:
        """Return how the child ended, as `os.waitpid` tells it.

        Raises:
            ChannelClosed: the process has ended itself.
            TimeoutError: the child has not ended.
        """
        (status,) = STATUS.unpack(self._receive(STATUS.size, END_S))
        self._has_child = False
        return int(status)

    def kill(self) -> None:
        """End the process and its child at once."""
        # The process leads a group of its own and is not reaped before this: the number is its own.
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._control.close()
        self._process.wait()

    def _await_greeting(self) -> None:
        if self._has_greeted:
            return
        greeting = self._receive(1, START_S)
        self._has_greeted = True
        logger.info(
            "a decoding process is ready; it has %s",
            "no network" if greeting == NETWORK_EMPTY else "the service's network",
        )

    def _receive(self, num_bytes: int, timeout_s: float) -> bytes:
        self._control.settimeout(timeout_s)
        try:
            data = self._control.recv(num_bytes, socket.MSG_WAITALL)
        except ConnectionResetError:
            raise ChannelClosed from None
        if len(data) < num_bytes:
            raise ChannelClosed
        return data


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(folder for folder in sys.path if folder)
    return {**kept, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
