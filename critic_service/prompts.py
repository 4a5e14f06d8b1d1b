"""Judging optimised prompts: who is asked, and what comes of it, item by item."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from critic_models.errors import CriticError, UnknownName
from critic_models.prompts.checks import Check, check_prompt, checks_hash
from critic_models.prompts.endpoint import Endpoint
from critic_models.prompts.judgement import Judgement, no_judgement
from critic_models.prompts.principles import Principle, known_principles, questions_hash

from critic_service import schemas
from critic_service.call import CallContext, settle
from critic_service.desk import Admission, Desk
from critic_service.errors import Overloaded
from critic_service.judge import Judge, TextJudge
from critic_service.metrics import Metrics
from critic_service.replies import all_finite, finite
from critic_service.settings import Settings

ID_CHARACTERS = 16
QUEUED_PER_THREAD = 256

Texts = tuple[str, str]
Judgements = list[Judgement]


class PromptCritique:
    """Judge prompts by a critic's language model, or by an endpoint that somebody runs.

    Args:
        judge: the critic of this process.
        fingerprint: its fingerprint.
        settings: where the endpoint is, if there is one.
        desk: where the critic's work queues; a call on the endpoint is only admitted there, so that
            closing waits for it as for any call.
        metrics: what to count with.
    """

    def __init__(
        self,
        judge: Judge,
        fingerprint: schemas.Fingerprint,
        settings: Settings,
        desk: Desk[Any, Any],
        metrics: Metrics,
    ) -> None:
        self._judge = judge
        self._fingerprint = fingerprint
        self._desk = desk
        self._metrics = metrics
        self._endpoint = settings.prompt_endpoint()
        self._threads = settings.prompt_judge_concurrency
        self._pool: ThreadPoolExecutor | None = None
        if self._endpoint is not None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="prompt-judge")
        self._pending = 0

    async def score(
        self, request: schemas.PromptsRequest, context: CallContext
    ) -> schemas.PromptsResponse:
        """Judge each prompt on each principle, and check it.

        What cannot be judged has null and a reason; the checks are made all the same.

        Raises:
            UnknownName: a principle, or the judge that was asked for, does not exist here.
            CriticError: the call cannot be taken now.
        """
        principles = known_principles(request.principles)
        kind = self._kind(request.judge)
        texts = [(item.query, item.optimised_prompt) for item in request.items]
        distinct = list(dict.fromkeys(texts))
        checks, judged = await asyncio.gather(
            asyncio.to_thread(lambda: [check_prompt(*each) for each in distinct]),
            self._judged(kind, distinct, principles, context, asked=request.judge != "none"),
        )
        outcomes = dict(zip(distinct, zip(judged, checks, strict=True), strict=True))
        identity = self._identity(kind)
        self._count(identity, judged)
        return schemas.PromptsResponse(
            request_id=context.request_id,
            judge=identity,
            results=[_result(index, *outcomes[each]) for index, each in enumerate(texts)],
        )

    def close(self) -> None:
        """Ask nothing more; questions that are on their way are not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _why_not_critic(self) -> str | None:
        if isinstance(self._judge, TextJudge):
            return self._judge.why_no_texts
        return (
            f"{self._judge.name} judges clips and has never learned to judge the words of a prompt"
        )

    def _kind(self, asked: str) -> schemas.PromptJudgeKind:
        if asked == "endpoint" and self._endpoint is None:
            raise UnknownName(
                "this service has no endpoint that judges prompts; its operator sets it up with "
                "CRITIC_PROMPT_JUDGE_URL and CRITIC_PROMPT_JUDGE_MODEL",
                allowed=["auto", "critic", "none"],
            )
        if asked in ("auto", "endpoint") and self._endpoint is not None:
            return "endpoint"
        if asked == "critic" or (asked == "auto" and self._why_not_critic is None):
            return "critic"
        return "none"

    async def _judged(
        self,
        kind: schemas.PromptJudgeKind,
        texts: Sequence[Texts],
        principles: Sequence[Principle],
        context: CallContext,
        *,
        asked: bool,
    ) -> list[Judgements]:
        if not asked:
            return [[] for _ in texts]
        if kind == "endpoint" and self._endpoint is not None:
            return await self._by_endpoint(self._endpoint, texts, principles, context)
        why = self._why_not_critic
        if why is None:
            return await self._by_critic(texts, principles, context)
        if kind == "none":
            why += "; and no endpoint is set up that could (CRITIC_PROMPT_JUDGE_URL)"
        return [[no_judgement(p.name, "no_prompt_judge", why) for p in principles] for _ in texts]

    async def _by_critic(
        self, texts: Sequence[Texts], principles: Sequence[Principle], context: CallContext
    ) -> list[Judgements]:
        admission = self._desk.admit(
            len(texts), priority=context.priority, deadline_s=context.deadline_s
        )
        with admission as room:
            outcomes = await settle(
                self._asked_critic(room, each, principles, context) for each in texts
            )
        return [
            [no_judgement(p.name, outcome.code, outcome.message) for p in principles]
            if isinstance(outcome, CriticError)
            else outcome
            for outcome in outcomes
        ]

    async def _asked_critic(
        self,
        room: Admission[Any, Any],
        texts: Texts,
        principles: Sequence[Principle],
        context: CallContext,
    ) -> Judgements:
        judge = self._judge
        if not isinstance(judge, TextJudge):
            raise TypeError("only a judge of texts is asked about them")
        names = [each.name for each in principles]
        item = await asyncio.to_thread(judge.text, *texts, names)
        reply = await room.submit(item)
        context.timings.queue_s = max(context.timings.queue_s, reply.waited_s)
        context.timings.engine_s = max(context.timings.engine_s, reply.ran_s)
        said = judge.judgements(reply.result)
        return [said[name] for name in names]

    async def _by_endpoint(
        self,
        endpoint: Endpoint,
        texts: Sequence[Texts],
        principles: Sequence[Principle],
        context: CallContext,
    ) -> list[Judgements]:
        num_questions = len(texts) * len(principles)
        most = QUEUED_PER_THREAD * self._threads
        if self._pending and self._pending + num_questions > most:
            raise Overloaded(
                f"{self._pending} questions about prompts are in progress and this call brings "
                f"{num_questions}; the limit is {most}",
                resource="prompt_judge",
            )
        loop = asyncio.get_running_loop()
        self._pending += num_questions
        try:
            with self._desk.admit(0, priority=context.priority):
                # The questions about one prompt follow each other: their beginnings are the same.
                answers = await asyncio.gather(
                    *(
                        loop.run_in_executor(self._pool, endpoint.ask, principle, *each)
                        for each in texts
                        for principle in principles
                    )
                )
        finally:
            self._pending -= num_questions
        step = len(principles)
        return [answers[start : start + step] for start in range(0, len(answers), step)]

    def _identity(self, kind: schemas.PromptJudgeKind) -> schemas.PromptJudge:
        fingerprint = self._fingerprint if kind == "critic" else None
        model = self._judge.name if kind == "critic" else None
        if kind == "endpoint" and self._endpoint is not None:
            model = self._endpoint.model
        questions, checks = questions_hash(), checks_hash()
        facts = [kind, model, fingerprint.id if fingerprint else None, questions, checks]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        return schemas.PromptJudge(
            id=digest[:ID_CHARACTERS],
            kind=kind,
            model=model,
            questions=questions,
            checks=checks,
            fingerprint=fingerprint,
        )

    def _count(self, judge: schemas.PromptJudge, judged: Sequence[Judgements]) -> None:
        for each in (judgement for judgements in judged for judgement in judgements):
            if each.value is None:
                self._metrics.on_failure("criterion", each.code or "not_answered")
            else:
                self._metrics.on_score(judge.model or judge.kind, each.principle, each.value)


