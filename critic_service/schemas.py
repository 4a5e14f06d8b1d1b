"""The wire: requests and responses of every HTTP call, and of the command line's `--json`.

Unknown fields are errors. Every number is finite, or `null` with a `reason` beside it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from critic_service.wire import Auxiliary as Auxiliary
from critic_service.wire import SpatialRelationship as SpatialRelationship
from critic_service.wire import Wire as Wire

MAX_ITEMS_PER_REQUEST = 256
MAX_PROMPT_CHARACTERS = 8_000

Prompt = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Names = Annotated[list[Name], Field(min_length=1, max_length=128)]
Side = Literal["a", "b", "tie"]
PairwiseMethod = Literal["auto", "both_orders", "scores"]
PromptJudgeKind = Literal["critic", "endpoint", "none"]


class ClipRef(Wire):
    """Where a clip's bytes are: exactly one of a multipart part, base64 video, base64 safetensors,
    or the id under which it was sent ahead.

    A multipart part is encoded video, or raw frames where its content type is
    `application/x-safetensors` (tensor `frames`, uint8 `[T, H, W, 3]`, metadata `fps`).
    """

    part: Name | None = Field(
        default=None, description="name of the multipart part that holds the clip"
    )
    video_base64: str | None = Field(default=None, description="encoded video: mp4, webm, gif, …")
    frames_base64: str | None = Field(
        default=None, description="raw frames as a safetensors buffer"
    )
    clip_id: Name | None = Field(
        default=None, description="as `PUT /v1/clips` returned it, within the time it named"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> ClipRef:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "a clip needs exactly one of part, video_base64, frames_base64, clip_id; "
                f"given: {', '.join(given) or 'none'}"
            )
        return self


class RewardSpec(Wire):
    """One number from several criteria or metrics: the weighted mean of their calibrated values.

    What a reward names is judged; `criteria` may name more. The critic's own criteria are judged
    where neither is given.
    """

    weights: Annotated[dict[Name, Annotated[FiniteFloat, Field(ge=0)]], Field(min_length=1)]


class ScoreItem(Wire):
    clip: ClipRef
    prompt: Prompt | None = None
    auxiliary: Auxiliary | None = None


class ScoreRequest(Wire):
    """`dimensions` names measurements to make of the same clips, beside what the critic says."""

    items: Annotated[list[ScoreItem], Field(min_length=1, max_length=MAX_ITEMS_PER_REQUEST)]
    critic: Name | None = None
    criteria: Names | None = None
    reward: RewardSpec | None = None
    dimensions: Names | None = None


class PairItem(Wire):
    a: ClipRef
    b: ClipRef
    prompt: Prompt | None = None


class CompareRequest(Wire):
    pairs: Annotated[list[PairItem], Field(min_length=1, max_length=MAX_ITEMS_PER_REQUEST)]
    critic: Name | None = None
    criteria: Names | None = None
    method: PairwiseMethod = "auto"


class RankRequest(Wire):
    clips: Annotated[list[ClipRef], Field(min_length=2, max_length=MAX_ITEMS_PER_REQUEST)]
    prompt: Prompt | None = None
    auxiliary: Auxiliary | None = None
    critic: Name | None = None
    criteria: Names | None = None
    reward: RewardSpec | None = None
    dimensions: Names | None = None


class DimensionsRequest(Wire):
    """Clips to measure: `clips`, or `items` where something is known of them.

    Without `dimensions` those are measured that need no weights and no critic. `split` measures a
    clip of five seconds or more in parts, as VBench-Long does, and takes their mean.
    """

    clips: Annotated[list[ClipRef], Field(max_length=MAX_ITEMS_PER_REQUEST)] = Field(
        default_factory=list
    )
    items: Annotated[list[ScoreItem], Field(max_length=MAX_ITEMS_PER_REQUEST)] = Field(
        default_factory=list
    )
    dimensions: Names | None = None
    split: Literal["none", "vbench_long"] = "none"

    @model_validator(mode="after")
    def _one_list(self) -> DimensionsRequest:
        if bool(self.clips) is bool(self.items):
            raise ValueError("name the clips in either clips or items")
        return self


class PromptItem(Wire):
    """A user's query, and the prompt that was written for it."""

    query: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]
    optimised_prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]


class PromptsRequest(Wire):
    """`judge`: `auto` asks the endpoint that this service is set up with, or else its critic."""

    items: Annotated[list[PromptItem], Field(min_length=1, max_length=MAX_ITEMS_PER_REQUEST)]
    principles: Names | None = None
    judge: Literal["auto", "critic", "endpoint", "none"] = "auto"


class Reason(Wire):
    """Why there is no number."""

    code: str
    message: str
    details: dict[str, Any] = Field(default_factory=dict)


class Score(Wire):
    """One criterion: `raw` on the critic's own scale, `value` calibrated to [0, 1].

    Binary feedback, of a yes/no criterion alone: `p_yes` is the critic's own probability of yes,
    before any calibration, and `accepted` says whether it is above one half.
    """

    raw: FiniteFloat | None
    value: FiniteFloat | None
    read_from: str
    probabilities: dict[str, FiniteFloat]
    answer_mass: FiniteFloat | None
    reason: Reason | None = None
    p_yes: FiniteFloat | None = None
    accepted: bool | None = None


