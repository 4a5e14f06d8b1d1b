"""The front door: whatever a clip comes as, one call makes it a `Clip`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from critic_models.errors import ClipUnreadable
from critic_models.types import Clip
from critic_models.video.decode import decode, iter_frames
from critic_models.video.frames import (
    from_array,
    from_safetensors,
    iter_array,
    looks_like_safetensors,
    read_safetensors,
)
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits
from critic_models.video.reader import TimedFrame
from critic_models.video.sampling import Sampling

ClipInput = bytes | str | os.PathLike[str] | np.ndarray


def load_clip(
    source: ClipInput,
    policy: Sampling,
    limits: ClipLimits = DEFAULT_LIMITS,
    fps: float | None = None,
    num_threads: int = 1,
) -> Clip:
    """Load a clip from encoded bytes, a safetensors buffer, a file, or an array of frames.

    Args:
        source: bytes of an encoded file or of a safetensors buffer, the path of either, or
            uint8 `[T, H, W, 3]` frames.
        policy: chooses frames.
        limits: bounds on the clip.
        fps: frames per second; needed with an array, refused with anything else, which has its
            own.
        num_threads: threads of the decoder.

    Raises:
        ClipEmpty, ClipTooLarge, ClipUnreadable: see `critic_models.errors`.
        OSError: the file cannot be read.
        ValueError: `fps` is missing or not wanted.
    """
    if isinstance(source, np.ndarray):
        if fps is None:
            raise ValueError("an array of frames needs fps")
        return from_array(source, fps, policy, limits)
    if fps is not None:
        raise ValueError("fps belongs to an array of frames; an encoded clip has its own")
    data = source if isinstance(source, bytes) else read_file(source, limits)
    if looks_like_safetensors(data):
        return from_safetensors(data, policy, limits)
    return decode(data, policy, limits, num_threads)


def iter_clip_bytes(
    data: bytes, limits: ClipLimits = DEFAULT_LIMITS, num_threads: int = 1
) -> Iterator[TimedFrame]:
    """Yield every frame of an encoded file or of a safetensors buffer, one at a time.

    Raises:
        ClipEmpty, ClipTooLarge, ClipUnreadable: see `critic_models.errors`.
    """
    if looks_like_safetensors(data):
        return iter_array(*read_safetensors(data, limits))
    return iter_frames(data, limits, num_threads)


def read_file(path: str | os.PathLike[str], limits: ClipLimits = DEFAULT_LIMITS) -> bytes:
    """Read a file of at most `max_bytes` bytes.

    Raises:
        ClipTooLarge: the file is larger; no more than the limit is read.
        ClipUnreadable: the path is not a regular file.
        OSError: the file cannot be read.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ClipUnreadable(f"{path} is not a file.")
    with path.open("rb") as file:
        data = file.read(limits.max_bytes + 1)
    limits.check("max_bytes", len(data))
    return data
