"""The calls that judge: name, schemas, use case, and how curl may send them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from critic_service import schemas
from critic_service.body import Shorthand
from critic_service.call import CallContext
from critic_service.core import CriticCore, Parts


@dataclass(frozen=True)
class Call:
    """One call that judges.

    Attributes:
        name: its path below `/v1/`.
        summary: for the documentation.
        request, response: its schemas.
        work: the use case behind it.
        shorthand: how a plain form spells it; None where there is no short way.
        takes_clips: whether clips may travel beside the request.
    """

    name: str
    summary: str
    request: type[schemas.Wire]
    response: type[schemas.Wire]
    work: Callable[[CriticCore, Any, Parts, CallContext], Awaitable[schemas.Wire]]
    shorthand: Shorthand | None = None
    takes_clips: bool = True


def _score(given: dict[str, Any]) -> dict[str, Any]:
    item = {"clip": {"part": "clip"}, "prompt": given.pop("prompt", None)}
    return {"items": [item], **given}


def _compare(given: dict[str, Any]) -> dict[str, Any]:
    pair = {"a": {"part": "a"}, "b": {"part": "b"}, "prompt": given.pop("prompt", None)}
    return {"pairs": [pair], **given}


def _dimensions(given: dict[str, Any]) -> dict[str, Any]:
    item = {"clip": {"part": "clip"}, "prompt": given.pop("prompt", None)}
    return {"items": [item], **given}


CALLS = (
    Call(
        name="score",
        summary="Score clips on named criteria, and combine the scores into a reward",
        request=schemas.ScoreRequest,
        response=schemas.ScoreResponse,
        work=CriticCore.score,
        shorthand=Shorthand(("clip",), ("prompt",), ("criteria",), _score),
    ),
    Call(
        name="compare",
        summary="Say which clip of each pair is preferred",
        request=schemas.CompareRequest,
        response=schemas.CompareResponse,
        work=CriticCore.compare,
        shorthand=Shorthand(("a", "b"), ("prompt",), ("criteria",), _compare),
    ),
    Call(
        name="rank",
        summary="Rank clips of one prompt by reward, with group-normalised advantages",
        request=schemas.RankRequest,
        response=schemas.RankResponse,
        work=CriticCore.rank,
    ),
    Call(
        name="dimensions",
        summary="Measure clips without a critic",
        request=schemas.DimensionsRequest,
        response=schemas.DimensionsResponse,
        work=CriticCore.dimensions,
        shorthand=Shorthand(("clip",), ("prompt",), ("dimensions",), _dimensions),
    ),
    Call(
        name="prompts/score",
        summary="Judge optimised prompts: harmless, accurate, helpful; and checks without a judge",
        request=schemas.PromptsRequest,
        response=schemas.PromptsResponse,
        work=CriticCore.score_prompts,
        takes_clips=False,
    ),
)
