"""What a metric is, and what becomes of a reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from critic_models.types import Score

PREFIX = "metric."

Reader = Literal["clip", "hps_v2_1", "pickscore_v1", "raft", "opencv"]
"""What reads the frames: a network of pictures and words, or a method of optical flow."""


@dataclass(frozen=True)
class Reading:
    """A number of one clip, or why there is none.

    Attributes:
        raw: on the metric's own scale.
        value: the same brought to [0, 1], rising with `raw`.
        reason: why both are None.
    """

    raw: float | None
    value: float | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Facts of a metric.

    Attributes:
        name: begins with `metric.`, and says what it is read with where there are several ways.
        reader: what reads the frames.
        range: least and greatest `raw`; higher is better.
        needs_prompt: whether it compares the clip with words.
        description: the formula, for people.
        source: where the formula comes from.
    """

    name: str
    reader: Reader
    range: tuple[float, float]
    needs_prompt: bool
    description: str
    source: str


def no_reading(reason: str) -> Reading:
    """Say why a clip has no number."""
    return Reading(None, None, reason)


def as_score(metric: Metric, reading: Reading) -> Score:
    """Name a reading in the form in which a critic's criteria are scored."""
    return Score(
        criterion=metric.name,
        raw=reading.raw,
        value=reading.value,
        read_from="frames",
        probabilities={},
        answer_mass=None,
        reason=reading.reason,
    )
