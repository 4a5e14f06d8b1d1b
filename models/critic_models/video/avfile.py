"""Read video files through PyAV: timestamps from packets, frames from the decoder.

The demuxer is named by the caller and may open nothing else: no other file, address or format.
Colours follow the stream's own tags (BT.601 where there are none, as FFmpeg and OpenCV do).
Interlaced frames stay woven, HDR transfer curves are not mapped.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NoReturn

import av
import numpy as np

from critic_models.errors import ClipEmpty, ClipUnreadable
from critic_models.video.alpha import over_black
from critic_models.video.limits import ClipLimits, Deadline
from critic_models.video.orientation import UPRIGHT, Orientation, from_display_matrix
from critic_models.video.sniff import AVI, FileKind
from critic_models.video.source import UnexpectedFramesError
from critic_models.video.timeline import (
    Timeline,
    check_order,
    known_rate,
    known_ticks,
    timeline_at_rate,
    timeline_from_ticks,
)

# Decoders of formats that nobody generates today are the least tested part of FFmpeg.
_CODECS = frozenset(
    {
        *("h264", "hevc", "vvc", "vp8", "vp9", "av1", "theora"),
        *("mpeg1video", "mpeg2video", "mpeg4", "h263", "flv1", "msmpeg4v3"),
        *("mjpeg", "prores", "dnxhd", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo"),
        *("png", "apng", "gif", "qtrle"),
    }
)
_DECODERS = _CODECS | {"libdav1d", "libaom-av1", "libvpx", "libvpx-vp9", "mpegvideo"}


@dataclass(frozen=True)
class _Packet:
    ticks: int | None  # of presentation, or None; in AVI the number of its chunk
    duration: int
    is_corrupt: bool


class AvFile:
    """One video file in memory, read from its start by every call that reads it.

    Not thread-safe; use one per call. `num_threads` is what the decoder may use.
    """

    def __init__(self, data: bytes, kind: FileKind, limits: ClipLimits, num_threads: int) -> None:
        self._data = data
        self._kind = kind
        self._limits = limits
        self._num_threads = num_threads
        self._orientation: Orientation | None = None
        self._avi_times_s = np.zeros(0)
        self._reformatter = av.video.reformatter.VideoReformatter()
        with self._open() as (container, stream):
            codec = stream.codec_context
            self.codec = str(codec.codec.canonical_name)
            self.header_size = _size(stream)
            self.pixel_aspect = float(stream.sample_aspect_ratio or 1) or 1.0
            self._rate = stream.average_rate or stream.guessed_rate
            self._time_base = Fraction(stream.time_base)
            self.claimed_frames = _claimed_frames(container, stream)
            if self.codec not in _CODECS:
                raise ClipUnreadable(
                    f"The codec {self.codec} is not accepted; "
                    f"allowed are {', '.join(sorted(_CODECS))}.",
                    codec=self.codec,
                )
            if container.duration is not None:
                limits.check("max_duration_s", container.duration / 1_000_000)
        if min(self.header_size) < 1:
            self._refuse_unsized()
        limits.check_size(*self.header_size)

    @property
    def rotation_degrees(self) -> int:
        return (self._orientation or UPRIGHT).degrees

    def packet_timeline(self, deadline: Deadline) -> Timeline:
        """Read the timeline from the packets alone."""
        packets = self._packets(deadline)
        whole = sum(not packet.is_corrupt for packet in packets)
        if whole < len(packets):
            raise self._incomplete(whole, max(self.claimed_frames or 0, len(packets)))
        if any(packet.ticks is None for packet in packets):
            return self.decoded_timeline(deadline)
        shown = sorted((known_ticks(packet.ticks), packet.duration) for packet in packets)
        timeline = timeline_from_ticks(shown, self._time_base, self._rate)
        if self._kind is AVI:
            # Chunks are numbered as they are stored: in order that is when frames are shown, but
            # a decoded frame carries the number of another one.
            timeline = replace(timeline, ticks=None)
            self._avi_times_s = timeline.times_s
        return timeline

    def decoded_timeline(self, deadline: Deadline) -> Timeline:
        """Read the timeline from every decoded frame."""
        shown: list[tuple[int | None, int]] = []
        for frame in self._decoded(deadline):
            shown.append((frame.pts, frame.duration))
            self._limits.check("max_source_frames", len(shown))
        if not shown:
            raise ClipEmpty("No frame of the clip could be decoded.")
        if self._kind is AVI or all(ticks is None for ticks, _ in shown):
            return timeline_at_rate(len(shown), self._rate)
        known = [(known_ticks(ticks), duration) for ticks, duration in shown]
        return timeline_from_ticks(known, self._time_base, self._rate)

    def frames(self, deadline: Deadline, expected: Timeline | None) -> Generator[AvFrame]:
        """Yield every frame in order of presentation, without converting it."""
        first: int | None = None
        last_s = 0.0
        count = 0
        for count, frame in enumerate(self._decoded(deadline), start=1):
            if expected is not None:
                if count > expected.num_frames:
                    raise UnexpectedFramesError
                if expected.ticks is not None and frame.pts != expected.ticks[count - 1]:
                    raise UnexpectedFramesError
                time_s = float(expected.times_s[count - 1])
            elif self._kind is AVI and count <= len(self._avi_times_s):
                time_s = float(self._avi_times_s[count - 1])
            elif self._kind is AVI or (frame.pts is None and first is None):
                time_s = float((count - 1) / known_rate(self._rate))
            else:
                ticks = known_ticks(frame.pts)
                first = ticks if first is None else first
                time_s = float((ticks - first) * self._time_base)
                check_order(count - 1, last_s, time_s)
                self._limits.check("max_duration_s", time_s)
            self._limits.check("max_source_frames", count)
            last_s = time_s
            yield AvFrame(frame, time_s, self._upright(frame), self._reformatter)
        if expected is not None and count != expected.num_frames:
            raise UnexpectedFramesError
        if count == 0:
            raise ClipEmpty("No frame of the clip could be decoded.")

    def _packets(self, deadline: Deadline) -> list[_Packet]:
        packets: list[_Packet] = []
        with self._open() as (container, stream):
            self._limits.check("max_source_frames", stream.frames)
            try:
                for packet in container.demux(stream):
                    deadline.check()
                    # Packets before an edit list's first frame are decoded but never shown.
                    if packet.size == 0 or packet.is_discard:
                        continue
                    ticks = packet.dts if self._kind is AVI else packet.pts
                    packets.append(_Packet(ticks, packet.duration or 0, packet.is_corrupt))
                    self._limits.check("max_source_frames", len(packets))
            except av.FFmpegError as error:
                raise self._incomplete(len(packets), self.claimed_frames) from error
        if not packets:
            raise ClipEmpty("The clip has a video stream without any frame.")
        return packets

    def _decoded(self, deadline: Deadline) -> Iterator[av.VideoFrame]:
        count = 0
        with self._open() as (container, stream):
            decoder = stream.codec_context
            decoder.thread_count = self._num_threads
            decoder.thread_type = "AUTO"
            # Else a decoder drops what it cannot restore, and a damaged clip looks merely short.
            decoder.flags |= av.codec.context.Flags.output_corrupt
            decoder.options = {"max_pixels": self._max_pixels}
            try:
                for packet in _with_flush(container.demux(stream)):
                    for frame in decoder.decode(packet):
                        deadline.check()
                        self._limits.check_size(frame.width, frame.height)
                        if frame.is_corrupt:
                            raise self._incomplete(count, self.claimed_frames)
                        count += 1
                        yield frame
                    deadline.check()
            except av.FFmpegError as error:
                raise self._incomplete(count, self.claimed_frames) from error

    @staticmethod
    def _incomplete(found: int, total: int | None) -> ClipUnreadable:
        of = f"of {total} frames" if total is not None and total > found else "frames"
        return ClipUnreadable(
            f"The clip is damaged or cut: {found} {of} could be read before the fault.",
            frames_read=found,
            frames_claimed=total,
        )

    def _upright(self, frame: av.VideoFrame) -> Orientation:
        if self._orientation is None:
            matrix = frame.side_data.get("DISPLAYMATRIX")
            self._orientation = UPRIGHT if matrix is None else from_display_matrix(bytes(matrix))
        return self._orientation

    def _refuse_unsized(self) -> NoReturn:
        """Say what the container claims, where FFmpeg's own limit has hidden it."""
        with self._open(decoders=frozenset()) as (_, stream):
            size = _size(stream)
        if min(size) > 0:
            self._limits.check_size(*size)
        raise ClipUnreadable("The stream does not say how large its frames are.")

    @property
    def _max_pixels(self) -> str:
        # A backstop for memory inside FFmpeg, which counts pixels with the padding of blocks.
        return str(2 * self._limits.max_pixels_per_frame + 2**16)

    @contextmanager
    def _open(
        self, decoders: frozenset[str] = _DECODERS
    ) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
        options = {
            "protocol_whitelist": "",
            "format_whitelist": self._kind.demuxer or "",
            "codec_whitelist": ",".join(sorted(decoders)) or "none",
            "max_pixels": self._max_pixels,
        }
        try:
            container = av.open(
                io.BytesIO(self._data),
                mode="r",
                format=self._kind.demuxer,
                options=options,
                metadata_errors="replace",
            )
        except av.FFmpegError as error:
            raise ClipUnreadable(
                f"The file starts like {self._kind.name} but cannot be opened: {error.strerror}.",
                container=self._kind.name,
            ) from error
        with container:
            yield container, _video_stream(container)


