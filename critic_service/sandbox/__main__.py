"""Start the helper process: `python -m critic_service.sandbox CONTROL_DESCRIPTOR`."""

from __future__ import annotations

import signal
import socket
import sys

from critic_service.sandbox import confine
from critic_service.sandbox.warden import NETWORK_EMPTY, NETWORK_SHARED


def main() -> None:
    """Give up what can be given up, then load the decoders and serve."""
    # A supervisor that stops the service signals its children too, while clips that were admitted
    # are still to be decoded; this process ends when its parent closes the control socket.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    # A namespace can be entered only while there is one thread, and NumPy may start more.
    is_empty = confine.enter_empty_network()
    confine.renounce_privileges()
    from critic_service.sandbox.worker import serve

    control = socket.socket(fileno=int(sys.argv[1]))
    serve(control, NETWORK_EMPTY if is_empty else NETWORK_SHARED)


if __name__ == "__main__":
    main()
