"""Decode a clip: its timeline first, then only the frames that a policy chose.

Frames are stored pixels made upright. Pixels that are not square are left as they are: no frame is
stretched, because neither the models' own loaders nor VBench do; `ClipInfo.pixel_aspect` says so.
Memory holds the chosen frames and the decoder's few reference frames, whatever the clip's length.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from critic_models.errors import ClipEmpty, ClipUnreadable
from critic_models.types import Clip
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits, Deadline
from critic_models.video.reader import ClipReader, KeptFrames, TimedFrame
from critic_models.video.sampling import AllFrames, Sampling, chosen_indices
from critic_models.video.source import UnexpectedFramesError
from critic_models.video.timeline import Timeline


@dataclass(frozen=True, eq=False)
class ClipInfo:
    """What is known of a clip before its frames are decoded.

    Attributes:
        width: pixels, after rotation.
        height: pixels, after rotation.
        codec: such as `h264`.
        container: such as `mp4`.
        num_frames: frames that are shown.
        times_s: float64 `[num_frames]`, when each is shown, in seconds from the first.
        fps: average rate, `num_frames / duration_s`.
        duration_s: until the last frame ends. A still picture lasts one second.
        rotation_degrees: clockwise turn applied to the stored frames: 0, 90, 180 or 270.
        pixel_aspect: width of a stored pixel divided by its height.
    """

    width: int
    height: int
    codec: str
    container: str
    num_frames: int
    times_s: np.ndarray
    fps: float
    duration_s: float
    rotation_degrees: int
    pixel_aspect: float


def probe(data: bytes, limits: ClipLimits = DEFAULT_LIMITS) -> ClipInfo:
    """Read what is known of a clip; decode no more than its first frame.

    `num_frames` counts packets that are to be shown. `decode` corrects it for the rare stream
    whose decoder shows another number.

    Raises:
        ClipEmpty, ClipTooLarge, ClipUnreadable: see `critic_models.errors`.
    """
    reader = ClipReader(data, limits, num_threads=1)
    timeline = reader.timeline
    with closing(reader.frames()) as frames:
        height, width, _ = next(frames).frame.shape
    return ClipInfo(
        width=width,
        height=height,
        codec=reader.source.codec,
        container=reader.container,
        num_frames=timeline.num_frames,
        times_s=timeline.times_s,
        fps=timeline.fps,
        duration_s=timeline.duration_s,
        rotation_degrees=reader.source.rotation_degrees,
        pixel_aspect=reader.source.pixel_aspect,
    )


def decode(
    data: bytes,
    policy: Sampling,
    limits: ClipLimits = DEFAULT_LIMITS,
    num_threads: int = 1,
) -> Clip:
    """Decode the frames of a clip that `policy` chooses.

    Args:
        data: an encoded file: MP4/MOV, Matroska/WebM, AVI, GIF, APNG, WebP, PNG or JPEG. A still
            picture is a clip of one frame and one second.
        policy: chooses frames from the clip's timeline.
        limits: bounds on the work.
        num_threads: threads of the decoder; a pool that decodes many clips wants 1.

    Returns:
        The clip, with uint8 `[n, H, W, 3]` frames; `clip_id` is the SHA-256 of `data`.

    Raises:
        ClipEmpty: no bytes, or no frame.
        ClipTooLarge: a limit was exceeded.
        ClipUnreadable: not a video, damaged, cut, or of a codec that is not accepted.
    """
    reader = ClipReader(data, limits, num_threads)
    try:
        frames, indices = reader.collect(policy)
    except UnexpectedFramesError:
        reader.count_decoded()
        try:
            frames, indices = reader.collect(policy)
        except UnexpectedFramesError as error:
            raise ClipUnreadable("The clip gives other frames each time it is decoded.") from error
    timeline = reader.timeline
    # PyAV's side data refers back to its frame. Until such a cycle is collected it holds buffers of
    # the decoder, 25 MB for a 4K clip. It is young, so that looking at the young is enough.
    gc.collect(1)
    return Clip(
        frames=frames,
        times_s=timeline.times_s[indices],
        source_indices=indices,
        source_num_frames=timeline.num_frames,
        source_fps=timeline.fps,
        duration_s=timeline.duration_s,
        clip_id=hashlib.sha256(data).hexdigest(),
        sampling=policy.name,
    )


def iter_frames(
    data: bytes, limits: ClipLimits = DEFAULT_LIMITS, num_threads: int = 1
) -> Iterator[TimedFrame]:
    """Yield every frame of a clip in order, holding one at a time.

    Limits and the end of the file are checked by the call itself; a frame that is damaged raises
    when it is reached.

    Raises:
        ClipEmpty, ClipTooLarge, ClipUnreadable: as `decode`.
    """
    return ClipReader(data, limits, num_threads).frames()


def decode_images(
    images: Sequence[bytes],
    fps: float,
    policy: Sampling | None = None,
    limits: ClipLimits = DEFAULT_LIMITS,
) -> Clip:
    """Decode still pictures as the frames of one clip, shown at `fps`.

    Args:
        images: PNG, JPEG or still WebP files, all of one size.
        fps: frames per second, above 0.
        policy: chooses among the pictures; all of them by default.
        limits: bounds on the work; `max_bytes` is for all pictures together.

    Raises:
        ClipEmpty, ClipTooLarge, ClipUnreadable: as `decode`; also when sizes differ.
        ValueError: `fps` is not a finite number above 0.
    """
    policy = policy or AllFrames()
    if not 0 < fps < float("inf"):
        raise ValueError(f"fps must be a finite number above 0, got {fps}")
    if not images:
        raise ClipEmpty("The clip has no pictures.")
    limits.check("max_bytes", sum(len(image) for image in images))
    timeline = Timeline(np.arange(len(images)) / fps, len(images) / fps)
    timeline.check(limits)
    deadline = Deadline(limits)
    indices = chosen_indices(policy, timeline.num_frames, timeline.fps, timeline.times_s)
    kept = KeptFrames(indices, limits)
    for index in np.unique(indices):
        deadline.check()
        kept.put(int(index), decode(images[index], AllFrames(max_frames=1), limits).frames[0])
    digest = hashlib.sha256(f"images fps={float(fps)!r}".encode())
    for image in images:
        digest.update(hashlib.sha256(image).digest())
    return Clip(
        frames=kept.frames,
        times_s=timeline.times_s[indices],
        source_indices=indices,
        source_num_frames=timeline.num_frames,
        source_fps=float(fps),
        duration_s=timeline.duration_s,
        clip_id=digest.hexdigest(),
        sampling=policy.name,
    )
