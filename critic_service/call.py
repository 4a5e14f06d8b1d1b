"""One call's way through intake, desk and engine, item by item."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from critic_models.errors import CriticError
from critic_models.types import DimensionScore, Preference, Score

from critic_service.desk import Admission
from critic_service.errors import as_critic_error
from critic_service.intake import CallClips
from critic_service.judge import Judge, PreparedClip
from critic_service.measuring import Measuring, Told
from critic_service.metric_rewards import Asked, MetricRewards
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
    """A clip's scores by criterion, and its dimensions where any were asked for."""

    clip_id: str
    scores: dict[str, Score]
    dimensions: Mapping[str, DimensionScore] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Seen:
    """A clip that was measured while it was decoded; `prepared` for the critic if it is asked."""

    clip_id: str
    prepared: PreparedClip | None = None


@dataclass(frozen=True)
class Working:
    """What the items of one call share on their way."""

    clips: CallClips[Any]
    room: Admission[Any, Any]
    timings: Timings

    async def each(
        self,
        work: Callable[[ClipRef, Told], Awaitable[T]],
        asks: Sequence[tuple[ClipRef, Told]],
    ) -> list[T | CriticError]:
        """Do the same with each clip; equal clips of which the same is told once.

        Returns:
            For each ask what came of it, or why nothing did.
        """
        identities = await self.clips.identify([ref for ref, _ in asks])
        keys = [(same, told) for same, (_, told) in zip(identities, asks, strict=True)]
        distinct = dict(zip(keys, asks, strict=True))
        outcomes = await settle(work(ref, told) for ref, told in distinct.values())
        by_key = dict(zip(distinct, outcomes, strict=True))
        return [by_key[key] for key in keys]

    async def answers(self, item: Any) -> Any:
        """Hand an item in and wait for its answers."""
        reply = await self.room.submit(item)
        self.timings.queue_s = max(self.timings.queue_s, reply.waited_s)
        self.timings.engine_s = max(self.timings.engine_s, reply.ran_s)
        return reply.result


@dataclass(frozen=True)
class MeasuringCall(Working):
    """A call that measures: its clips are opened to become `Seen`."""

    measuring: Measuring

    async def measure_all(
        self, asks: Sequence[tuple[ClipRef, Told]]
    ) -> list[Measured | CriticError]:
        """Measure clips of which something may be known."""
        return await self.each(self._measure, asks)

    async def _measure(self, ref: ClipRef, told: Told) -> Measured:
        with self.clips.use(ref) as wanted:
            seen = await self.timings.decoded(wanted)
            by_networks, by_questions = await together(
                self.measuring.by_networks(self.clips.reader(ref), told, fail=True),
                self.measuring.by_questions(seen.prepared, told, self.answers),
            )
        dimensions = self.measuring.all_of(seen.clip_id, by_networks, by_questions)
        return Measured(seen.clip_id, dimensions)


@dataclass(frozen=True)
class JudgingCall(Working):
    """A call that judges: its clips are opened to become the critic's."""

    judge: Judge
    asked: Asked
    metrics: MetricRewards
    measuring: Measuring | None = None

    async def score_all(self, asks: Sequence[tuple[ClipRef, Told]]) -> list[Scored | CriticError]:
        """Score clips with their prompts, and measure them."""
        return await self.each(self._score, asks)

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
        both = [(ref, Told(prompt)) for a, b, prompt in asks for ref in (a, b)]
        scored = await self.score_all(both)
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

    async def _score(self, ref: ClipRef, told: Told) -> Scored:
        with self.clips.use(ref) as wanted:
            clip = await self.timings.decoded(wanted)
            if self.measuring is None:
                return Scored(clip.clip_id, await self._judge(ref, clip, told.prompt))
            scores, by_networks, by_questions = await together(
                self._judge(ref, clip, told.prompt),
                self.measuring.by_networks(self.clips.reader(ref), told),
                self.measuring.by_questions(clip, told, self.answers),
            )
        dimensions = self.measuring.all_of(clip.clip_id, by_networks, by_questions)
        return Scored(clip.clip_id, scores, dimensions)

    async def _judge(
        self, ref: ClipRef, clip: PreparedClip, prompt: str | None
    ) -> dict[str, Score]:
        """Return what the critic and the metrics say; neither is asked for nothing."""
        by_critic, by_metrics = await together(
            self._by_critic(clip, prompt), self._by_metrics(ref, prompt)
        )
        return {**by_critic, **by_metrics}

    async def _by_critic(self, clip: PreparedClip, prompt: str | None) -> dict[str, Score]:
        if not self.asked.criteria:
            return {}
        item = await asyncio.to_thread(self.judge.pointwise, clip, prompt, self.asked.criteria)
        return self.judge.scores(await self.answers(item))

    async def _by_metrics(self, ref: ClipRef, prompt: str | None) -> dict[str, Score]:
        if not self.asked.metrics:
            return {}
        return await self.metrics.scores(self.clips.reader(ref), self.asked.metrics, prompt)

    async def _compare(self, ref_a: ClipRef, ref_b: ClipRef, prompt: str | None) -> Compared:
        with self.clips.use(ref_a) as wanted_a, self.clips.use(ref_b) as wanted_b:
            a, b = await together(self.timings.decoded(wanted_a), self.timings.decoded(wanted_b))
            items = await asyncio.to_thread(self.judge.pairwise, a, b, prompt, self.asked.criteria)
            # Both orders are handed in at the same time, so that they can share a batch.
            a_first, b_first = await together(*map(self.answers, items))
            return Compared(a.clip_id, b.clip_id, self.judge.preferences(a_first, b_first))


async def together(*works: Awaitable[Any]) -> list[Any]:
    """Do all works at the same time to their ends; raise the first one's error, if any."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


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
