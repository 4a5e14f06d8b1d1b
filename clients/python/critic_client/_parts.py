"""From whatever a caller calls a clip to the parts of a multipart body.

A clip that is used twice travels once, whether it is the same object or the same content.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Union

from ._frames import Frames, is_array
from ._models import StoredClip

ClipSource = Union[
    str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO, Frames, StoredClip
]

RAW_FRAMES = "application/x-safetensors"
# The service looks at the bytes to tell the container, so the type says no more than it knows.
ENCODED_VIDEO = "application/octet-stream"


@dataclass(frozen=True)
class Part:
    """One part of a multipart body."""

    name: str
    content: bytes
    media_type: str


class ClipParts:
    """The clips of one request, each distinct one in a part of its own."""

    def __init__(self) -> None:
        self._name_of_object: dict[int, str] = {}
        self._name_of_content: dict[tuple[str, bytes], str] = {}
        # An id is only unique among living objects, so they are kept alive until the body is built.
        self._objects: list[object] = []

    def reference(self, clip: ClipSource) -> dict[str, str]:
        """Add a clip, unless it is already there, and return the reference to its part.

        Raises:
            TypeError: if `clip` is none of the forms of a clip.
            ValueError: if it is an array without a frame rate, or frames with bad values.
            OSError: if it is a file that cannot be read.
        """
        if isinstance(clip, StoredClip):
            return {"clip_id": clip.clip_id}
        name = self._name_of_object.get(id(clip))
        if name is None:
            fresh = f"clip-{len(self._name_of_content)}"
            name = self._name_of_content.setdefault(read_clip(clip), fresh)
            self._name_of_object[id(clip)] = name
            self._objects.append(clip)
        return {"part": name}

    def parts(self) -> tuple[Part, ...]:
        """Return the distinct clips in the order in which they were added."""
        return tuple(
            Part(name, content, media_type)
            for (media_type, content), name in self._name_of_content.items()
        )


def as_clip_list(clips: Any) -> list[ClipSource]:
    """Return a list or tuple of clips as a list, and one clip as a list of one.

    Raises:
        ValueError: if there is none.
    """
    listed = list(clips) if isinstance(clips, (list, tuple)) else [clips]
    if not listed:
        raise ValueError("there is no clip to judge: the list is empty")
    return listed


def read_clip(clip: Any) -> tuple[str, bytes]:
    """Return the media type and the bytes of a clip; errors as `ClipParts.reference`."""
    if isinstance(clip, Frames):
        return RAW_FRAMES, clip.to_safetensors()
    if isinstance(clip, (bytes, bytearray, memoryview)):
        return ENCODED_VIDEO, bytes(clip)
    if isinstance(clip, (str, os.PathLike)):
        return ENCODED_VIDEO, Path(clip).read_bytes()
    if is_array(clip):
        raise ValueError("an array does not know its frame rate: send Frames(array, fps=...)")
    if hasattr(clip, "read"):
        content = clip.read()
        if not isinstance(content, bytes):
            raise TypeError("the file of a clip must be opened in binary mode")
        return ENCODED_VIDEO, content
    raise TypeError(
        "a clip is a path, bytes, a binary file or Frames(array, fps=...), "
        f"not {type(clip).__name__}"
    )
