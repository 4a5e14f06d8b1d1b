"""Clips that the tests write themselves: every frame tells its own number by its brightness."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

Encode = Callable[..., bytes]
Repack = Callable[..., bytes]
STEP = 8


def numbered(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames whose gray level is their number times 8, with a corner that marks what is up."""
    frames = np.empty((num_frames, height, width, 3), dtype=np.uint8)
    frames[:] = (np.arange(num_frames) * STEP).astype(np.uint8)[:, None, None, None]
    frames[:, : height // 4, : width // 4] = (255, 0, 0)
    return frames


def numbers(frames: np.ndarray) -> list[int]:
    """Read the numbers back from the middle of each frame."""
    height, width = frames.shape[1:3]
    middle = frames[:, height // 2 :, width // 2 :].astype(np.float64)
    return [round(value / STEP) for value in middle.mean(axis=(1, 2, 3))]


def encode(
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    container: str = "mp4",
    pix_fmt: str = "yuv420p",
    rate: int = 30,
    options: dict[str, str] | None = None,
    ticks: Sequence[int] | None = None,
    setup: Callable[[av.VideoStream], None] | None = None,
    muxer: dict[str, str] | None = None,
) -> bytes:
    """Encode uint8 `[T, H, W, 3 or 4]`; `ticks` are presentation times in 1/100 s."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=muxer or {}) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.options = options or {}
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 100)
        if setup is not None:
            setup(stream)
        for index, frame in enumerate(frames):
            kind = "rgb24" if frame.shape[2] == 3 else "rgba"
            picture = av.VideoFrame.from_ndarray(frame, format=kind)
            if ticks is not None:
                picture.pts, picture.time_base = ticks[index], Fraction(1, 100)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return buffer.getvalue()


def repack(
    data: bytes,
    *,
    container: str = "matroska",
    edit: Callable[[int, av.Packet], av.Packet | None],
) -> bytes:
    """Write the packets of a file anew; `edit` may change or drop each."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(buffer, "w", format=container) as output:
        stream = source.streams.video[0]
        copy = output.add_stream_from_template(stream)
        for index, packet in enumerate(source.demux(stream)):
            if packet.size == 0:
                continue
            edited = edit(index, packet)
            if edited is not None:
                edited.stream = copy
                output.mux(edited)
    return buffer.getvalue()


def clone(packet: av.Packet, payload: bytes) -> av.Packet:
    """Return a packet with another payload and the same times."""
    copy = av.Packet(payload)
    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
    copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
    return copy


@pytest.fixture(scope="session")
def clips() -> Any:
    """The helpers above, for tests in modules that cannot import each other."""

    class Clips:
        pass

    for helper in (numbered, numbers, encode, repack, clone):
        setattr(Clips, helper.__name__, staticmethod(helper))
    return Clips


@pytest.fixture(scope="session")
def h264(clips: Any) -> bytes:
    """30 frames at 30 fps in MP4, with B-frames."""
    return clips.encode(clips.numbered(30))
