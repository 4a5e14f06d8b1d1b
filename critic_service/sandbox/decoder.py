"""What the service decodes clips with: in this process, or each clip in a process of its own.

Raw frames (a safetensors buffer) are a checked header and plain bytes; they are read here in either
case.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from critic_models import errors
from critic_models.types import Clip
from critic_models.video.frames import looks_like_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.load import iter_clip_bytes, load_clip
from critic_models.video.reader import TimedFrame
from critic_models.video.sampling import Sampling, sampling_from_name

from critic_service.errors import DecodeCrashed, DecodeKilled, DecodeTimeout
from critic_service.sandbox.warden import Warden
from critic_service.sandbox.wire import BadMessage, Channel, ChannelClosed

logger = logging.getLogger(__name__)

# The decoder looks at its own clock between packets; this is for what hangs inside one.
GRACE_S = 2.0
MAX_STARTS = 2
_ERRORS = {
    kind.code: kind
    for kind in (errors.ClipError, errors.ClipUnreadable, errors.ClipEmpty, errors.ClipTooLarge)
}
_TIME_SIGNALS = (signal.SIGALRM, signal.SIGXCPU)


class Decoder(Protocol):
    """Turns bytes into frames."""

    def load(self, data: bytes, sampling: Sampling) -> Clip:
        """Return the frames that `sampling` chooses; raises as `critic_models.video.load`."""

    def frames(self, data: bytes) -> Iterator[TimedFrame]:
        """Yield every frame; raises as `critic_models.video.load.iter_clip_bytes`."""

    def close(self) -> None:
        """End whatever was started."""


class InProcessDecoder:
    """Decode in the calling thread."""

    def __init__(self, limits: ClipLimits) -> None:
        self._limits = limits

    def load(self, data: bytes, sampling: Sampling) -> Clip:
        return load_clip(data, sampling, self._limits)

    def frames(self, data: bytes) -> Iterator[TimedFrame]:
        return iter_clip_bytes(data, self._limits)

    def close(self) -> None:
        return None


class SandboxedDecoder:
    """Decode each clip in a process of its own. Thread-safe.

    There are as many helper processes as threads that decode at the same time; they are started
    when they are needed. Beside the errors of a clip, its methods raise `DecodeCrashed`,
    `DecodeKilled` and `DecodeTimeout`.

    Args:
        limits: bounds on one clip.
        grace_s: beyond `max_decode_s`, until a decoder is ended from outside.
        new_warden: starts a helper process.
    """

    def __init__(
        self,
        limits: ClipLimits,
        grace_s: float = GRACE_S,
        new_warden: Callable[[], Warden] = Warden,
    ) -> None:
        self._limits = limits
        self._wall_s = limits.max_decode_s + grace_s
        self._patience_s = self._wall_s + grace_s
        self._new_warden = new_warden
        self._lock = threading.Lock()
        self._idle: list[Warden] = []
        self._closed = False

    def load(self, data: bytes, sampling: Sampling) -> Clip:
        if looks_like_safetensors(data):
            return load_clip(data, sampling, self._limits)
        if sampling_from_name(sampling.name) != sampling:
            raise ValueError(f"{sampling!r} is not what its name says")
        with self._child("clip", data, sampling.name) as channel:
            return self._read_clip(channel, data, sampling)

    def frames(self, data: bytes) -> Iterator[TimedFrame]:
        if looks_like_safetensors(data):
            return iter_clip_bytes(data, self._limits)
        return self._stream(data)

    def close(self) -> None:
        """End the helper processes; those at work end with their clip."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for warden in idle:
            warden.kill()

    def _stream(self, data: bytes) -> Generator[TimedFrame]:
        with self._child("frames", data, None) as channel:
            position = 0
            while (header := _reply(channel, "frame", "end"))["kind"] == "frame":
                self._limits.check("max_source_frames", position + 1)
                shape = self._shape(header, num_axes=3)
                frame = np.empty(shape, np.uint8)
                channel.read_into(_bytes_of(frame))
                yield TimedFrame(position, _number(header, "time_s"), frame)
                position += 1

    def _read_clip(self, channel: Channel, data: bytes, sampling: Sampling) -> Clip:
        header = _reply(channel, "clip")
        num_frames, *size = self._shape(header, num_axes=4)
        self._limits.check_kept(num_frames, size[1], size[0])
        times_s = np.empty(num_frames, np.float64)
        indices = np.empty(num_frames, np.int64)
        frames = np.empty((num_frames, *size), np.uint8)
        for array in (times_s, indices, frames):
            channel.read_into(_bytes_of(array))
        source_num_frames = _count(header.get("source_num_frames"), self._limits.max_source_frames)
        if not (np.isfinite(times_s).all() and 0 <= indices.min() <= indices.max()):
            raise BadMessage("times or positions that cannot be")
        if indices.max() >= source_num_frames:
            raise BadMessage("a frame beyond the last one")
        return Clip(
            frames=frames,
            times_s=times_s,
            source_indices=indices,
            source_num_frames=source_num_frames,
            source_fps=_number(header, "source_fps"),
            duration_s=_number(header, "duration_s"),
            # Not the child's word: a clip must not pass for another one in a cache.
            clip_id=hashlib.sha256(data).hexdigest(),
            sampling=sampling.name,
        )

    def _shape(self, header: dict[str, Any], num_axes: int) -> tuple[int, ...]:
        shape = header.get("shape")
        if not isinstance(shape, list) or len(shape) != num_axes or shape[-1] != 3:
            raise BadMessage("a shape that is not one of frames")
        limit = self._limits.max_source_frames + self._limits.max_side
        shape = tuple(_count(axis, limit) for axis in shape)
        self._limits.check_size(shape[-2], shape[-3])
        return shape

    @contextmanager
    def _child(self, want: str, data: bytes, sampling: str | None) -> Iterator[Channel]:
        """Give a clip to a child; where that ends badly, say how in an error of the clip's own.

        A helper whose child cannot be trusted to end is ended and not used again.
        """
        self._limits.check("max_bytes", len(data))
        warden, sock = self._begin()
        is_well = True
        try:
            with closing(Channel(sock, self._patience_s)) as channel:
                header = {"want": want, "sampling": sampling, "limits": asdict(self._limits)}
                channel.send({**header, "num_bytes": len(data), "wall_s": self._wall_s}, data)
                yield channel
        except TimeoutError:
            is_well = False
            raise self._timeout() from None
        except BadMessage as error:
            is_well = False
            raise DecodeCrashed(f"The decoder answered with {error}.") from None
        except ChannelClosed:
            status = _status_of(warden)
            is_well = status is not None
            raise self._ended_badly(status) from None
        finally:
            self._put_back(warden, is_well)

    def _begin(self) -> tuple[Warden, socket.socket]:
        """Take an idle helper or a new one; one that died while it was idle costs no clip.

        A new one that was ended before it could greet is started once more.
        """
        failed_starts = 0
        while failed_starts < MAX_STARTS:
            with self._lock:
                is_new = not self._idle
                warden = self._new_warden() if is_new else self._idle.pop()
            try:
                return warden, warden.begin()
            except (ChannelClosed, TimeoutError):
                warden.kill()
                failed_starts += is_new
        raise DecodeKilled("No decoding process could be started.")

    def _put_back(self, warden: Warden, is_well: bool) -> None:
        with self._lock:
            is_kept = is_well and not self._closed
            if is_kept:
                self._idle.append(warden)
        if not is_kept:
            warden.kill()

    def _ended_badly(self, status: int | None) -> errors.CriticError:
        if status is None:
            return DecodeKilled("The decoding process was ended from outside.")
        if not os.WIFSIGNALED(status):
            return DecodeCrashed("The decoder ended without an answer.")
        number = os.WTERMSIG(status)
        if number in _TIME_SIGNALS:
            return self._timeout()
        if number == signal.SIGKILL:
            return DecodeKilled("The decoder was ended from outside; the memory may have run out.")
        return DecodeCrashed(f"The decoder crashed with {signal.Signals(number).name}.")

    def _timeout(self) -> DecodeTimeout:
        allowed_s = self._limits.max_decode_s
        return DecodeTimeout(
            f"The decoder hung and was ended; at most {allowed_s:g} s are allowed.",
            limit="max_decode_s",
            allowed=allowed_s,
        )


def _status_of(warden: Warden) -> int | None:
    try:
        return warden.wait_status()
    except (ChannelClosed, TimeoutError):
        return None


def _reply(channel: Channel, *kinds: str) -> dict[str, Any]:
    header = channel.header()
    kind = header.get("kind")
    if kind == "error":
        message, details = header.get("message"), header.get("details")
        error = _ERRORS.get(str(header.get("code")))
        if error is None or not isinstance(message, str) or not isinstance(details, dict):
            raise BadMessage("an error that is none")
        raise _rebuilt(error, message, details)
    if kind == "fault":
        what = str(header.get("what"))[:40]
        logger.warning("the decoder failed with %s", what)
        raise DecodeCrashed(f"The decoder failed with {what}.")
    if kind not in kinds:
        raise BadMessage("something that is no frame")
    return header


def _rebuilt(
    kind: type[errors.ClipError], message: str, details: dict[str, Any]
) -> errors.ClipError:
    error = kind(message)
    error.details = details
    return error


def _count(value: Any, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise BadMessage("a number that is out of bounds")
    return value


def _number(header: dict[str, Any], name: str) -> float:
    value = header.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise BadMessage("a time that is none")
    return float(value)


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.data.cast("B")
