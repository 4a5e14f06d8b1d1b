"""The service's use cases, free of HTTP: what a route calls, and a command in its own process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from critic_models import rewards
from critic_models.dimensions import DIMENSIONS
from critic_models.errors import CriticError, UnknownName

from critic_service import schemas
from critic_service.backlog import DeskLimits
from critic_service.call import (
    CallContext,
    Compared,
    JudgingCall,
    Measured,
    MeasuringCall,
    Scored,
    Seen,
)
from critic_service.clip_store import ClipStore
from critic_service.desk import Desk
from critic_service.drift import ScoreDrift, read_reference
from critic_service.errors import InvalidRequest
from critic_service.gauges import Gauges, known
from critic_service.info import service_info, versions
from critic_service.intake import Intake, Part
from critic_service.judge import CountingJudge, Judge, PreparedClip
from critic_service.keys import CALLER
from critic_service.measuring import Measuring, Told
from critic_service.metric_rewards import Asked, MetricRewards, sort_names
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
from critic_service.sandbox.decoder import InProcessDecoder, SandboxedDecoder
from critic_service.schemas import ClipRef
from critic_service.sent_clips import SentClips, clip_id_of
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
        self._decoder = (
            SandboxedDecoder(settings.clip)
            if settings.decode_sandbox
            else InProcessDecoder(settings.clip)
        )
        self.gauges = Gauges(judge, settings, self._decoder)
        self.metric_rewards = MetricRewards(settings, self._decoder)
        store = ClipStore(settings.max_kept_clip_bytes, settings.keep_clips_s)
        self.clips = SentClips(store, settings.clip, self.desk)
        self.intake = Intake(
            settings.clip,
            num_threads=settings.decode_threads,
            max_clips=settings.max_clips_in_progress,
            wait_for_room=self.desk.wait_for_room,
            metrics=self.metrics,
            store=store,
        )
        self._fingerprint = wire_fingerprint(judge.fingerprint)
        self.prompts = PromptCritique(judge, self._fingerprint, settings, self.desk, self.metrics)
        self.metrics.watch("queue_items", "Items that wait", lambda: self.desk.queued_items)
        self.metrics.watch("kept_clip_bytes", "Clips sent ahead", lambda: store.num_bytes)
        self.metrics.watch("queue_tokens", "Tokens that wait", lambda: self.desk.queued_tokens)
        reference = settings.drift_reference
        self._drift = ScoreDrift(
            settings.drift_scores, None if reference is None else read_reference(Path(reference))
        )
        self.metrics.watch_drift(self._drift.readings)
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
        self.gauges.close()
        self.metric_rewards.close()
        self._decoder.close()
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
        asked = self._asked(request.criteria, request.reward, {})
        measuring = self._measuring(request.dimensions)
        asks = [(item.clip, Told.of(item.prompt, item.auxiliary)) for item in request.items]
        refs = [ref for ref, _ in asks]
        with self._judging(asked, refs, parts, context, measuring) as call:
            outcomes = await call.score_all(asks)
        self._conclude(outcomes)
        return schemas.ScoreResponse(
            request_id=context.request_id,
            critic=self.judge.name,
            results=[score_result(i, each, weights) for i, each in enumerate(outcomes)],
            reward_weights=weights,
            fingerprint=self._fingerprint_of(asked),
        )

    async def rank(
        self, request: schemas.RankRequest, parts: Parts, context: CallContext
    ) -> schemas.RankResponse:
        """Rank clips of one prompt by their rewards; arguments and errors as `score`."""
        self._check_critic(request.critic)
        weights = self._weights(request.reward)
        if not weights:
            raise InvalidRequest("this critic has no reward of its own to rank by; give `reward`")
        asked = self._asked(request.criteria, request.reward, weights)
        measuring = self._measuring(request.dimensions)
        told = Told.of(request.prompt, request.auxiliary)
        asks = [(ref, told) for ref in request.clips]
        with self._judging(asked, request.clips, parts, context, measuring) as call:
            outcomes = await call.score_all(asks)
        self._conclude(outcomes)
        scored = [score_result(i, each, weights) for i, each in enumerate(outcomes)]
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
            fingerprint=self._fingerprint_of(asked),
        )

    async def compare(
        self, request: schemas.CompareRequest, parts: Parts, context: CallContext
    ) -> schemas.CompareResponse:
        """Say which clip of each pair is preferred; arguments and errors as `score`."""
        self._check_critic(request.critic)
        names = request.criteria or self._default_criteria
        asked = Asked(tuple(known("criterion", names, self.judge.spec.criteria)), ())
        auto = request.method == "auto"
        method = self.judge.spec.pairwise_method if auto else request.method
        refs = [ref for pair in request.pairs for ref in (pair.a, pair.b)]
        with self._judging(asked, refs, parts, context) as call:
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
        measuring = self._measuring(
            request.dimensions or list(DIMENSIONS), split=request.split == "vbench_long"
        )
        asks = [(ref, Told()) for ref in request.clips]
        asks += [(item.clip, Told.of(item.prompt, item.auxiliary)) for item in request.items]
        refs = [ref for ref, _ in asks]

        def see(data: bytes) -> Seen:
            if measuring.wanted.asked:
                clip = self._prepare(data)
                seen = Seen(clip.clip_id, clip)
            else:
                seen = Seen(clip_id_of(data, self.settings.clip))
            measuring.see(seen.clip_id, data)
            return seen

        # Where the engine gets nothing closing must wait for the call all the same.
        admission = self.desk.admit(
            len(refs) if measuring.wanted.asked else 0,
            priority=context.priority,
            deadline_s=context.deadline_s,
        )
        with admission as room, self.intake.open(refs, parts, see) as clips:
            outcomes = await MeasuringCall(clips, room, context.timings, measuring).measure_all(
                asks
            )
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
        return service_info(self.judge, self.settings, self.gauges, self.metric_rewards)

    @contextmanager
    def _judging(
        self,
        asked: Asked,
        refs: Sequence[ClipRef],
        parts: Parts,
        context: CallContext,
        measuring: Measuring | None = None,
    ) -> Iterator[JudgingCall]:
        """Let a call in, with one item for the engine for each clip it names."""

        def prepare(data: bytes) -> PreparedClip:
            clip = self._prepare(data)
            if measuring is not None:
                measuring.see_if_possible(clip.clip_id, data)
            return clip

        items_per_clip = 2 if measuring is not None and measuring.wanted.asked else 1
        admission = self.desk.admit(
            items_per_clip * len(refs), priority=context.priority, deadline_s=context.deadline_s
        )
        with admission as room, self.intake.open(refs, parts, prepare) as clips:
            yield JudgingCall(
                *(clips, room, context.timings),
                judge=self.judge,
                asked=asked,
                metrics=self.metric_rewards,
                measuring=measuring,
            )

    def _measuring(self, names: Sequence[str] | None, *, split: bool = False) -> Measuring:
        return Measuring(self.gauges, self.gauges.wanted(names or ()), split=split)

    def _prepare(self, data: bytes) -> PreparedClip:
        return self.judge.prepare(self._decoder.load(data, self.judge.sampling))

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

    @property
    def _default_criteria(self) -> list[str]:
        return [name for name, each in self.judge.spec.criteria.items() if each.default]

    def _asked(
        self,
        criteria: Sequence[str] | None,
        reward: schemas.RewardSpec | None,
        needed: Mapping[str, float],
    ) -> Asked:
        """Name what to judge: what the request names, in `criteria` and in `reward`.

        The critic's own choice, and with it what is `needed`, only where `reward` names nothing;
        its choice alone gives way to `criteria`.
        """
        if reward is not None:
            names = [*(criteria or ()), *reward.weights]
        else:
            names = [*(criteria or self._default_criteria), *needed]
        return sort_names(names, self.judge.spec.criteria)

    def _fingerprint_of(self, asked: Asked) -> schemas.Fingerprint:
        if not asked.metrics:
            return self._fingerprint
        return wire_fingerprint(
            self.metric_rewards.fingerprint_of(self.judge.fingerprint, asked.metrics)
        )

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
                        self._drift.on_score(self.judge.name, name, value, CALLER.get().name)
        error = all_failed(outcomes)
        if error is not None:
            raise error
