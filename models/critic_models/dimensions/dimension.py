"""What a dimension is: facts that cannot change, a series read from frames, and a pure result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

Group = Literal["quality", "motion"]


class Series(Protocol):
    """Numbers gathered frame by frame; holds the last frame or two, never the clip."""

    def update(self, frame: np.ndarray, time_s: float) -> None:
        """Take in the next frame, uint8 `[H, W, 3]` RGB, shown at `time_s`."""


@dataclass(frozen=True)
class Reading:
    """What a dimension makes of a series.

    Attributes:
        raw: on the dimension's own scale; None with a `reason`.
        value: `raw` brought to a published range; None where there is none.
        per_frame: the series behind it, as the dimension describes.
        reason: why there is no number.
    """

    raw: float | None
    value: float | None = None
    per_frame: tuple[float, ...] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Dimension:
    """One measurement of a clip.

    Attributes:
        name: VBench's name where the number is VBench's; else it says what it is read from.
        group: `quality`, as VBench groups it, or `motion` for a plain description of motion.
        range: least and greatest `raw`.
        higher_is_better: None where neither is.
        min_frames: a shorter clip has no number.
        needs_weights: True where a checkpoint must be on disk.
        description: what is measured and how, for people.
        source: where the definition comes from.
        series: builds an empty series; dimensions with the same one share it in a pass.
        compute: reads the result off a series of at least `min_frames` frames.
    """

    name: str
    group: Group
    range: tuple[float, float]
    higher_is_better: bool | None
    min_frames: int
    needs_weights: bool
    description: str
    source: str
    series: Callable[[], Series]
    compute: Callable[[Any], Reading]
