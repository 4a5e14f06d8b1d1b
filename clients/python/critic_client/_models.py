"""What the service answers, as frozen values.

A number that could not be had is None and has a `reason` beside it; nothing stands in for it.
`body` is the answer as it came, with fields that this version does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["a", "b", "tie"]


@dataclass(frozen=True)
class Reason:
    """Why there is no number: a stable code, a sentence, and facts for a machine."""

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fingerprint:
    """All that must be equal for two scores to be comparable; `id` is its hash."""

    id: str
    critic: str
    revision: str
    template: str
    sampling: str
    positions: str
    calibration: str
    dtype: str
    device: str
    attention: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Score:
    """One criterion of one clip.

    Attributes:
        raw: on the critic's own scale.
        value: calibrated to [0, 1]; higher is better.
        read_from: how `raw` was read.
        probabilities: of each answer of the critic.
        answer_mass: probability that the critic gave to its answers together.
        reason: why there is no number, where `raw` and `value` are None.
        p_yes: the critic's probability of yes, before calibration; of a yes/no criterion alone.
        accepted: whether that is above one half.
    """

    raw: float | None
    value: float | None
    read_from: str
    probabilities: dict[str, float]
    answer_mass: float | None
    reason: Reason | None = None
    p_yes: float | None = None
    accepted: bool | None = None


@dataclass(frozen=True)
class Dimension:
    """A measurement of one clip.

    `raw` is on the metric's own scale, `value` normalised where a published range exists,
    `per_frame` the series behind it where there is one. `continuous` is what was compared where
    `raw` is only 0 or 1.
    """

    raw: float | None
    value: float | None
    per_frame: tuple[float, ...] | None
    num_frames: int
    reason: Reason | None = None
    continuous: float | None = None


@dataclass(frozen=True)
class ScoreResult:
    """One clip: a score by criterion, and the reward, their weighted mean.

    `dimensions` are there where they were asked for in the same call.
    """

    index: int
    clip_id: str | None
    scores: dict[str, Score]
    reward: float | None
    reason: Reason | None = None
    dimensions: dict[str, Dimension] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What every answer carries.

    Attributes:
        timings_ms: milliseconds by room (queue, decode, engine), as the service reports them.
        body: the answer as it came.
    """

    timings_ms: dict[str, float] = field(kw_only=True, default_factory=dict, compare=False)
    body: dict[str, Any] = field(kw_only=True, default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class ScoreReply(Reply):
    """Scores of clips, in the order in which the clips were given."""

    request_id: str
    critic: str
    results: tuple[ScoreResult, ...]
    reward_weights: dict[str, float]
    fingerprint: Fingerprint

    @property
    def rewards(self) -> list[float | None]:
        """One reward per clip, None where it could not be judged."""
        return [result.reward for result in self.results]


@dataclass(frozen=True)
class StoredClip(Reply):
    """A clip that the service keeps for a while; it can be given wherever a clip is asked for.

    Attributes:
        clip_id: the hash of its content.
        num_bytes: its size as sent.
        expires_in_s: how long it is kept after it was last sent or named; earlier, if others need
            the room.
    """

    request_id: str
    clip_id: str
    num_bytes: int
    expires_in_s: float


@dataclass(frozen=True)
class Preference:
    """Clip A against clip B on one criterion; the three probabilities sum to one.

    `order_consistency` says how far the critic agreed with itself when the clips changed places;
    None where the method does not look at an order.
    """

    p_win: float | None
    p_tie: float | None
    p_lose: float | None
    preferred: Side | None
    order_consistency: float | None
    read_from: str
    answer_mass: float | None
    reason: Reason | None = None


@dataclass(frozen=True)
class CompareResult:
    """One pair: a preference by criterion, and the side preferred over all."""

    index: int
    clip_id_a: str | None
    clip_id_b: str | None
    preferences: dict[str, Preference]
    preferred: Side | None
    reason: Reason | None = None


@dataclass(frozen=True)
class CompareReply(Reply):
    """Preferences of pairs, in the order in which the pairs were given."""

    request_id: str
    critic: str
    results: tuple[CompareResult, ...]
    fingerprint: Fingerprint

    @property
    def preferred(self) -> list[Side | None]:
        """One side per pair, None where it could not be judged."""
        return [result.preferred for result in self.results]


@dataclass(frozen=True)
class RankResult:
    """One clip of a group: `rank` counts from 1 (best), `advantage` is (reward - mean) / std."""

    index: int
    clip_id: str | None
    scores: dict[str, Score]
    reward: float | None
    rank: int | None
    advantage: float | None
    reason: Reason | None = None
    dimensions: dict[str, Dimension] = field(default_factory=dict)


@dataclass(frozen=True)
class RankReply(Reply):
    """A group of clips of one prompt, in the order given; `best` and `worst` are their indices."""

    request_id: str
    critic: str
    results: tuple[RankResult, ...]
    best: int | None
    worst: int | None
    reward_mean: float | None
    reward_std: float | None
    reward_weights: dict[str, float]
    fingerprint: Fingerprint

    @property
    def rewards(self) -> list[float | None]:
        """One reward per clip, None where it could not be judged."""
        return [result.reward for result in self.results]

    @property
    def ranks(self) -> list[int | None]:
        """One rank per clip, None where it could not be judged."""
        return [result.rank for result in self.results]

    @property
    def advantages(self) -> list[float | None]:
        """One advantage per clip, None where it could not be judged."""
        return [result.advantage for result in self.results]


@dataclass(frozen=True)
class DimensionsResult:
    """One clip: a measurement by dimension."""

    index: int
    clip_id: str | None
    dimensions: dict[str, Dimension]
    reason: Reason | None = None


@dataclass(frozen=True)
class DimensionsReply(Reply):
    """Measurements of clips, in the order in which the clips were given."""

    request_id: str
    results: tuple[DimensionsResult, ...]
    versions: dict[str, str]


@dataclass(frozen=True)
class CriterionInfo:
    """One aspect that a critic can judge, and the question that asks it."""

    name: str
    question: str
    read_from: str
    needs_prompt: bool
    default: bool


@dataclass(frozen=True)
class CriticInfo:
    """One critic of the service; `limits` says in words what it cannot judge."""

    name: str
    revision: str
    description: str
    limits: str
    criteria: tuple[CriterionInfo, ...]
    pairwise_method: str
    reward_weights: dict[str, float]
    fingerprint: Fingerprint


@dataclass(frozen=True)
class DimensionInfo:
    """One dimension.

    `higher_is_better` is None where more is neither better nor worse; `needs` is what must be known
    of a clip besides its frames. Where the dimension is not available, `reason` says what is
    missing.
    """

    name: str
    description: str
    higher_is_better: bool | None
    available: bool
    reason: str | None = None
    needs: str | None = None


@dataclass(frozen=True)
class MetricInfo:
    """One metric, which may be named among criteria and in a reward; higher is better.

    `least` and `greatest` bound its `raw`, None where nothing does. Where it is not available,
    `reason` says what is missing.
    """

    name: str
    description: str
    source: str
    least: float | None
    greatest: float | None
    needs_prompt: bool
    available: bool
    reason: str | None = None


@dataclass(frozen=True)
class Info(Reply):
    """What the service is and can do; `limits` is the largest request that it accepts."""

    service: str
    version: str
    default_critic: str
    critics: tuple[CriticInfo, ...]
    dimensions: tuple[DimensionInfo, ...]
    limits: dict[str, float]
    versions: dict[str, str]
    metrics: tuple[MetricInfo, ...] = ()
