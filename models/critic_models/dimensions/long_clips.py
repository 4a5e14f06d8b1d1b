"""VBench-Long: a clip of five seconds or more is measured in parts, and has their mean.

Only the splitting is here. VBench-Long's other half, which compares the parts' first frames with
DINOv2 and DreamSim, is off there as well unless it is asked for. Its parts are written to disk and
compressed again in between; these are the frames themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from critic_models.dimensions.dimension import no_score
from critic_models.dimensions.networked import Ask
from critic_models.types import Clip, DimensionScore

LONG_S = 5.0
"""From here on VBench's answers to questions send a clip to VBench-Long."""

_PART_S = 2
_LONGER_PARTS_S = {"human_action": 10, "overall_consistency": 10, "temporal_style": 10}

Measure = Callable[[Clip, Ask, Sequence[str]], Mapping[str, DimensionScore]]
"""Measures a clip on dimensions by name."""


def is_long(clip: Clip) -> bool:
    """Tell whether VBench sends a clip to VBench-Long."""
    return clip.duration_s >= LONG_S


def part_seconds(name: str) -> int:
    """Return how long the parts are that a dimension is measured on."""
    return _LONGER_PARTS_S.get(name, _PART_S)


def spans(num_frames: int, fps: float, seconds: int) -> list[range]:
    """Return the frames of each part; whole frame rates, as VBench-Long rounds them down.

    The last part has as many frames as the others: it begins before the end of the one before where
    frames are lacking. A clip shorter than one part is its own.
    """
    length = max(1, int(fps)) * seconds
    if num_frames < length:
        return [range(num_frames)]
    starts = list(range(0, num_frames - length + 1, length))
    if num_frames % length:
        starts.append(num_frames - length)
    return [range(start, start + length) for start in starts]


def part(clip: Clip, span: range) -> Clip:
    """Return a part of a clip that holds all its frames, as a clip of its own."""
    frames = slice(span.start, span.stop)
    times_s = clip.times_s[frames]
    fps = max(1.0, float(int(clip.source_fps)))
    return replace(
        clip,
        frames=clip.frames[frames],
        times_s=times_s - times_s[0],
        source_indices=np.arange(len(span)),
        source_num_frames=len(span),
        source_fps=fps,
        duration_s=len(span) / fps,
        clip_id=f"{clip.clip_id}:{span.start}-{span.stop}",
    )


def measure_in_parts(
    clip: Clip, ask: Ask, names: Sequence[str], measure: Measure
) -> dict[str, DimensionScore]:
    """Measure a clip in parts, each dimension in parts of its own length.

    Args:
        clip: decoded with `AllFrames`.
        ask: what is known of it.
        names: of the dimensions.
        measure: measures one part.

    Returns:
        See `mean_of_parts`, in the order of the names.
    """
    found: dict[str, list[DimensionScore]] = {name: [] for name in names}
    for seconds in sorted({part_seconds(name) for name in names}):
        alike = [name for name in names if part_seconds(name) == seconds]
        for span in spans(clip.num_frames, clip.source_fps, seconds):
            for name, score in measure(part(clip, span), ask, alike).items():
                found[name].append(score)
    return {name: mean_of_parts(name, scores, clip.num_frames) for name, scores in found.items()}


def mean_of_parts(name: str, parts: Sequence[DimensionScore], num_frames: int) -> DimensionScore:
    """Return a clip's score from those of its parts: their mean, as the series theirs.

    Parts without a number are left out. The clip counts in a mean over clips as all its parts do,
    which is how VBench-Long takes it. Where the parts are booleans the mean is their share.
    """
    counted = [each for each in parts if each.raw is not None]
    if not counted:
        reason = next((each.reason for each in parts if each.reason), "The clip has no parts.")
        return no_score(name, num_frames, reason)
    return DimensionScore(
        dimension=name,
        raw=_mean([each.raw for each in counted]),
        value=_mean([each.value for each in counted]),
        per_frame=tuple(each.raw for each in counted if each.raw is not None),
        num_frames=num_frames,
        continuous=_mean([each.continuous for each in counted]),
        weight=math.fsum(each.weight or 0.0 for each in counted) or None,
    )


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(numbers) else None
