"""UniRL's reward service, with the wire of 2026-06: `/score`, `/rewards`, `/health`.

A reward's name is the critic's own, for its reward followed by its default criteria, or that of one
criterion. A reward that could not be read is not among an item's results, but among its errors,
which is this protocol's way of saying so; values are the calibrated ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from critic_models.errors import CriticError, UnknownName
from pydantic import Field, FiniteFloat, model_validator

from critic_service import schemas
from critic_service.call import CallContext, together
from critic_service.core import CriticCore, Parts
from critic_service.schemas import MAX_ITEMS_PER_REQUEST, Name, Prompt, Wire

MAX_TURNS = 64
MAX_REWARDS = 64
REWARD = "reward"


class HistoryTurn(Wire):
    text: Prompt
    image_b64: str | None = None
    video_b64: str | None = None
    video_path: str | None = None

    @model_validator(mode="after")
    def _has_media(self) -> HistoryTurn:
        if self.video_b64 is not None and self.video_path is not None:
            raise ValueError("video_b64 and video_path exclude each other")
        if self.image_b64 is None and self.video_b64 is None and self.video_path is None:
            raise ValueError("a turn needs image_b64, video_b64 or video_path")
        return self


class RewardRequest(Wire):
    """`metadata` is part of the protocol, and no critic here reads it."""

    history: Annotated[list[HistoryTurn], Field(min_length=1, max_length=MAX_TURNS)]
    required_rewards: Annotated[list[Name], Field(min_length=1, max_length=MAX_REWARDS)]
    metadata: dict[str, Any] | None = None


class ScoreRequest(Wire):
    requests: Annotated[list[RewardRequest], Field(max_length=MAX_ITEMS_PER_REQUEST)]


class ScoreResponse(Wire):
    results: list[dict[str, dict[str, FiniteFloat]]]
    errors: list[dict[str, str]]


class RewardsResponse(Wire):
    rewards: list[str]


class HealthResponse(Wire):
    status: str
    rewards: dict[str, list[str]]


@dataclass(frozen=True)
class _Offer:
    """What a reward's name stands for: criteria, and whether their reward comes first."""

    criteria: tuple[str, ...]
    with_reward: bool


async def score(
    core: CriticCore, request: ScoreRequest, parts: Parts, context: CallContext
) -> ScoreResponse:
    """Score the last turn of each history.

    Raises:
        UnknownName: a reward does not exist here.
        CriticError: the call cannot be done at all; a client may try again.
    """
    offers = _offers(core)
    unknown = {n for each in request.requests for n in each.required_rewards} - offers.keys()
    if unknown:
        raise UnknownName(
            f"no reward {', '.join(map(repr, sorted(unknown)))} here; there is {', '.join(offers)}",
            allowed=list(offers),
        )
    results: list[dict[str, dict[str, float]]] = [{} for _ in request.requests]
    errors: list[dict[str, str]] = [{} for _ in request.requests]
    # One native call for all items that ask for the same criteria.
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, each in enumerate(request.requests):
        if each.history[-1].video_path is not None:
            why = "path_not_allowed: this service opens no file that a request names"
            errors[index] = dict.fromkeys(each.required_rewards, why)
            continue
        criteria = {name for reward in each.required_rewards for name in offers[reward].criteria}
        groups.setdefault(tuple(sorted(criteria)), []).append(index)
    scored = await together(
        *(
            _scored(core, [request.requests[i] for i in indices], criteria, context)
            for criteria, indices in groups.items()
        )
    )
    for indices, outcomes in zip(groups.values(), scored, strict=True):
        for index, outcome in zip(indices, outcomes, strict=True):
            for name in dict.fromkeys(request.requests[index].required_rewards):
                found = _read(outcome, offers[name])
                if isinstance(found, str):
                    errors[index][name] = found
                else:
                    results[index][name] = found
    return ScoreResponse(results=results, errors=errors)


def rewards(core: CriticCore) -> RewardsResponse:
    """Name the rewards."""
    return RewardsResponse(rewards=list(_offers(core)))


def health(core: CriticCore) -> HealthResponse:
    """Say which rewards are served, each by one replica."""
    return HealthResponse(status="ok", rewards={name: ["ready"] for name in _offers(core)})


def _offers(core: CriticCore) -> dict[str, _Offer]:
    spec = core.judge.spec
    defaults = [name for name, criterion in spec.criteria.items() if criterion.default]
    weighted = [name for name, weight in spec.reward_weights.items() if weight > 0]
    whole = _Offer(tuple(dict.fromkeys([*weighted, *defaults])), with_reward=bool(weighted))
    return {core.judge.name: whole} | {name: _Offer((name,), False) for name in spec.criteria}


async def _scored(
    core: CriticCore,
    asked: Sequence[RewardRequest],
    criteria: tuple[str, ...],
    context: CallContext,
) -> list[schemas.ScoreResult | str]:
    items = [
        schemas.ScoreItem(
            clip=schemas.ClipRef(video_base64=turn.video_b64 or turn.image_b64 or ""),
            prompt=turn.text if turn.text.strip() else None,
        )
        for turn in (each.history[-1] for each in asked)
    ]
    native = schemas.ScoreRequest(items=items, criteria=list(criteria))
    try:
        response = await core.score(native, {}, context)
    except CriticError as error:
        # None of the items was judged: each has its reason. Without reasons the call was refused.
        reasons = error.details.get("items")
        if not isinstance(reasons, list) or len(reasons) != len(items):
            raise
        return [_sentence(each) for each in reasons]
    return list(response.results)


def _read(outcome: schemas.ScoreResult | str, offer: _Offer) -> dict[str, float] | str:
    if isinstance(outcome, str):
        return outcome
    if not outcome.scores:
        return _reason(outcome.reason)
    values: dict[str, float] = {}
    if offer.with_reward:
        if outcome.reward is None:
            return _reason(outcome.reason)
        values[REWARD] = outcome.reward
    for name in offer.criteria:
        score = outcome.scores[name]
        if score.value is None:
            return f"{name}: {_reason(score.reason)}"
        values[name] = score.value
    return values


def _reason(reason: schemas.Reason | None) -> str:
    return "not_judged: no reason was given" if reason is None else _sentence(reason.model_dump())


def _sentence(reason: Mapping[str, Any]) -> str:
    return f"{reason['code']}: {reason['message']}"
