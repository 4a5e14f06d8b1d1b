"""Clips that callers sent ahead, kept for a while: one that is judged ten times travels once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from critic_service.errors import ClipUnknown


@dataclass(frozen=True)
class _Kept:
    data: bytes
    expires_at_s: float


class ClipStore:
    """Bytes by the hash of their content, bounded in size and time; for any thread.

    Where the room is full, the clips that nobody asked about for longest go first. A clip that a
    call has read stays with the call.

    Args:
        max_bytes: of all clips together.
        keep_s: how long after it was last sent or read a clip can be named.
        clock: seconds that only grow.
    """

    def __init__(
        self, max_bytes: int, keep_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_bytes = max_bytes
        self.keep_s = keep_s
        self._clock = clock
        self._lock = threading.Lock()
        # Every use moves a clip to the end and prolongs it, so the first one expires first.
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._num_bytes = 0

    @property
    def num_bytes(self) -> int:
        """Size of what is kept now."""
        with self._lock:
            self._forget_expired()
            return self._num_bytes

    def put(self, clip_id: str, data: bytes) -> None:
        """Keep a clip; one that is there already is kept for longer. It must not exceed the room.

        Raises:
            ValueError: the clip alone is larger than the store.
        """
        if len(data) > self.max_bytes:
            raise ValueError(f"{len(data)} bytes do not fit into {self.max_bytes}")
        with self._lock:
            self._forget_expired()
            self._drop(clip_id)
            while self._num_bytes + len(data) > self.max_bytes:
                self._drop(next(iter(self._kept)))
            self._keep(clip_id, data)

    def get(self, clip_id: str) -> bytes:
        """Return a clip's bytes, and keep them for longer.

        Raises:
            ClipUnknown: it was never sent, has expired, or had to make room.
        """
        with self._lock:
            self._forget_expired()
            kept = self._kept.get(clip_id)
            if kept is None:
                raise ClipUnknown(
                    "no clip is kept under this id: it was not sent, has expired or had to make "
                    "room; send it again",
                    clip_id=clip_id,
                )
            self._drop(clip_id)
            self._keep(clip_id, kept.data)
            return kept.data

    def _keep(self, clip_id: str, data: bytes) -> None:
        self._kept[clip_id] = _Kept(data, self._clock() + self.keep_s)
        self._num_bytes += len(data)

    def _drop(self, clip_id: str) -> None:
        kept = self._kept.pop(clip_id, None)
        if kept is not None:
            self._num_bytes -= len(kept.data)

    def _forget_expired(self) -> None:
        now_s = self._clock()
        while self._kept:
            clip_id, oldest = next(iter(self._kept.items()))
            if oldest.expires_at_s > now_s:
                return
            self._drop(clip_id)
