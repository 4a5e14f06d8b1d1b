"""What a dimension is: facts that cannot change, numbers read from frames, and a pure result.

Two kinds share their facts. A `Dimension` reads frames as they come and needs no weights; a
`NetworkDimension` (see `networked.py`) has a network read chosen frames, in batches that may hold
frames of many clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from critic_models.types import DimensionScore

Group = Literal["quality", "semantic", "motion"]

Compat = Literal["corrected", "vbench"]
"""`vbench` gives the reference's number, defects included; `corrected` the one that is meant."""


class Series(Protocol):
    """Numbers gathered frame by frame; holds the last frame or two, never the clip."""

    def update(self, frame: np.ndarray, time_s: float) -> None:
        """Take in the next frame, uint8 `[H, W, 3]` RGB, shown at `time_s`."""


@dataclass(frozen=True)
class Reading:
    """What a dimension makes of what it read.

    Attributes:
        raw: on the dimension's own scale; None with a `reason`.
        value: `raw` brought to a published range; None where there is none.
        per_frame: the series behind it, as the dimension describes.
        reason: why there is no number.
        continuous: what was compared with a threshold, where `raw` is a boolean's 0 or 1.
        weight: how much the clip counts in a mean over clips; None where it does not.
    """

    raw: float | None
    value: float | None = None
    per_frame: tuple[float, ...] | None = None
    reason: str | None = None
    continuous: float | None = None
    weight: float | None = 1.0


@dataclass(frozen=True)
class Scale:
    """How VBench's totals read a dimension, without clamping.

    Attributes:
        least: raw number that counts as 0.
        greatest: raw number that counts as 1.
        weight: of the dimension among those of its group.
        unit: what VBench divides the mean of clips by before that; 100 for imaging quality.
    """

    least: float
    greatest: float
    weight: float = 1.0
    unit: float = 1.0

    def value(self, raw: float) -> float:
        """Bring a raw number to the range; outside it, below 0 or above 1."""
        return (raw / self.unit - self.least) / (self.greatest - self.least)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a dimension before any clip is seen.

    Attributes:
        name: VBench's name where the number is VBench's; else it says what it is read from.
        group: `quality` or `semantic`, as VBench groups it, or `motion` for a plain description.
        range: least and greatest `raw`.
        higher_is_better: None where neither is.
        min_frames: a shorter clip has no number.
        description: what is measured and how, for people.
        source: where the definition comes from.
        scale: its part in VBench's totals; None where it has none.
        weights: names of the files that must be on disk; see `critic_models.dimensions.weights`.
        boolean: `raw` is 0 or 1; the reading has what was compared as `continuous`.
        needs: what must be known of a clip besides its frames: `prompt`, `image`, or a key of
            VBench's `auxiliary_info`; None where nothing is.
        differences: what `compat="vbench"` does otherwise; each names a defect of the reference.
        cost: what a clip costs, for people.
    """

    name: str
    group: Group
    range: tuple[float, float]
    higher_is_better: bool | None
    min_frames: int
    description: str
    source: str
    scale: Scale | None = None
    weights: tuple[str, ...] = ()
    boolean: bool = False
    needs: str | None = None
    differences: tuple[str, ...] = ()
    cost: str = ""

    @property
    def needs_weights(self) -> bool:
        """Tell whether a checkpoint must be on disk."""
        return bool(self.weights)


@dataclass(frozen=True, kw_only=True)
class Dimension(Facts):
    """One measurement of a clip, read in one pass over all its frames.

    Attributes:
        series: builds an empty series; dimensions with the same one share it in a pass.
        compute: reads the result off a series of at least `min_frames` frames.
    """

    series: Callable[[], Series]
    compute: Callable[[Any], Reading]


def to_score(facts: Facts, reading: Reading, num_frames: int) -> DimensionScore:
    """Name a reading of a clip of `num_frames` frames."""
    return DimensionScore(
        dimension=facts.name,
        raw=reading.raw,
        value=reading.value,
        per_frame=reading.per_frame,
        num_frames=num_frames,
        reason=reading.reason,
        continuous=reading.continuous,
        weight=reading.weight,
    )


def no_score(name: str, num_frames: int, reason: str) -> DimensionScore:
    """Say why a clip has no number."""
    return DimensionScore(name, None, None, None, num_frames, reason, weight=None)


def too_short(facts: Facts, num_frames: int) -> str | None:
    """Return why a clip has too few frames, or None."""
    if num_frames >= facts.min_frames:
        return None
    return f"At least {facts.min_frames} frames are needed; the clip has {num_frames}."
