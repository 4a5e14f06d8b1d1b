"""Messages over a socket: a JSON header behind its length, then plain bytes.

The header is read under a bound, the bytes into memory that the reader has measured out by itself.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

MAX_HEADER_BYTES = 2**16
_LENGTH = struct.Struct("!I")


class ChannelClosed(Exception):
    """The other end closed the socket, or died, before the message was whole."""


class BadMessage(Exception):
    """What came is not a message, or not the one that belongs here."""


class Channel:
    """One end of a socket over which messages go.

    Args:
        sock: is closed with the channel.
        timeout_s: of sending or receiving one piece: a header, or the bytes behind it.

    Every method raises `ChannelClosed`, and `TimeoutError` where a timeout is given.
    """

    def __init__(self, sock: socket.socket, timeout_s: float | None = None) -> None:
        self._socket = sock
        self._timeout_s = timeout_s

    def send(self, header: dict[str, Any], *payload: bytes | memoryview) -> None:
        """Send a message; what is in `payload` follows the header as it is."""
        text = json.dumps(header, default=str).encode()
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(_LENGTH.pack(len(text)) + text)
            for piece in payload:
                self._socket.settimeout(self._timeout_s)
                self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            raise ChannelClosed from None

    def header(self) -> dict[str, Any]:
        """Receive a header.

        Raises:
            BadMessage: it is too long, or not a JSON object.
        """
        (length,) = _LENGTH.unpack(self.read(_LENGTH.size))
        if length > MAX_HEADER_BYTES:
            raise BadMessage(f"a header of {length} bytes")
        try:
            header = json.loads(self.read(length))
        except (ValueError, RecursionError):
            raise BadMessage("a header that is not JSON") from None
        if not isinstance(header, dict):
            raise BadMessage("a header that is not an object")
        return header

    def read(self, num_bytes: int) -> bytearray:
        """Receive exactly so many bytes."""
        data = bytearray(num_bytes)
        self.read_into(memoryview(data))
        return data

    def read_into(self, view: memoryview) -> None:
        """Receive until `view`, of single bytes, is full."""
        end_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while view:
            if end_s is not None:
                self._socket.settimeout(max(1e-3, end_s - time.monotonic()))
            try:
                count = self._socket.recv_into(view)
            except ConnectionResetError:
                raise ChannelClosed from None
            if not count:
                raise ChannelClosed
            view = view[count:]
            if end_s is not None and view and time.monotonic() >= end_s:
                raise TimeoutError

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
