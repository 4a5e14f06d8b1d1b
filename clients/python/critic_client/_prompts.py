"""The call about optimised prompts: what is sent, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ._core import Call
from ._models import Fingerprint, Reason, Reply, Score
from ._parts import Part

PromptJudgeKind = Literal["critic", "endpoint", "none"]


@dataclass(frozen=True)
class PromptCheck:
    """A check without a judge; `passed` is None where it could not be made.

    Attributes:
        value: the number behind it, where there is one.
        found: what speaks against the prompt.
        reason: why it did not pass, or could not be made.
    """

    passed: bool | None
    value: float | None
    found: tuple[str, ...]
    reason: Reason | None = None


@dataclass(frozen=True)
class PromptResult:
    """One optimised prompt: a score by principle, a check by name.

    `passes_checks` says whether none of the checks has failed.
    """

    index: int
    scores: dict[str, Score]
    checks: dict[str, PromptCheck]
    passes_checks: bool

    @property
    def least(self) -> float | None:
        """The value of the worst principle, as all of them must hold; None unless all have one."""
        values = [score.value for score in self.scores.values()]
        known = [value for value in values if value is not None]
        return min(known) if known and len(known) == len(values) else None


@dataclass(frozen=True)
class PromptJudge:
    """Who judged; `id` hashes all that must be equal for two judgements to be comparable."""

    id: str
    kind: PromptJudgeKind
    model: str | None
    questions: str
    checks: str
    fingerprint: Fingerprint | None


@dataclass(frozen=True)
class PromptsReply(Reply):
    """Judgements of optimised prompts, in the order in which they were given."""

    request_id: str
    judge: PromptJudge
    results: tuple[PromptResult, ...]


def prompts_call(
    queries: str | Sequence[str],
    optimised_prompts: str | Sequence[str],
    principles: Sequence[str] | None,
    judge: str | None,
) -> Call[PromptsReply]:
    """Build a call of `/v1/prompts/score`."""
    if isinstance(optimised_prompts, str):
        optimised_prompts = [optimised_prompts]
    if isinstance(queries, str):
        queries = [queries] * len(optimised_prompts)
    if not optimised_prompts:
        raise ValueError("there is no prompt to judge: the list is empty")
    if len(queries) != len(optimised_prompts):
        raise ValueError(
            f"{len(queries)} queries for {len(optimised_prompts)} prompts: give one query for all, "
            "or one for each"
        )
    if isinstance(principles, str):
        raise TypeError(f"principles must be a list of names, not the text {principles!r}")
    request: dict[str, Any] = {
        "items": [
            {"query": query, "optimised_prompt": prompt}
            for query, prompt in zip(queries, optimised_prompts, strict=True)
        ]
    }
    # What was not asked for is left out, so that the service's own defaults hold.
    if principles is not None:
        request["principles"] = list(principles)
    if judge is not None:
        request["judge"] = judge
    head = Part("request", json.dumps(request, allow_nan=False).encode(), "application/json")
    return Call(
        "POST", "/v1/prompts/score", (head,), reply=PromptsReply, num_results=len(optimised_prompts)
    )
