"""Tell what a file is from its first bytes, and whether its end is there.

Only the kinds below are opened, each with its own demuxer by name, so that bytes can never reach
a demuxer that opens other files or addresses (playlists, `concat`, image patterns, devices). MPEG
transport and program streams and FLV are left out: a cut one cannot be told from a whole one.
"""

from __future__ import annotations

from dataclasses import dataclass

from critic_models.errors import ClipEmpty, ClipUnreadable
from critic_models.video import isobmff


@dataclass(frozen=True)
class FileKind:
    """A kind of file that can be opened.

    Attributes:
        name: the container as it is reported, such as `mp4`.
        demuxer: FFmpeg's name of it; None where Pillow reads the file.
    """

    name: str
    demuxer: str | None


MP4 = FileKind("mp4", "mov")
MATROSKA = FileKind("matroska", "matroska")
AVI = FileKind("avi", "avi")
GIF = FileKind("gif", "gif")
APNG = FileKind("apng", "apng")
PNG = FileKind("png", None)
JPEG = FileKind("jpeg", None)
WEBP = FileKind("webp", None)

KINDS = (MP4, MATROSKA, AVI, GIF, APNG, PNG, JPEG, WEBP)

_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"})
_EBML = b"\x1aE\xdf\xa3"
_SEGMENT = b"\x18S\x80g"


def sniff(data: bytes) -> FileKind:
    """Return the kind of these bytes.

    Raises:
        ClipEmpty: there are no bytes.
        ClipUnreadable: they begin like none of the kinds; `details["allowed"]` lists those.
    """
    if not data:
        raise ClipEmpty("The clip has no bytes.")
    if data[4:8] in _MP4_BOXES:
        return MP4
    if data.startswith(_EBML):
        return MATROSKA
    if data.startswith(b"RIFF") and data[8:12] in (b"AVI ", b"WEBP"):
        return AVI if data[8:12] == b"AVI " else WEBP
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        # The control chunk of an animation must stand before the first image data.
        return APNG if 0 <= data.find(b"acTL") < data.find(b"IDAT") else PNG
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    names = [kind.name for kind in KINDS]
    raise ClipUnreadable(
        f"The bytes are not a video that can be read here; allowed are {', '.join(names)}.",
        allowed=names,
    )


def declared_bytes(data: bytes, kind: FileKind) -> int | None:
    """Return the size that the container claims for the file, or None where it claims none.

    A claim above `len(data)` means that the end is missing. A still PNG or JPEG claims nothing;
    its decoder finds the end missing.
    """
    if kind is MP4:
        return isobmff.end_of_boxes(data)
    if kind is MATROSKA:
        return _end_of_segment(data)
    if kind in (AVI, WEBP):
        # Zero is what a writer leaves that could not come back to fill it in.
        size = int.from_bytes(data[4:8], "little")
        return size + 8 if size else None
    if kind is GIF:
        return len(data) if data.rstrip(b"\x00").endswith(b";") else len(data) + 1
    if kind is APNG:
        return len(data) if b"IEND" in data[-64:] else len(data) + 12
    return None


def _end_of_segment(data: bytes) -> int | None:
    header_size, start = _ebml_size(data, len(_EBML))
    if header_size is None:
        return None
    start += header_size
    if data[start : start + 4] != _SEGMENT:
        return None
    size, start = _ebml_size(data, start + 4)
    return None if size is None else start + size


def _ebml_size(data: bytes, start: int) -> tuple[int | None, int]:
    """Read an EBML size at `start`; return it (None when unknown) and where its content begins."""
    first = data[start] if start < len(data) else 0
    length = 9 - first.bit_length()
    if length > 8:
        return None, start
    value = int.from_bytes(data[start : start + length], "big")
    mask = (1 << (7 * length)) - 1
    return (None if value & mask == mask else value & mask), start + length
