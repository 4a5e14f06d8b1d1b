"""The wire of jobs: one comes as JSON lines, its spec and then its items, and so do results."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, FiniteFloat

from critic_service.schemas import CompareResult, DimensionsResult, ScoreResult, Wire

JobKind = Literal["score", "compare", "dimensions"]
JobState = Literal["active", "done", "cancelled"]


class JobSpec(Wire):
    """The first line of a new job.

    `options` are the fields of the call of that name, `/v1/score`, `/v1/compare` or
    `/v1/dimensions`, without its items. Every line after it is one of those: `{clip, prompt}`, or
    `{a, b, prompt}` to compare.
    """

    kind: JobKind
    options: dict[str, Any] = Field(default_factory=dict)


class Job(Wire):
    """How far a job is. Times are seconds since 1970; `expires_at` is known once it has ended.

    `num_results` counts lines of results, which a retry adds to. More than one fingerprint means
    that the critic changed while the job was under way: their results are not comparable.
    """

    id: str
    kind: JobKind
    state: JobState
    num_items: int
    num_done: int
    num_failed: int
    num_results: int
    num_bytes: int
    created_at: FiniteFloat
    ended_at: FiniteFloat | None
    expires_at: FiniteFloat | None
    fingerprints: list[str]


class JobResponse(Wire):
    request_id: str
    job: Job


class JobsResponse(Wire):
    request_id: str
    jobs: list[Job]


class JobFailure(Wire):
    """Why an item has no result."""

    code: str
    message: str
    retryable: bool
    details: dict[str, Any] = Field(default_factory=dict)


class JobLine(Wire):
    """One line of results, in the order in which items were finished.

    `offset` is the line's own number: reading goes on from the one after it. `index` is the item's
    number in the request. An item that was tried again has a line for each attempt.
    """

    offset: int
    index: int
    attempt: int
    fingerprint: str | None
    result: ScoreResult | CompareResult | DimensionsResult | None
    failure: JobFailure | None = None