def _result(
    index: int, judgements: Sequence[Judgement], checks: Sequence[Check]
) -> schemas.PromptResult:
    return schemas.PromptResult(
        index=index,
        scores={each.principle: _score(each) for each in judgements},
        checks={each.name: _check(each) for each in checks},
        passes_checks=all(each.passed is not False for each in checks),
    )


def _score(judgement: Judgement) -> schemas.Score:
    raw, value = finite(judgement.raw), finite(judgement.value)
    is_read = raw is not None and value is not None and judgement.code is None
    reason = None
    if not is_read:
        reason = schemas.Reason(
            code=judgement.code or "not_finite",
            message=judgement.reason or "the result is not a finite number",
        )
    return schemas.Score(
        raw=raw if is_read else None,
        value=value if is_read else None,
        read_from="yes_no",
        probabilities=(all_finite(judgement.probabilities) or {}) if is_read else {},
        answer_mass=finite(judgement.answer_mass),
        reason=reason,
    )


def _check(check: Check) -> schemas.PromptCheck:
    reason = None
    if check.reason is not None:
        code = "not_checked" if check.passed is None else "check_failed"
        reason = schemas.Reason(code=code, message=check.reason)
    return schemas.PromptCheck(
        passed=check.passed, value=finite(check.value), found=list(check.found), reason=reason
    )