class Fingerprint(Wire):
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


class Dimension(Wire):
    """One measurement; `continuous` is what was compared where `raw` is only 0 or 1."""

    raw: FiniteFloat | None
    value: FiniteFloat | None
    per_frame: list[FiniteFloat] | None
    num_frames: int
    reason: Reason | None = None
    continuous: FiniteFloat | None = None


class ScoreResult(Wire):
    index: int
    clip_id: str | None
    scores: dict[str, Score]
    reward: FiniteFloat | None
    reason: Reason | None = None
    dimensions: dict[str, Dimension] = Field(default_factory=dict)


class ScoreResponse(Wire):
    request_id: str
    critic: str
    results: list[ScoreResult]
    reward_weights: dict[str, FiniteFloat]
    fingerprint: Fingerprint


class Preference(Wire):
    """A against B on one criterion; the probabilities sum to one."""

    p_win: FiniteFloat | None
    p_tie: FiniteFloat | None
    p_lose: FiniteFloat | None
    preferred: Side | None
    order_consistency: FiniteFloat | None
    read_from: str
    answer_mass: FiniteFloat | None
    reason: Reason | None = None


class CompareResult(Wire):
    index: int
    clip_id_a: str | None
    clip_id_b: str | None
    preferences: dict[str, Preference]
    preferred: Side | None
    reason: Reason | None = None


class CompareResponse(Wire):
    request_id: str
    critic: str
    results: list[CompareResult]
    fingerprint: Fingerprint


class RankResult(Wire):
    """`rank` counts from 1 (best), equal rewards share a rank; `advantage` is (r - mean) / std."""

    index: int
    clip_id: str | None
    scores: dict[str, Score]
    reward: FiniteFloat | None
    rank: int | None
    advantage: FiniteFloat | None
    reason: Reason | None = None
    dimensions: dict[str, Dimension] = Field(default_factory=dict)


class RankResponse(Wire):
    request_id: str
    critic: str
    results: list[RankResult]
    best: int | None
    worst: int | None
    reward_mean: FiniteFloat | None
    reward_std: FiniteFloat | None
    reward_weights: dict[str, FiniteFloat]
    fingerprint: Fingerprint


class DimensionsResult(Wire):
    index: int
    clip_id: str | None
    dimensions: dict[str, Dimension]
    reason: Reason | None = None


class DimensionsResponse(Wire):
    request_id: str
    results: list[DimensionsResult]
    versions: dict[str, str]


class PromptCheck(Wire):
    """A check without a judge; `passed` is null where it could not be made."""

    passed: bool | None
    value: FiniteFloat | None
    found: list[str]
    reason: Reason | None = None


class PromptResult(Wire):
    """`scores` by principle; `passes_checks` says whether none of the checks has failed."""

    index: int
    scores: dict[str, Score]
    checks: dict[str, PromptCheck]
    passes_checks: bool


class PromptJudge(Wire):
    """Who judged; `id` hashes all that must be equal for two judgements to be comparable."""

    id: str
    kind: PromptJudgeKind
    model: str | None
    questions: str
    checks: str
    fingerprint: Fingerprint | None


class PromptsResponse(Wire):
    request_id: str
    judge: PromptJudge
    results: list[PromptResult]


class CriterionInfo(Wire):
    name: str
    question: str
    read_from: str
    needs_prompt: bool
    default: bool


class CriticInfo(Wire):
    name: str
    revision: str
    description: str
    limits: str
    criteria: list[CriterionInfo]
    pairwise_method: str
    reward_weights: dict[str, FiniteFloat]
    fingerprint: Fingerprint


class DimensionInfo(Wire):
    """One dimension; `needs` is what must be known of a clip besides its frames.

    Where it is not available, `reason` says what is missing and how to get it.
    """

    name: str
    description: str
    higher_is_better: bool | None
    available: bool
    reason: str | None = None
    needs: str | None = None


class MetricInfo(Wire):
    """A metric that may be named among criteria and in a reward; higher is better.

    `least` and `greatest` bound `raw`; null where nothing does.
    """

    name: str
    description: str
    source: str
    least: FiniteFloat | None
    greatest: FiniteFloat | None
    needs_prompt: bool
    available: bool
    reason: str | None = None


class InfoResponse(Wire):
    service: str
    version: str
    default_critic: str
    critics: list[CriticInfo]
    dimensions: list[DimensionInfo]
    limits: dict[str, FiniteFloat]
    versions: dict[str, str]
    metrics: list[MetricInfo] = Field(default_factory=list)


class ClipResponse(Wire):
    """A clip that is kept: the hash of its content, its size as sent, and for how long.

    Whoever names it within that time prolongs it; where room is short it may go earlier.
    """

    request_id: str
    clip_id: str
    num_bytes: int
    expires_in_s: FiniteFloat


class ErrorResponse(Wire):
    """What every failed call returns."""

    code: str
    message: str
    retryable: bool
    request_id: str
    details: dict[str, Any] = Field(default_factory=dict)
