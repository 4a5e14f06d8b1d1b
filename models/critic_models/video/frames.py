"""Raw frames: an array, or a safetensors buffer, as a clip.

The buffer holds one tensor, `frames`, uint8 `[T, H, W, 3]`, RGB, and `fps` as a decimal string in
its metadata. The header is read here and checked before anything is allocated: its length, that it
is JSON of the expected form, the dtype, the shape, and that the byte counts agree.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from critic_models.errors import ClipEmpty, ClipUnreadable
from critic_models.types import Clip
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits
from critic_models.video.reader import TimedFrame
from critic_models.video.sampling import Sampling, chosen_indices

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 4096  # one tensor and a few strings need less than 200
_MAX_AXIS = 2**31 - 1
_MAX_FPS = 1000.0


def looks_like_safetensors(data: bytes) -> bool:
    """Tell whether bytes begin as a safetensors buffer does: a small length, then `{`."""
    return data[4 : _LENGTH_BYTES + 1] == b"\x00\x00\x00\x00{"


def to_safetensors(frames: np.ndarray, fps: float) -> bytes:
    """Serialise frames for the wire.

    Args:
        frames: uint8 `[T, H, W, 3]`, RGB, T at least 1.
        fps: frames per second, above 0 and at most 1000.

    Raises:
        ClipError: `frames` or `fps` is not so.
    """
    _check_frames(frames)
    header: dict[str, Any] = {
        "__metadata__": {"fps": repr(_checked_fps(fps))},
        "frames": {
            "dtype": "U8",
            "shape": list(frames.shape),
            "data_offsets": [0, frames.size],
        },
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    # The format asks for a payload that starts at a multiple of eight.
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + np.ascontiguousarray(frames).tobytes()


def read_safetensors(data: bytes, limits: ClipLimits = DEFAULT_LIMITS) -> tuple[np.ndarray, float]:
    """Return the frames and their rate as a view of `data`: nothing is copied.

    Returns:
        uint8 `[T, H, W, 3]`, read-only, and frames per second.

    Raises:
        ClipEmpty: no bytes, or no frames.
        ClipTooLarge: a limit was exceeded.
        ClipUnreadable: the header is not what this package writes, or disagrees with the payload.
    """
    if not data:
        raise ClipEmpty("The clip has no bytes.")
    limits.check("max_bytes", len(data))
    header, start = _header(data)
    fps = _header_fps(header)
    shape = _header_shape(header, payload_bytes=len(data) - start)
    _check_limits(shape, fps, limits)
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape), fps


def from_safetensors(data: bytes, policy: Sampling, limits: ClipLimits = DEFAULT_LIMITS) -> Clip:
    """Build a clip from a safetensors buffer with the frames that `policy` chooses.

    Raises:
        ClipEmpty, ClipTooLarge, ClipUnreadable: as `read_safetensors`.
    """
    frames, fps = read_safetensors(data, limits)
    return from_array(frames, fps, policy, limits)


def from_array(
    frames: np.ndarray, fps: float, policy: Sampling, limits: ClipLimits = DEFAULT_LIMITS
) -> Clip:
    """Build a clip from frames in memory with those that `policy` chooses.

    Args:
        frames: uint8 `[T, H, W, 3]`, RGB, upright.
        fps: frames per second, above 0 and at most 1000.
        policy: chooses frames; the chosen ones are copied.
        limits: bounds on the clip.

    Returns:
        The clip. Its `clip_id` is a SHA-256 over shape, rate and all bytes of `frames`, so equal
        frames have one identity, however they came.

    Raises:
        ClipEmpty, ClipTooLarge, ClipUnreadable: the frames are not so, or exceed a limit.
    """
    _check_frames(frames)
    fps = _checked_fps(fps)
    _check_limits(frames.shape, fps, limits)
    num_frames, height, width, _ = frames.shape
    times_s = np.arange(num_frames) / fps
    indices = chosen_indices(policy, num_frames, fps, times_s)
    limits.check_kept(len(indices), width, height)
    return Clip(
        frames=frames[indices],
        times_s=times_s[indices],
        source_indices=indices,
        source_num_frames=num_frames,
        source_fps=fps,
        duration_s=num_frames / fps,
        clip_id=_frames_id(frames, fps),
        sampling=policy.name,
    )


def iter_array(frames: np.ndarray, fps: float) -> Iterator[TimedFrame]:
    """Yield each of uint8 `[T, H, W, 3]` frames with its position and time."""
    for index, frame in enumerate(frames):
        yield TimedFrame(index, index / fps, frame)


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    if len(data) < _LENGTH_BYTES:
        raise ClipUnreadable(f"A safetensors buffer has at least 8 bytes; this has {len(data)}.")
    (length,) = struct.unpack_from("<Q", data)
    allowed = min(_MAX_HEADER_BYTES, len(data) - _LENGTH_BYTES)
    if length > allowed:
        raise ClipUnreadable(
            f"The safetensors header claims {length} bytes; at most {allowed} are allowed here."
        )
    start = _LENGTH_BYTES + length
    try:
        header = json.loads(data[_LENGTH_BYTES:start].decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ClipUnreadable("The safetensors header is not valid JSON.") from error
    if not isinstance(header, dict) or set(header) != {"frames", "__metadata__"}:
        raise ClipUnreadable(
            "The safetensors buffer must hold one tensor, `frames`, and `__metadata__`."
        )
    return header, start


def _header_fps(header: dict[str, Any]) -> float:
    metadata = header["__metadata__"]
    text = metadata.get("fps") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ClipUnreadable("The safetensors metadata must have `fps`, a string such as '24.0'.")
    try:
        return _checked_fps(float(text))
    except ValueError as error:
        raise ClipUnreadable(f"The metadata's fps {text[:40]!r} is not a number.") from error


def _header_shape(header: dict[str, Any], payload_bytes: int) -> tuple[int, int, int, int]:
    tensor = header["frames"]
    if not isinstance(tensor, dict) or set(tensor) != {"dtype", "shape", "data_offsets"}:
        raise ClipUnreadable("The tensor `frames` must have dtype, shape and data_offsets.")
    if tensor["dtype"] != "U8":
        raise ClipUnreadable(f"The frames are {str(tensor['dtype'])[:20]}; they must be U8.")
    shape = tensor["shape"]
    if not (isinstance(shape, list) and len(shape) == 4 and all(type(n) is int for n in shape)):
        raise ClipUnreadable("The frames must have the shape [T, H, W, 3].")
    num_frames, height, width, channels = shape
    if min(shape) < 0 or max(shape) > _MAX_AXIS or channels != 3:
        raise ClipUnreadable(
            f"The shape of the frames must be [T, H, W, 3] with axes of 0 to {_MAX_AXIS}."
        )
    if 0 in shape:
        raise ClipEmpty("The clip has no frames.")
    num_bytes = num_frames * height * width * channels
    if tensor["data_offsets"] != [0, num_bytes] or payload_bytes != num_bytes:
        raise ClipUnreadable(
            f"The shape {shape} needs {num_bytes} bytes from offset 0 to the end of the buffer; "
            f"there are {payload_bytes}."
        )
    return num_frames, height, width, channels


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("a key is given twice")
    return keys


def _check_frames(frames: np.ndarray) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ClipUnreadable(
            f"The frames are {frames.dtype} {list(frames.shape)}; they must be uint8 [T, H, W, 3]."
        )
    if frames.size == 0:
        raise ClipEmpty("The clip has no frames.")


def _checked_fps(fps: float) -> float:
    if not (math.isfinite(fps) and 0 < fps <= _MAX_FPS):
        raise ClipUnreadable(f"The rate is {fps} frames per second; allowed is 0 to {_MAX_FPS:g}.")
    return float(fps)


def _check_limits(shape: tuple[int, ...], fps: float, limits: ClipLimits) -> None:
    num_frames, height, width, _ = shape
    limits.check("max_source_frames", num_frames)
    limits.check_size(width, height)
    limits.check("max_duration_s", num_frames / fps)
    limits.check("max_bytes", num_frames * height * width * 3)


def _frames_id(frames: np.ndarray, fps: float) -> str:
    digest = hashlib.sha256(f"frames {list(frames.shape)} fps={fps!r}".encode())
    for frame in frames:
        digest.update(np.ascontiguousarray(frame).data)
    return digest.hexdigest()
