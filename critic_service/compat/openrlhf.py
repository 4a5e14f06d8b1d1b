"""OpenRLHF's remote reward model: `POST /get_reward` (`openrlhf.utils.agent` of 2026-08).

The protocol has no field for media. Two uses of it are served:

- A trainer of prompts: `query` is a prompt with the policy's answer after it, the answer is the
  optimised prompt, and `labels` holds the user's own query (or null, where `prompts` is it). The
  reward is the value of the worst of the three principles.
- A trainer of videos: `labels` holds clips, as `{"video_base64": …}` or `{"frames_base64": …}`,
  with a `prompt` beside it where `prompts` is not what the clip was to show. The reward is the
  critic's.

There is no word for "none" in an answer, so one item that cannot be judged fails the call; the
peer's client then has no reward, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from critic_models.errors import NotAnswered
from pydantic import Field, FiniteFloat, model_validator

from critic_service import schemas
from critic_service.call import CallContext
from critic_service.core import CriticCore, Parts
from critic_service.errors import InvalidRequest
from critic_service.schemas import MAX_ITEMS_PER_REQUEST, MAX_PROMPT_CHARACTERS, Prompt, Wire

MAX_QUERY_CHARACTERS = 4 * MAX_PROMPT_CHARACTERS
# What ends an answer that was decoded with its special tokens; looked for in its last characters.
_END = re.compile(r"(?:<\|[a-z_]{1,32}\|>|<｜[^<>｜]{1,32}｜>|</s>|<eos>|<end_of_turn>|<pad>)\Z")
_LONGEST_END = 40

Query = Annotated[str, Field(max_length=MAX_QUERY_CHARACTERS)]
Queries = Annotated[list[Query], Field(min_length=1, max_length=MAX_ITEMS_PER_REQUEST)]


class ClipLabel(Wire):
    """A clip in a label, and what it was to show."""

    video_base64: str | None = None
    frames_base64: str | None = None
    prompt: Prompt | None = None

    @property
    def clip(self) -> schemas.ClipRef:
        return schemas.ClipRef(video_base64=self.video_base64, frames_base64=self.frames_base64)

    @model_validator(mode="after")
    def _one_clip(self) -> ClipLabel:
        if (self.video_base64 is None) == (self.frames_base64 is None):
            raise ValueError("a label with a clip has either video_base64 or frames_base64")
        return self


class RewardRequest(Wire):
    query: Queries
    prompts: Queries
    labels: Annotated[
        list[ClipLabel | Prompt | None], Field(min_length=1, max_length=MAX_ITEMS_PER_REQUEST)
    ]

    @model_validator(mode="after")
    def _parallel(self) -> RewardRequest:
        if not len(self.query) == len(self.prompts) == len(self.labels):
            raise ValueError("query, prompts and labels must be lists of the same length")
        return self


class RewardResponse(Wire):
    rewards: list[FiniteFloat]
    scores: list[FiniteFloat]
    extra_logs: dict[str, list[FiniteFloat]]


async def get_reward(
    core: CriticCore, request: RewardRequest, parts: Parts, context: CallContext
) -> RewardResponse:
    """Reward each answer, or each clip.

    Raises:
        InvalidRequest: clips and texts are mixed, or a query does not begin with its prompt.
        NotAnswered: an item could not be judged.
        CriticError: the call cannot be done at all.
    """
    clips = [each for each in request.labels if isinstance(each, ClipLabel)]
    if not clips:
        return await _of_texts(core, request, context)
    if len(clips) < len(request.labels):
        raise InvalidRequest("either all labels hold clips, or none does")
    return await _of_clips(core, request, clips, context)


async def _of_clips(
    core: CriticCore, request: RewardRequest, clips: Sequence[ClipLabel], context: CallContext
) -> RewardResponse:
    prompts = [
        clip.prompt if clip.prompt is not None else prompt
        for clip, prompt in zip(clips, request.prompts, strict=True)
    ]
    _check_lengths(prompts)
    items = [
        schemas.ScoreItem(clip=clip.clip, prompt=prompt)
        for clip, prompt in zip(clips, prompts, strict=True)
    ]
    response = await core.score(schemas.ScoreRequest(items=items), {}, context)
    return _answer(
        [result.reward for result in response.results],
        [{name: s.value for name, s in result.scores.items()} for result in response.results],
        [result.reason for result in response.results],
    )


async def _of_texts(
    core: CriticCore, request: RewardRequest, context: CallContext
) -> RewardResponse:
    answers = [
        _answer_of(index, query, prompt)
        for index, (query, prompt) in enumerate(zip(request.query, request.prompts, strict=True))
    ]
    queries = [
        label if isinstance(label, str) else prompt
        for label, prompt in zip(request.labels, request.prompts, strict=True)
    ]
    _check_lengths([*answers, *queries])
    items = [
        schemas.PromptItem(query=query, optimised_prompt=answer)
        for query, answer in zip(queries, answers, strict=True)
    ]
    response = await core.score_prompts(schemas.PromptsRequest(items=items), {}, context)
    values = [{n: s.value for n, s in result.scores.items()} for result in response.results]
    reasons = [
        next((s.reason for s in result.scores.values() if s.reason is not None), None)
        for result in response.results
    ]
    return _answer([_least(each) for each in values], values, reasons)


def _answer_of(index: int, query: str, prompt: str) -> str:
    """Cut the policy's answer out of the text that the trainer decoded."""
    if not query.startswith(prompt):
        raise InvalidRequest(f"query.{index} does not begin with prompts.{index}", index=index)
    answer = query[len(prompt) :].strip()
    while (end := _END.search(answer, max(0, len(answer) - _LONGEST_END))) is not None:
        answer = answer[: end.start()].rstrip()
    if not answer:
        raise InvalidRequest(f"query.{index} has no answer after its prompt", index=index)
    return answer


def _check_lengths(texts: Sequence[str]) -> None:
    longest = max(map(len, texts))
    if longest > MAX_PROMPT_CHARACTERS or not all(texts):
        raise InvalidRequest(
            f"a text to judge has {longest} characters, or none; 1 to {MAX_PROMPT_CHARACTERS} are "
            "allowed"
        )


def _least(values: dict[str, float | None]) -> float | None:
    known = [value for value in values.values() if value is not None]
    return min(known) if known and len(known) == len(values) else None


def _answer(
    rewards: Sequence[float | None],
    values: Sequence[dict[str, float | None]],
    reasons: Sequence[schemas.Reason | None],
) -> RewardResponse:
    lacking: list[dict[str, Any]] = [
        {"index": i, **(reason.model_dump() if reason is not None else {"code": "not_judged"})}
        for i, (reward, reason) in enumerate(zip(rewards, reasons, strict=True))
        if reward is None
    ]
    judged = [reward for reward in rewards if reward is not None]
    if lacking:
        first = lacking[0]
        raise NotAnswered(
            f"{len(lacking)} of {len(rewards)} items could not be judged, and this protocol has no "
            f"word for that; item {first['index']}: {first.get('message', first['code'])}",
            items=lacking,
        )
    # A trainer logs what all items have.
    logs: dict[str, list[float]] = {}
    for name in values[0]:
        column = [number for each in values if (number := each.get(name)) is not None]
        if len(column) == len(values):
            logs[name] = column
    return RewardResponse(rewards=judged, scores=judged, extra_logs=logs)
