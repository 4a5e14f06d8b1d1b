"""The service's use cases, free of HTTP: what a route calls, and a command in its own process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from critic_models import rewards
from critic_models.dimensions import DIMENSIONS, measure_stream
from critic_models.errors import CriticError, UnknownName
from critic_models.video.frames import from_safetensors, looks_like_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.load import load_clip
from critic_models.video.sampling import Uniform

from critic_service import schemas
from critic_service.backlog import DeskLimits
from critic_service.call import CallContext, Compared, JudgingCall, Measured, Scored, measure_all
from critic_service.desk import Desk
from critic_service.errors import InvalidRequest
from critic_service.info import service_info, versions
from critic_service.intake import Intake, Part
from critic_service.judge import CountingJudge, Judge, PreparedClip
from critic_service.measuring import Measuring, known
from critic_service.metrics import Metrics
from critic_service.prompts import PromptCritique
from critic_service.replies import (
    all_failed,
    compare_result,
    dimensions_result,
    finite,
    rank_result,
    score_result,
    wire_fingerprint,
)
from critic_service.schemas import ClipRef
from critic_service.settings import Settings

Parts = Mapping[str, Part]

QUEUED_BATCHES = 64
GUESSED_ITEMS_PER_BATCH = 8


class CriticCore:
    """Answer calls with one critic.

    Use it as an async context manager: leaving it finishes what was admitted.

    Args:
        judge: the critic.
        settings: bounds and budgets.
        metrics: what to count with.
    """

    def __init__(self, judge: Judge, settings: Settings, metrics: Metrics | None = None) -> None:
        self.judge = judge
        self.settings = settings
        self.metrics = metrics or Metrics()
        max_batch_tokens = settings.max_batch_tokens or judge.max_batch_tokens
        self.desk: Desk[Any, Any] = Desk(
            judge.run,
            DeskLimits(
                max_batch_tokens=max_batch_tokens,
                max_batch_items=settings.max_batch_items,
                max_queue_tokens=settings.max_queue_tokens or QUEUED_BATCHES * max_batch_tokens,
                linger_s=settings.linger_ms / 1000,
                typical_item_tokens=max_batch_tokens / GUESSED_ITEMS_PER_BATCH,
            ),
            self.metrics,
        )
        self.intake = Intake(
            settings.clip,
            num_threads=settings.decode_threads,
            max_clips=settings.max_clips_in_progress,
            wait_for_room=self.desk.wait_for_room,
            metrics=self.metrics,
        )
        self._fingerprint = wire_fingerprint(judge.fingerprint)
        self.prompts = PromptCritique(judge, self._fingerprint, settings, self.desk, self.metrics)
        self.metrics.watch("queue_items", "Items that wait", lambda: self.desk.queued_items)
        self.metrics.watch("queue_tokens", "Tokens that wait", lambda: self.desk.queued_tokens)
        if isinstance(judge, CountingJudge):
            self.metrics.watch_engine(lambda: judge.engine_stats)

    def start(self) -> None:
        """Begin to work, on the running event loop."""
        self.desk.start()

    async def __aenter__(self) -> CriticCore:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish what was admitted, for at most `drain_s`, and stop."""
        await self.desk.close(self.settings.drain_s)
        self.intake.close()
        self.prompts.close()

    async def score(
        self, request: schemas.ScoreRequest, parts: Parts, context: CallContext
    ) -> schemas.ScoreResponse:
        """Score each clip on each criterion, and combine its scores into a reward.

        Args:
            request: what to score.
            parts: the clips that the request names as parts.
            context: deadline, priority and timings of the call.

        Raises:
            CriticError: the call cannot be done, or none of its items could be judged.
        """
        self._check_critic(request.critic)
        weights = self._weights(request.reward)
        criteria = self._criteria(request.criteria, weights if request.reward else {})
        measuring = Measuring(request.dimensions or (), self.settings.clip)
        asks = [(item.clip, item.prompt) for item in request.items]
        refs = [ref for ref, _ in asks]
        with self._judging(criteria, refs, parts, context, measuring) as call:
            outcomes = await call.score_all(asks)
        self._conclude(outcomes)
        return schemas.ScoreResponse(
            request_id=context.request_id,
            critic=self.judge.name,
            results=[
                score_result(i, each, weights, measuring.by_clip) for i, each in enumerate(outcomes)
            ],
            reward_weights=weights,
            fingerprint=self._fingerprint,
        )

    async def rank(
        self, request: schemas.RankRequest, parts: Parts, context: CallContext
    ) -> schemas.RankResponse:
        """Rank clips of one prompt by their rewards; arguments and errors as `score`."""
        self._check_critic(request.critic)
        weights = self._weights(request.reward)
        if not weights:
            raise InvalidRequest("this critic has no reward of its own to rank by; give `reward`")
        criteria = self._criteria(request.criteria, weights)
        measuring = Measuring(request.dimensions or (), self.settings.clip)
        asks = [(ref, request.prompt) for ref in request.clips]
        with self._judging(criteria, request.clips, parts, context, measuring) as call:
            outcomes = await call.score_all(asks)
        self._conclude(outcomes)
        scored = [
            score_result(i, each, weights, measuring.by_clip) for i, each in enumerate(outcomes)
        ]
        ranking = rewards.rank([each.reward for each in scored])
        return schemas.RankResponse(
            request_id=context.request_id,
            critic=self.judge.name,
            results=[rank_result(each, ranking) for each in scored],
            best=ranking.best,
            worst=ranking.worst,
            reward_mean=ranking.mean,
            reward_std=ranking.std,
            reward_weights=weights,
            fingerprint=self._fingerprint,
        )

    async def compare(
        self, request: schemas.CompareRequest, parts: Parts, context: CallContext
    ) -> schemas.CompareResponse:
        """Say which clip of each pair is preferred; arguments and errors as `score`."""
        self._check_critic(request.critic)
        criteria = self._criteria(request.criteria, {})
        auto = request.method == "auto"
        method = self.judge.spec.pairwise_method if auto else request.method
        refs = [ref for pair in request.pairs for ref in (pair.a, pair.b)]
        with self._judging(criteria, refs, parts, context) as call:
            compare = call.compare_all if method == "both_orders" else call.compare_scores
            outcomes = await compare([(each.a, each.b, each.prompt) for each in request.pairs])
        self._conclude(outcomes)
        return schemas.CompareResponse(
            request_id=context.request_id,
            critic=self.judge.name,
            results=[compare_result(i, each) for i, each in enumerate(outcomes)],
            fingerprint=self._fingerprint,
        )

    async def dimensions(
        self, request: schemas.DimensionsRequest, parts: Parts, context: CallContext
    ) -> schemas.DimensionsResponse:
        """Measure clips without a critic; arguments and errors as `score`."""
        names = known("dimension", request.dimensions or list(DIMENSIONS), DIMENSIONS)

        def measure(data: bytes) -> Measured:
            measured = measure_stream(data, names, self.settings.clip)
            return Measured(_clip_id(data, self.settings.clip), measured)

        # The engine gets nothing of this, but closing must wait for it as for any call.
        admission = self.desk.admit(0, priority=context.priority)
        with admission, self.intake.open(request.clips, parts, measure) as clips:
            outcomes = await measure_all(clips, request.clips, context.timings)
        self._conclude(outcomes)
        return schemas.DimensionsResponse(
            request_id=context.request_id,
            results=[dimensions_result(i, each) for i, each in enumerate(outcomes)],
            versions=versions(),
        )

    async def score_prompts(
        self, request: schemas.PromptsRequest, parts: Parts, context: CallContext
    ) -> schemas.PromptsResponse:
        """Judge optimised prompts; see `PromptCritique.score`."""
        if parts:
            raise InvalidRequest("a call about prompts takes no clips", parts=sorted(parts)[:20])
        return await self.prompts.score(request, context)

    def info(self) -> schemas.InfoResponse:
        """Describe the critic, the dimensions, the limits and the versions."""
        return service_info(self.judge, self.settings)

    @contextmanager
    def _judging(
        self,
        criteria: Sequence[str],
        refs: Sequence[ClipRef],
        parts: Parts,
        context: CallContext,
        measuring: Measuring | None = None,
    ) -> Iterator[JudgingCall]:
        """Let a call in, with one item for the engine for each clip it names."""

        def prepare(data: bytes) -> PreparedClip:
            clip = self._prepare(data)
            if measuring is not None:
                measuring.measure(clip.clip_id, data)
            return clip

        admission = self.desk.admit(
            len(refs), priority=context.priority, deadline_s=context.deadline_s
        )
        with admission as room, self.intake.open(refs, parts, prepare) as clips:
            yield JudgingCall(self.judge, criteria, clips, room, context.timings)

    def _prepare(self, data: bytes) -> PreparedClip:
        return self.judge.prepare(load_clip(data, self.judge.sampling, self.settings.clip))

    def _check_critic(self, name: str | None) -> None:
        if name not in (None, self.judge.name):
            raise UnknownName(
                f"no critic {name!r} here; there is {self.judge.name}", allowed=[self.judge.name]
            )

    def _weights(self, asked: schemas.RewardSpec | None) -> dict[str, float]:
        weights = dict(asked.weights if asked else self.judge.spec.reward_weights)
        if asked and not any(weights.values()):
            raise InvalidRequest("a reward needs at least one weight above 0")
        return weights

    def _criteria(self, asked: Sequence[str] | None, weights: Mapping[str, float]) -> list[str]:
        """Name each criterion to judge once: those asked for, and those of the reward."""
        criteria = self.judge.spec.criteria
        names = asked or [name for name, criterion in criteria.items() if criterion.default]
        return known("criterion", [*names, *weights], self.judge.spec.criteria)

    def _conclude(self, outcomes: Sequence[Scored | Compared | Measured | CriticError]) -> None:
        """Count what came out; raise where nothing did."""
        for outcome in outcomes:
            if isinstance(outcome, CriticError):
                self.metrics.on_failure("item", outcome.code)
            elif isinstance(outcome, Scored):
                for name, score in outcome.scores.items():
                    value = finite(score.value)
                    if value is None:
                        self.metrics.on_failure("criterion", "not_answered")
                    else:
                        self.metrics.on_score(self.judge.name, name, value)
        error = all_failed(outcomes)
        if error is not None:
            raise error


def _clip_id(data: bytes, limits: ClipLimits) -> str:
    if looks_like_safetensors(data):
        return from_safetensors(data, Uniform(1), limits).clip_id
    return hashlib.sha256(data).hexdigest()
