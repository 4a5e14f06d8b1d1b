"""Every number that bounds the work one clip may cause, by name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from critic_models.errors import ClipError, ClipTooLarge

MaximumName = Literal[
    "max_bytes",
    "max_pixels_per_frame",
    "max_side",
    "max_source_frames",
    "max_duration_s",
    "max_decoded_bytes",
    "max_decode_s",
]

_SENTENCES: dict[MaximumName, str] = {
    "max_bytes": "The clip has {found} bytes; at most {allowed} are allowed.",
    "max_pixels_per_frame": "A frame has {found} pixels; at most {allowed} are allowed.",
    "max_side": "A side of the frame is {found} pixels; at most {allowed} are allowed.",
    "max_source_frames": "The clip has {found} frames or more; at most {allowed} are allowed.",
    "max_duration_s": "The clip lasts {found} s; at most {allowed} s are allowed.",
    "max_decoded_bytes": "The chosen frames need {found} bytes; at most {allowed} are allowed.",
    "max_decode_s": "Decoding took {found} s and was stopped; at most {allowed} s are allowed.",
}


@dataclass(frozen=True)
class ClipLimits:
    """Bounds on one clip. Checked from headers before decoding, and again while decoding.

    Attributes:
        max_bytes: encoded bytes, or bytes of a raw-frames buffer.
        max_pixels_per_frame: width times height of one frame.
        max_side: longer side of a frame, in pixels.
        min_side: shorter side of a frame, in pixels.
        max_source_frames: frames in the source, whatever the sampling keeps of them.
        max_duration_s: length of the source in seconds.
        max_decoded_bytes: RGB bytes of the frames that are kept.
        max_decode_s: wall time of one call in seconds. Checked between packets: the decoder
            cannot be stopped inside one.
    """

    max_bytes: int = 256 * 2**20
    max_pixels_per_frame: int = 4096 * 2304
    max_side: int = 8192
    min_side: int = 8
    max_source_frames: int = 10_000
    max_duration_s: float = 600.0
    max_decoded_bytes: int = 2**30
    max_decode_s: float = 60.0

    def check(self, limit: MaximumName, found: float) -> None:
        """Raise `ClipTooLarge` when `found` is above the limit of that name.

        Raises:
            ClipTooLarge: with `details` `limit`, `allowed` and `found`.
        """
        allowed = getattr(self, limit)
        if found > allowed:
            message = _SENTENCES[limit].format(found=_plain(found), allowed=_plain(allowed))
            raise ClipTooLarge(message, limit=limit, allowed=allowed, found=found)

    def check_size(self, width: int, height: int) -> None:
        """Check the three limits on the size of a frame, in pixels.

        Raises:
            ClipTooLarge: `max_side` or `max_pixels_per_frame` is exceeded.
            ClipError: the shorter side is below `min_side`.
        """
        if min(width, height) < self.min_side:
            raise ClipError(
                f"The frame is {width}x{height} pixels; "
                f"each side must have at least {self.min_side}.",
                limit="min_side",
                allowed=self.min_side,
                found=min(width, height),
            )
        self.check("max_side", max(width, height))
        self.check("max_pixels_per_frame", width * height)

    def check_kept(self, num_frames: int, width: int, height: int) -> None:
        """Check that `num_frames` RGB frames of this size may be held in memory."""
        self.check("max_decoded_bytes", num_frames * width * height * 3)


DEFAULT_LIMITS = ClipLimits()


class Deadline:
    """The wall time left of `max_decode_s`, counted from construction without pauses."""

    def __init__(self, limits: ClipLimits) -> None:
        self._limits = limits
        self._start_s = time.monotonic()

    def check(self) -> None:
        """Raise `ClipTooLarge` once the time is used up."""
        self._limits.check("max_decode_s", time.monotonic() - self._start_s)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while somebody else has the turn."""
        stopped_s = time.monotonic()
        try:
            yield
        finally:
            self._start_s += time.monotonic() - stopped_s


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.6g}"
