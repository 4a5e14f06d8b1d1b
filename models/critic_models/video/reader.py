"""Open one encoded file under its limits, and read the frames that are wanted of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple

import numpy as np

from critic_models.errors import ClipEmpty, ClipUnreadable
from critic_models.video import isobmff
from critic_models.video.avfile import AvFile
from critic_models.video.limits import ClipLimits, Deadline
from critic_models.video.sampling import Sampling, chosen_indices
from critic_models.video.sniff import MP4, FileKind, declared_bytes, sniff
from critic_models.video.source import FrameSource
from critic_models.video.stills import StillFile


class TimedFrame(NamedTuple):
    """One frame of a stream: its position, its time in seconds, and uint8 `[H, W, 3]` RGB."""

    position: int
    time_s: float
    frame: np.ndarray


class ClipReader:
    """One file, opened under its limits, with its timeline."""

    def __init__(self, data: bytes, limits: ClipLimits, num_threads: int) -> None:
        """Open the file and read its timeline; raise what `decode` raises."""
        limits.check("max_bytes", len(data))
        self._limits = limits
        self._deadline = Deadline(limits)
        kind = sniff(data)
        self.container = kind.name
        if kind is MP4:
            isobmff.check_tables(data, limits)
        claimed_bytes = declared_bytes(data, kind)
        try:
            self.source = _open(data, kind, limits, num_threads)
            self.timeline = self.source.packet_timeline(self._deadline)
        except (ClipEmpty, ClipUnreadable) as error:
            if claimed_bytes is not None and claimed_bytes > len(data):
                raise _cut(len(data), claimed_bytes, **error.details) from error
            raise
        if claimed_bytes is not None and claimed_bytes > len(data):
            num_frames, claimed = self.timeline.num_frames, self.source.claimed_frames
            raise _cut(len(data), claimed_bytes, num_frames, claimed)
        self.timeline.check(limits)

    def count_decoded(self) -> None:
        """Replace the timeline by what the decoder really shows."""
        self.timeline = self.source.decoded_timeline(self._deadline)
        self.timeline.check(self._limits)

    def collect(self, policy: Sampling) -> tuple[np.ndarray, np.ndarray]:
        """Return the frames that `policy` chooses, and their positions."""
        timeline = self.timeline
        indices = chosen_indices(policy, timeline.num_frames, timeline.fps, timeline.times_s)
        self._limits.check_kept(len(indices), *self.source.header_size)
        wanted = frozenset(indices.tolist())
        kept = KeptFrames(indices, self._limits)
        with closing(self.source.frames(self._deadline, timeline)) as frames:
            for index, frame in enumerate(frames):
                if index in wanted:
                    kept.put(index, frame.rgb())
                if index == indices[-1]:
                    break
        return kept.frames, indices

    def frames(self) -> Generator[TimedFrame]:
        """Yield every frame; the time that the caller takes with one does not count."""
        shape: tuple[int, ...] | None = None
        with closing(self.source.frames(self._deadline, None)) as frames:
            for index, frame in enumerate(frames):
                rgb = np.ascontiguousarray(frame.rgb())
                shape = shape or rgb.shape
                _check_shape(index, rgb.shape, shape, self._limits)
                with self._deadline.paused():
                    yield TimedFrame(index, frame.time_s, rgb)


class KeptFrames:
    """The chosen frames while they come in, in one array that is allocated once."""

    def __init__(self, indices: np.ndarray, limits: ClipLimits) -> None:
        self._indices = indices
        self._limits = limits
        self.frames = np.empty((len(indices), 0, 0, 3), dtype=np.uint8)

    def put(self, index: int, rgb: np.ndarray) -> None:
        """Copy the frame of this position to every row that asks for it."""
        if self.frames.size == 0:
            height, width, _ = rgb.shape
            self._limits.check_kept(len(self._indices), width, height)
            self.frames = np.empty((len(self._indices), *rgb.shape), dtype=np.uint8)
        _check_shape(index, rgb.shape, self.frames.shape[1:], self._limits)
        self.frames[self._indices == index] = rgb


def _check_shape(
    index: int, shape: tuple[int, ...], first: tuple[int, ...], limits: ClipLimits
) -> None:
    limits.check_size(shape[1], shape[0])
    if shape != first:
        raise ClipUnreadable(
            f"Frame {index} is {shape[1]}x{shape[0]} pixels, an earlier one "
            f"{first[1]}x{first[0]}; all frames of a clip must have one size."
        )


def _open(data: bytes, kind: FileKind, limits: ClipLimits, num_threads: int) -> FrameSource:
    if kind.demuxer is None:
        return StillFile(data, kind, limits)
    return AvFile(data, kind, limits, num_threads)


def _cut(
    num_bytes: int,
    claimed_bytes: int,
    frames_read: int = 0,
    frames_claimed: int | None = None,
    **_: object,
) -> ClipUnreadable:
    known = frames_claimed is not None and frames_claimed > frames_read
    of = f"of {frames_claimed} frames" if known else "frames"
    return ClipUnreadable(
        f"The file is cut: it has {num_bytes} of at least {claimed_bytes} bytes, "
        f"and {frames_read} {of} are in them.",
        frames_read=frames_read,
        frames_claimed=frames_claimed,
        bytes_read=num_bytes,
        bytes_claimed=claimed_bytes,
    )
