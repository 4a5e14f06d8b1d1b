"""Read PNG, JPEG and WebP (still or animated) through Pillow.

FFmpeg before 8.1 cannot decode an animated WebP, and a still needs no demuxer. Sizes and frame
counts are checked before pixels are decoded.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from critic_models.errors import ClipTooLarge, ClipUnreadable
from critic_models.video.alpha import over_black
from critic_models.video.limits import ClipLimits, Deadline
from critic_models.video.sniff import WEBP, FileKind
from critic_models.video.timeline import Timeline

STILL_S = 1.0  # how long a still picture lasts as a clip
_MAX_CHUNKS = 200_000
_UNTIMED_MS = 100  # what browsers give a frame whose duration is zero

# What Pillow's parsers are known to raise on damaged files.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error)


class StillFile:
    """A picture, or an animated WebP, in memory. Not thread-safe; use one per call."""

    pixel_aspect = 1.0

    def __init__(self, data: bytes, kind: FileKind, limits: ClipLimits) -> None:
        self._data = data
        self._kind = kind
        self._limits = limits
        self.codec = kind.name
        self._durations_ms = _webp_durations_ms(data, limits) if kind is WEBP else []
        self.claimed_frames = len(self._durations_ms) or 1
        self.rotation_degrees = 0
        with self._open() as image:
            self.header_size = image.size
            limits.check_size(*image.size)

    def packet_timeline(self, deadline: Deadline) -> Timeline:
        """Read the timeline from the chunks of the file alone."""
        if not self._durations_ms:
            return Timeline(np.zeros(1), STILL_S)
        ends_s = np.cumsum(self._durations_ms) / 1000
        return Timeline(np.concatenate(([0.0], ends_s[:-1])), float(ends_s[-1]))

    # The chunks are the only timeline that these files have.
    decoded_timeline = packet_timeline

    def frames(self, deadline: Deadline, expected: Timeline | None) -> Generator[StillFrame]:
        """Yield every frame in order, without converting it."""
        times_s = (expected or self.packet_timeline(deadline)).times_s
        with self._open() as image:
            if getattr(image, "n_frames", 1) != len(times_s):
                raise ClipUnreadable(
                    f"The file declares {len(times_s)} frames and holds another number."
                )
            for index, time_s in enumerate(times_s):
                try:
                    image.seek(index)
                    image.load()
                except _PILLOW_ERRORS as error:
                    raise ClipUnreadable(
                        f"The picture is damaged or cut: {index} of {len(times_s)} frames "
                        "could be read before the fault.",
                        frames_read=index,
                        frames_claimed=len(times_s),
                    ) from error
                deadline.check()
                yield StillFrame(image, float(time_s))

    @contextmanager
    def _open(self) -> Iterator[Image.Image]:
        try:
            image = Image.open(io.BytesIO(self._data), formats=[self._kind.name.upper()])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ClipTooLarge(
                f"The picture is far above {self._limits.max_pixels_per_frame} pixels.",
                limit="max_pixels_per_frame",
                allowed=self._limits.max_pixels_per_frame,
                found=None,
            ) from error
        except _PILLOW_ERRORS as error:
            raise ClipUnreadable(
                f"The file starts like {self._kind.name} but cannot be opened.",
                container=self._kind.name,
            ) from error
        with image:
            yield image


class StillFrame:
    """A decoded picture; valid until the next one is read."""

    def __init__(self, image: Image.Image, time_s: float) -> None:
        self.time_s = time_s
        self._image = image

    def rgb(self) -> np.ndarray:
        """Convert to uint8 `[H, W, 3]`, upright by EXIF, any transparency over black."""
        try:
            image = ImageOps.exif_transpose(self._image)
            if image.mode.startswith("I;16") or image.mode == "I":
                # Pillow clips 16-bit gray instead of scaling it.
                gray = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                return np.repeat(gray[..., None], 3, axis=2)
            if image.has_transparency_data:
                return over_black(np.asarray(image.convert("RGBA")))
            return np.asarray(image.convert("RGB"))
        except _PILLOW_ERRORS as error:
            raise ClipUnreadable("The picture cannot be converted to RGB.") from error


def _webp_durations_ms(data: bytes, limits: ClipLimits) -> list[int]:
    """Return the milliseconds of each frame of an animated WebP; empty for a still one.

    The layout is RFC 9649: chunks of `kind, size, payload`, padded to even sizes; the duration is
    24 bits of milliseconds at byte 12 of an `ANMF` payload.
    """
    durations_ms: list[int] = []
    start = 12
    for _ in range(_MAX_CHUNKS):
        if start + 8 > len(data):
            return durations_ms
        kind, size = struct.unpack_from("<4sI", data, start)
        if kind == b"ANMF":
            milliseconds = int.from_bytes(data[start + 20 : start + 23], "little")
            durations_ms.append(milliseconds or _UNTIMED_MS)
            limits.check("max_source_frames", len(durations_ms))
        start += 8 + size + size % 2
    raise ClipTooLarge(
        f"The file has more than {_MAX_CHUNKS} chunks.",
        limit="max_chunks",
        allowed=_MAX_CHUNKS,
        found=_MAX_CHUNKS + 1,
    )
