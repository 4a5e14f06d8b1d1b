"""Measure dimensions of a clip: every one that is asked for, in one pass over its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from critic_models.dimensions.dimension import (
    Dimension,
    Series,
    no_score,
    to_score,
    too_short,
)
from critic_models.dimensions.opencv_flow import OPENCV_FLOW_MAGNITUDE, OPENCV_MOTION_SMOOTHNESS
from critic_models.dimensions.temporal_flickering import TEMPORAL_FLICKERING
from critic_models.errors import UnknownName
from critic_models.types import Clip, DimensionScore
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits
from critic_models.video.load import iter_clip_bytes
from critic_models.video.reader import TimedFrame

DIMENSIONS: Mapping[str, Dimension] = MappingProxyType(
    {
        dimension.name: dimension
        for dimension in (OPENCV_FLOW_MAGNITUDE, OPENCV_MOTION_SMOOTHNESS, TEMPORAL_FLICKERING)
    }
)


def measure(clip: Clip, names: Sequence[str]) -> dict[str, DimensionScore]:
    """Measure a clip that holds all frames of its source.

    Args:
        clip: decoded with `AllFrames`. A sampled clip gets no numbers: frames that were not
            neighbours say nothing about flicker or motion.
        names: keys of `DIMENSIONS`.

    Returns:
        A score for each name, in the order given; `raw` is None with a `reason` where the clip has
        too few frames, was sampled, or does not move enough to be judged.

    Raises:
        UnknownName: a name is not in `DIMENSIONS`.
    """
    dimensions = _chosen(names)
    if not np.array_equal(clip.source_indices, np.arange(clip.source_num_frames)):
        reason = (
            f"All frames are needed; the clip holds {clip.num_frames} of "
            f"{clip.source_num_frames} ({clip.sampling})."
        )
        return {name: no_score(name, clip.num_frames, reason) for name in dimensions}
    frames = zip(range(clip.num_frames), clip.times_s.tolist(), clip.frames, strict=True)
    return _measure(dimensions, (TimedFrame(*frame) for frame in frames))


def measure_frames(frames: Iterable[TimedFrame], names: Sequence[str]) -> dict[str, DimensionScore]:
    """Measure a stream of all frames of a clip in order, holding no more than two at a time.

    Args:
        frames: position, time in seconds, and uint8 `[H, W, 3]` RGB of one size.
        names: keys of `DIMENSIONS`.

    Returns:
        As `measure`.

    Raises:
        UnknownName: a name is not in `DIMENSIONS`.
    """
    return _measure(_chosen(names), frames)


def measure_stream(
    data: bytes,
    names: Sequence[str],
    limits: ClipLimits = DEFAULT_LIMITS,
    num_threads: int = 1,
) -> dict[str, DimensionScore]:
    """Measure an encoded clip, or a safetensors buffer of frames, decoding it once.

    Args:
        data: the file or buffer.
        names: keys of `DIMENSIONS`.
        limits: bounds on the clip; `max_decoded_bytes` plays no part, for frames are not kept.
        num_threads: threads of the decoder.

    Returns:
        As `measure`.

    Raises:
        UnknownName: a name is not in `DIMENSIONS`; nothing was decoded.
        ClipEmpty, ClipTooLarge, ClipUnreadable: see `critic_models.errors`.
    """
    dimensions = _chosen(names)
    return _measure(dimensions, iter_clip_bytes(data, limits, num_threads))


def _chosen(names: Sequence[str]) -> dict[str, Dimension]:
    unknown = sorted(set(names) - set(DIMENSIONS))
    if unknown:
        raise UnknownName(
            f"No dimension {', '.join(map(repr, unknown))}; there are {', '.join(DIMENSIONS)}.",
            unknown=unknown,
            known=list(DIMENSIONS),
        )
    return {name: DIMENSIONS[name] for name in names}


def _measure(
    dimensions: Mapping[str, Dimension], frames: Iterable[TimedFrame]
) -> dict[str, DimensionScore]:
    if not dimensions:
        return {}
    kinds: set[Callable[[], Series]] = {dimension.series for dimension in dimensions.values()}
    series = {kind: kind() for kind in kinds}
    num_frames = 0
    for _, time_s, frame in frames:
        num_frames += 1
        for each in series.values():
            each.update(frame, time_s)
    return {
        name: _score(dimension, series[dimension.series], num_frames)
        for name, dimension in dimensions.items()
    }


def _score(dimension: Dimension, series: Series, num_frames: int) -> DimensionScore:
    reason = too_short(dimension, num_frames)
    if reason is not None:
        return no_score(dimension.name, num_frames, reason)
    return to_score(dimension, dimension.compute(series), num_frames)