class AvFrame:
    """A decoded frame; converted to RGB only when asked."""

    def __init__(
        self,
        frame: av.VideoFrame,
        time_s: float,
        orientation: Orientation,
        reformatter: av.video.reformatter.VideoReformatter,
    ) -> None:
        self.time_s = time_s
        self._frame = frame
        self._orientation = orientation
        self._reformatter = reformatter

    def rgb(self) -> np.ndarray:
        """Convert to uint8 `[H, W, 3]`, upright, any transparency over black."""
        stored = self._frame.format
        has_alpha = stored.has_palette or any(part.is_alpha for part in stored.components)
        target = "rgba" if has_alpha else "rgb24"
        try:
            frame = self._reformatter.reformat(self._frame, format=target, threads=1)
        except av.FFmpegError as error:
            raise ClipUnreadable(f"Pixels of the kind {stored.name} cannot be made RGB.") from error
        converted = frame.to_ndarray()
        return self._orientation.apply(over_black(converted) if has_alpha else converted)


def _with_flush(packets: Iterator[av.Packet]) -> Iterator[av.Packet | None]:
    """Yield the packets that hold data, then None, which makes a decoder give up its last frames.

    An empty packet inside a stream (a repeated frame in AVI) would end the decoder early.
    """
    for packet in packets:
        if packet.size:
            yield packet
    yield None


def _size(stream: av.VideoStream) -> tuple[int, int]:
    return int(stream.codec_context.width), int(stream.codec_context.height)


def _claimed_frames(container: av.container.InputContainer, stream: av.VideoStream) -> int | None:
    if stream.frames:
        return int(stream.frames)
    if container.duration is None or not stream.average_rate:
        return None
    return round(container.duration * stream.average_rate / 1_000_000)


def _video_stream(container: av.container.InputContainer) -> av.VideoStream:
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        others = ", ".join(sorted({stream.type for stream in container.streams}))
        raise ClipUnreadable(f"The file has no video stream{', only ' if others else ''}{others}.")
    stream = streams[0]
    if stream.codec_context is None:
        raise ClipUnreadable("This build has no decoder for the video stream.")
    return stream
