"""One call's way through intake, desk and engine, item by item."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from critic_models.errors import CriticError
from critic_models.types import DimensionScore, Preference, Score

from critic_service.desk import Admission
from critic_service.errors import as_critic_error
from critic_service.intake import CallClips
from critic_service.judge import Judge
from critic_service.packing import Priority
from critic_service.schemas import ClipRef

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class Timings:
    """Where a call's time went, in seconds: of each stage the longest that one item took."""

    decode_s: float = 0.0
    queue_s: float = 0.0
    engine_s: float = 0.0

    async def decoded(self, wanted: Awaitable[T]) -> T:
        """Wait for a clip and note how long that took."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            return await wanted
        finally:
            self.decode_s = max(self.decode_s, loop.time() - started_s)

    def header(self) -> str:
        """Return the value of the `Server-Timing` header."""
        stages = {"queue": self.queue_s, "decode": self.decode_s, "engine": self.engine_s}
        return ", ".join(f"{name};dur={1000 * took_s:.1f}" for name, took_s in stages.items())


@dataclass(frozen=True)
class CallContext:
    """What belongs to a call, whatever it asks.

    Attributes:
        request_id: names the call in answers and logs.
        deadline_s: in the event loop's time; None for no bound.
        priority: `online` goes before `batch`.
        timings: filled in while the call is worked on.
    """

    request_id: str
    deadline_s: float | None = None
    priority: Priority = "online"
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True)
class Scored:
    """A clip's scores by criterion."""

    clip_id: str
    scores: dict[str, Score]


@dataclass(frozen=True)
class Compared:
    """A pair's preferences by criterion."""

    clip_id_a: str
    clip_id_b: str
    preferences: dict[str, Preference]


@dataclass(frozen=True)
class Measured:
    """A clip's dimensions by name."""

    clip_id: str
    dimensions: dict[str, DimensionScore]


async def measure_all(
    clips: CallClips[Measured], refs: Sequence[ClipRef], timings: Timings
) -> list[Measured | CriticError]:
    """Measure clips that are opened for measuring; equal clips once."""
    await clips.identify(refs)

    async def measured(ref: ClipRef) -> Measured:
        with clips.use(ref) as wanted:
            return await timings.decoded(wanted)

    return await settle(map(measured, refs))


@dataclass(frozen=True)
class JudgingCall:
    """Everything that the items of one judging call share."""

    judge: Judge
    criteria: Sequence[str]
    clips: CallClips[Any]
    room: Admission[Any, Any]
    timings: Timings

    async def score_all(
        self, asks: Sequence[tuple[ClipRef, str | None]]
    ) -> list[Scored | CriticError]:
        """Score clips with their prompts; equal clips with equal prompts once.

        Returns:
            For each ask its scores, or why there are none.
        """
        identities = await self.clips.identify([ref for ref, _ in asks])
        keys = [(same, prompt) for same, (_, prompt) in zip(identities, asks, strict=True)]
        distinct = dict(zip(keys, asks, strict=True))
        outcomes = await settle(self._score(ref, prompt) for ref, prompt in distinct.values())
        by_key = dict(zip(distinct, outcomes, strict=True))
        return [by_key[key] for key in keys]

    async def compare_all(
        self, asks: Sequence[tuple[ClipRef, ClipRef, str | None]]
    ) -> list[Compared | CriticError]:
        """Show the critic every pair in both orders."""
        await self.clips.identify([ref for a, b, _ in asks for ref in (a, b)])
        return await settle(self._compare(a, b, prompt) for a, b, prompt in asks)

    async def compare_scores(
        self, asks: Sequence[tuple[ClipRef, ClipRef, str | None]]
    ) -> list[Compared | CriticError]:
        """Compare pairs by the scores of their clips, each clip being scored once."""
        scored = await self.score_all([(ref, prompt) for a, b, prompt in asks for ref in (a, b)])
        outcomes: list[Compared | CriticError] = []
        for a, b in zip(scored[::2], scored[1::2], strict=True):
            if isinstance(a, CriticError):
                outcomes.append(a)
            elif isinstance(b, CriticError):
                outcomes.append(b)
            else:
                preferences = self.judge.preferences_from_scores(a.scores, b.scores)
                outcomes.append(Compared(a.clip_id, b.clip_id, preferences))
        return outcomes

    async def _score(self, ref: ClipRef, prompt: str | None) -> Scored:
        with self.clips.use(ref) as wanted:
            clip = await self.timings.decoded(wanted)
            item = await asyncio.to_thread(self.judge.pointwise, clip, prompt, self.criteria)
            answers = await self._answers(item)
            return Scored(clip.clip_id, self.judge.scores(answers))

    async def _compare(self, ref_a: ClipRef, ref_b: ClipRef, prompt: str | None) -> Compared:
        with self.clips.use(ref_a) as wanted_a, self.clips.use(ref_b) as wanted_b:
            a, b = await together(self.timings.decoded(wanted_a), self.timings.decoded(wanted_b))
            items = await asyncio.to_thread(self.judge.pairwise, a, b, prompt, self.criteria)
            # Both orders are handed in at the same time, so that they can share a batch.
            a_first, b_first = await together(*map(self._answers, items))
            return Compared(a.clip_id, b.clip_id, self.judge.preferences(a_first, b_first))

    async def _answers(self, item: Any) -> Any:
        reply = await self.room.submit(item)
        self.timings.queue_s = max(self.timings.queue_s, reply.waited_s)
        self.timings.engine_s = max(self.timings.engine_s, reply.ran_s)
        return reply.result


async def together(*works: Awaitable[T]) -> list[T]:
    """Do all works at the same time to their ends; raise the first one's error, if any."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("list[T]", results)


async def settle(works: Iterable[Awaitable[T]]) -> list[T | CriticError]:
    """Do all works at the same time; what fails, fails alone."""
    return list(await asyncio.gather(*map(_settle_one, works)))


async def _settle_one(work: Awaitable[T]) -> T | CriticError:
    try:
        return await work
    except CriticError as error:
        return error
    except Exception as error:
        logger.exception("an item failed in an unexpected way")
        return as_critic_error(error)
