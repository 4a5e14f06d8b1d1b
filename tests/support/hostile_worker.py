"""A decoding process in which some "files" do what a hostile one might bring a decoder to do."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from critic_models.errors import ClipUnreadable
from critic_models.video import load

from critic_service.sandbox import worker


def told(work: Any) -> None:
    """Do what should not be possible; say with which error of the system it failed."""
    try:
        work()
    except OSError as error:
        raise ClipUnreadable(f"errno {error.errno}") from None
    raise ClipUnreadable("it was possible")


def spin() -> None:
    while True:
        pass


def allocate() -> None:
    held = []
    while True:
        held.append(np.empty(2**26, np.uint8))


def connect() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=1)


DEEDS = {
    b"spin": spin,
    b"sleep": lambda: time.sleep(60),
    b"allocate": allocate,
    b"crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    b"leave": lambda: os._exit(0),
    b"raise": lambda: 1 // 0,
    b"write": lambda: told(lambda: Path("/tmp/critic-sandbox-test").write_text("x")),  # noqa: S108
    b"read": lambda: told(lambda: Path("/etc/hostname").read_text()),
    b"connect": lambda: told(connect),
    b"environment": lambda: told(lambda: (_ for _ in ()).throw(OSError(len(os.environ), ""))),
}


def load_clip(data: bytes, *rest: Any) -> Any:
    if data in DEEDS:
        DEEDS[data]()
    return load.load_clip(data, *rest)


if __name__ == "__main__":
    worker.load_clip = load_clip  # type: ignore[attr-defined]
    worker.serve(socket.socket(fileno=int(sys.argv[1])), b"s")
