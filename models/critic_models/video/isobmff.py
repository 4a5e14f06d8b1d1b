"""The few facts of an MP4 or MOV file that must be known before a demuxer may allocate for it.

A table of samples can claim 2^32 entries in a file of 200 bytes, and a demuxer builds its whole
index on opening. The claims are read here first, from the boxes alone (ISO/IEC 14496-12).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from critic_models.errors import ClipTooLarge
from critic_models.video.limits import ClipLimits

_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"})
_ESSENTIAL = frozenset({b"moov", b"moof", b"mdat"})
_MAX_DEPTH = 8
_MAX_BOXES = 200_000
_MAX_OTHER_SAMPLES = 1_000_000


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int  # of the payload
    end: int  # one past the payload, as the header claims, which may lie beyond the file


def end_of_boxes(data: bytes) -> int:
    """Return the size in bytes that the boxes with an index or pictures claim for the file.

    Other boxes do not count: what some tools append after the last one is no box at all.
    """
    boxes = (box for box in _Walk(data).top() if box.kind in _ESSENTIAL)
    return max((box.end for box in boxes), default=0)


def check_tables(data: bytes, limits: ClipLimits) -> None:
    """Refuse a file whose sample tables claim more than the limits allow.

    A table of a video track may claim `max_source_frames`. Other tables, whose samples this
    package never reads, get a fixed million; plain PCM audio is exempt, because a demuxer keeps
    one entry per chunk for it.

    Raises:
        ClipTooLarge: with the limit's name, what is allowed and what was claimed.
    """
    walk = _Walk(data)
    for box in walk.top():
        if box.kind == b"moov":
            for track in walk.children(box):
                if track.kind == b"trak":
                    _check_track(walk, track, limits)
        elif box.kind == b"moof":
            runs = (run for run in walk.descendants(box) if run.kind == b"trun")
            _check_other(sum(walk.uint32(run.start + 4) for run in runs))


def _check_track(walk: _Walk, track: _Box, limits: ClipLimits) -> None:
    handler, samples, is_pcm = b"", 0, False
    for box in walk.descendants(track):
        if box.kind == b"hdlr":
            handler = handler or walk.data[box.start + 8 : box.start + 12]
        elif box.kind in (b"stsz", b"stz2"):
            samples = max(samples, walk.uint32(box.start + 8))
        elif box.kind == b"stts":
            is_pcm = walk.uint32(box.start + 4) == walk.uint32(box.start + 12) == 1
    if handler == b"vide":
        limits.check("max_source_frames", samples)
    elif not (handler == b"soun" and is_pcm):
        _check_other(samples)


def _check_other(samples: int) -> None:
    if samples > _MAX_OTHER_SAMPLES:
        raise ClipTooLarge(
            f"A table of the file claims {samples} samples; "
            f"at most {_MAX_OTHER_SAMPLES} are allowed.",
            limit="max_table_samples",
            allowed=_MAX_OTHER_SAMPLES,
            found=samples,
        )


class _Walk:
    """A walk over the boxes of a file, which ends after a number of them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._boxes_left = _MAX_BOXES

    def top(self) -> Iterator[_Box]:
        return self._between(0, len(self.data))

    def children(self, parent: _Box) -> Iterator[_Box]:
        return self._between(parent.start, parent.end)

    def descendants(self, parent: _Box, depth: int = 0) -> Iterator[_Box]:
        for box in self.children(parent):
            yield box
            if box.kind in _PARENTS and depth < _MAX_DEPTH:
                yield from self.descendants(box, depth + 1)

    def uint32(self, start: int) -> int:
        return int.from_bytes(self.data[start : start + 4], "big")

    def _between(self, start: int, end: int) -> Iterator[_Box]:
        end = min(end, len(self.data))
        while start + 8 <= end:
            self._boxes_left -= 1
            if self._boxes_left < 0:
                raise ClipTooLarge(
                    f"The file has more than {_MAX_BOXES} boxes.",
                    limit="max_boxes",
                    allowed=_MAX_BOXES,
                    found=_MAX_BOXES + 1,
                )
            size, kind = struct.unpack_from(">I4s", self.data, start)
            header = 8
            if size == 1 and start + 16 <= end:
                (size,) = struct.unpack_from(">Q", self.data, start + 8)
                header = 16
            elif size == 0:
                size = end - start
            if size < header:
                return
            yield _Box(kind, start + header, start + size)
            start += size
