"""Judging prompts over HTTP: by an endpoint, by a critic that reads texts, and by nobody."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from chat_endpoint import FakeEndpoint, chat_reply, yes_with
from critic_models.errors import CriticError, EngineError, PromptError
from critic_models.prompts.checks import CHECK_NAMES
from critic_models.prompts.judgement import Judgement, read_judgement
from fake_judge import FakeJudge
from service_app import App, app_of, raw_clip, until

from critic_service import schemas
from critic_service.settings import Settings, SettingsError

QUERY, PROMPT = "a red fox -neg blur", "A red fox runs over a lawn at dawn, without blur."
PATH = "/v1/prompts/score"


def asked(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    pairs = pairs or ((QUERY, PROMPT),)
    return {"items": [{"query": q, "optimised_prompt": p} for q, p in pairs], **more}


@dataclass(frozen=True)
class FakeText:
    query: str
    prompt: str
    principles: tuple[str, ...]
    num_tokens: int = 50


@dataclass
class ReadingJudge(FakeJudge):
    """A critic that can be asked about texts; P(yes) is the length of the prompt over 100."""

    why_no_texts: str | None = None

    def text(self, query: str, prompt: str, principles: Sequence[str]) -> FakeText:
        if len(prompt) > 99:
            raise PromptError("too long for this critic")
        return FakeText(query, prompt, tuple(principles))

    def run(self, items: Sequence[Any]) -> list[Any]:
        texts = [each for each in items if isinstance(each, FakeText)]
        if not texts:
            return super().run(items)
        self.batches.append(list(items))
        self.on_run(items)
        return [self.outcome_of(each) or each for each in texts]

    def judgements(self, answers: FakeText) -> dict[str, Judgement]:
        p = len(answers.prompt) / 100
        return {
            each: read_judgement(each, math.log(p), math.log(1 - p))
            for each in reversed(answers.principles)
        }


def endpoint_settings(endpoint: FakeEndpoint, **more: Any) -> dict[str, Any]:
    return {"prompt_judge_url": endpoint.url, "prompt_judge_model": "big-judge", **more}


async def judged(app: App, request: dict[str, Any]) -> schemas.PromptsResponse:
    answer = await app.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    return schemas.PromptsResponse.model_validate(answer.json())


async def test_an_endpoint_judges() -> None:
    def answer(request: dict[str, Any]) -> tuple[int, bytes]:
        text = request["messages"][0]["content"]
        return yes_with(0.9 if "safe to make" in text else 0.6 if "keep" in text else 0.2)(request)

    with FakeEndpoint(answer).serving() as endpoint:
        async with app_of(**endpoint_settings(endpoint, prompt_judge_api_key="k-1")) as app:
            body = await judged(app, asked())
    (result,) = body.results
    values = {name: score.value for name, score in result.scores.items()}
    assert values == pytest.approx({"harmless": 0.9, "accurate": 0.6, "helpful": 0.2})
    assert result.scores["accurate"].raw == pytest.approx(math.log(1.5))
    assert result.scores["accurate"].answer_mass == pytest.approx(1.0)
    assert (body.judge.kind, body.judge.model) == ("endpoint", "big-judge")
    assert body.judge.fingerprint is None
    assert tuple(result.checks) == CHECK_NAMES
    assert result.passes_checks
    assert {headers["authorization"] for _, headers, _ in endpoint.requests} == {"Bearer k-1"}


async def test_equal_pairs_are_asked_once_and_order_is_kept() -> None:
    with FakeEndpoint(yes_with(0.7)).serving() as endpoint:
        async with app_of(**endpoint_settings(endpoint)) as app:
            pairs = [("a", "the first fox runs fast"), ("b", "x"), ("a", "the first fox runs fast")]
            body = await judged(app, asked(*pairs, principles=["helpful"]))
    assert [each.index for each in body.results] == [0, 1, 2]
    assert body.results[0].checks == body.results[2].checks != body.results[1].checks
    assert len(endpoint.requests) == 2


async def test_one_question_that_fails_leaves_the_others() -> None:
    def answer(request: dict[str, Any]) -> tuple[int, bytes]:
        text = request["messages"][0]["content"]
        if "safe to make" in text:
            return 500, b"secret traceback"
        return 200, chat_reply({"Well": 0.95, "Yes": 0.03, "No": 0.02} if "keep" in text else
                               {"Yes": 0.5, "No": 0.5})  # fmt: skip

    with FakeEndpoint(answer).serving() as endpoint:
        async with app_of(**endpoint_settings(endpoint)) as app:
            (result,) = (await judged(app, asked())).results
            exposed = app.door.metrics.exposition().decode()
    for name, code in (("harmless", "judge_refused"), ("accurate", "not_answered")):
        score = result.scores[name]
        assert (score.raw, score.value, score.probabilities) == (None, None, {})
        assert score.reason is not None
        assert score.reason.code == code
        assert "secret" not in score.reason.message
    assert result.scores["helpful"].value == pytest.approx(0.5)
    assert 'critic_failures_total{code="judge_refused",level="criterion"} 1.0' in exposed


async def test_an_endpoint_that_is_gone_gives_reasons_and_checks() -> None:
    with FakeEndpoint().serving() as endpoint:
        settings = endpoint_settings(endpoint)
    async with app_of(**settings) as app:
        (result,) = (await judged(app, asked())).results
    assert {each.value for each in result.scores.values()} == {None}
    assert {each.reason and each.reason.code for each in result.scores.values()} == {
        "judge_unreachable"
    }
    assert result.checks["no_preamble"].passed is True


async def test_no_more_questions_at_once_than_allowed() -> None:
    with FakeEndpoint(delay_s=0.05).serving() as endpoint:
        async with app_of(**endpoint_settings(endpoint, prompt_judge_concurrency=2)) as app:
            await judged(app, asked(*((f"q{i}", "p") for i in range(6))))
    assert len(endpoint.requests) == 18
    assert endpoint.most_at_once == 2


async def test_too_many_questions_in_progress_are_refused() -> None:
    with FakeEndpoint(delay_s=0.3).serving() as endpoint:
        async with app_of(**endpoint_settings(endpoint, prompt_judge_concurrency=1)) as app:
            first = asyncio.create_task(app.post(PATH, json=asked()))
            await until(lambda: bool(endpoint.requests))
            many = asked(*((f"q{i}", "p") for i in range(200)))
            refused = await app.post(PATH, json=many)
            assert refused.status_code == 429
            assert refused.json()["details"]["resource"] == "prompt_judge"
            assert (await first).status_code == 200


async def test_a_deadline_ends_the_call() -> None:
    with FakeEndpoint(delay_s=1.0).serving() as endpoint:
        async with app_of(**endpoint_settings(endpoint)) as app:
            answer = await app.post(PATH, json=asked(), headers={"X-Request-Deadline-Ms": "100"})
    assert answer.status_code == 504


async def test_a_critic_that_never_learned_it_says_so() -> None:
    async with app_of() as app:
        by_nobody = await judged(app, asked())
        by_critic = await judged(app, asked(judge="critic"))
    assert (by_nobody.judge.kind, by_nobody.judge.model) == ("none", None)
    assert (by_critic.judge.kind, by_critic.judge.model) == ("critic", "critic-fake")
    for body in (by_nobody, by_critic):
        (result,) = body.results
        assert set(result.scores) == {"harmless", "accurate", "helpful"}
        for score in result.scores.values():
            assert (score.raw, score.value) == (None, None)
            assert score.reason is not None
            assert score.reason.code == "no_prompt_judge"
            assert "never learned" in score.reason.message
        assert result.passes_checks
    assert app.judge.batches == []


async def test_checks_alone() -> None:
    async with app_of() as app:
        body = await judged(app, asked((QUERY, "Here is a blurred hen"), judge="none"))
    (result,) = body.results
    assert result.scores == {}
    assert not result.passes_checks
    lost = result.checks["content_retained"]
    assert (lost.passed, lost.value) == (False, 0.0)
    assert lost.found == ["red", "fox"]
    assert lost.reason is not None
    assert lost.reason.code == "check_failed"


async def test_a_critic_that_reads_texts_judges_through_the_desk() -> None:
    async with app_of(ReadingJudge()) as app:
        body = await judged(app, asked(("a", "x" * 20), ("b", "y" * 70)))
        again = await judged(app, asked(("a", "x" * 20), principles=["helpful", "accurate"]))
    assert (body.judge.kind, body.judge.model) == ("critic", "critic-fake")
    assert body.judge.fingerprint is not None
    for result, p in zip(body.results, (0.2, 0.7), strict=True):
        assert list(result.scores) == ["harmless", "accurate", "helpful"]
        assert [s.value for s in result.scores.values()] == pytest.approx([p] * 3)
    assert list(again.results[0].scores) == ["helpful", "accurate"]
    assert again.judge == body.judge
    assert len(app.judge.batches) == 2, "prompts of one call share a batch"


async def test_clips_are_judged_beside_texts() -> None:
    async with app_of(ReadingJudge()) as app:
        clip = {"items": [{"clip": {"part": "x"}}]}
        files = [("request", ("request", str(clip).replace("'", '"'), "application/json")),
                 ("x", ("x", raw_clip(1), "application/x-safetensors"))]  # fmt: skip
        scored = await app.post("/v1/score", files=files)
    assert scored.status_code == 200, scored.text


async def test_a_text_that_fails_fails_alone() -> None:
    judge = ReadingJudge()

    def outcome_of(item: Any) -> CriticError | None:
        return EngineError("a fault") if getattr(item, "prompt", "") == "bad" else None

    judge.outcome_of = outcome_of
    async with app_of(judge) as app:
        body = await judged(app, asked(("a", "fine"), ("a", "bad"), ("a", "z" * 120)))
    fine, bad, long = body.results
    assert fine.scores["helpful"].value == pytest.approx(0.04)
    assert bad.scores["helpful"].reason is not None
    assert bad.scores["helpful"].reason.code == "engine_error"
    assert long.scores["helpful"].reason is not None
    assert long.scores["helpful"].reason.code == "bad_prompt"
    assert bad.checks


async def test_an_endpoint_goes_before_a_critic_and_either_can_be_asked_for() -> None:
    with FakeEndpoint(yes_with(0.9)).serving() as endpoint:
        async with app_of(ReadingJudge(), **endpoint_settings(endpoint)) as app:
            kinds = [
                (await judged(app, asked(judge=kind))).judge.kind
                for kind in ("auto", "endpoint", "critic", "none")
            ]
    assert kinds == ["endpoint", "endpoint", "critic", "none"]
    async with app_of(ReadingJudge()) as app:
        answer = await app.post(PATH, json=asked(judge="endpoint"))
    assert answer.status_code == 422
    assert "CRITIC_PROMPT_JUDGE_URL" in answer.json()["message"]


async def test_judges_that_differ_have_other_ids() -> None:
    ids = set()
    with FakeEndpoint().serving() as endpoint:
        for model in ("one", "two"):
            settings = {**endpoint_settings(endpoint), "prompt_judge_model": model}
            async with app_of(ReadingJudge(), **settings) as app:
                for kind in ("endpoint", "critic", "none"):
                    ids.add((await judged(app, asked(judge=kind))).judge.id)
    assert len(ids) == 4


@pytest.mark.parametrize(
    "request_",
    [
        {}, {"items": []}, asked(judge="gpt"), asked(principles=[]), asked(principles=["nice"]),
        asked(base_url="http://evil/v1"), asked(model="x"), asked(api_key="x"),
        asked(("", "p")), asked(("q", "")), asked(("q" * 8001, "p")), asked(("q", "p" * 8001)),
        asked(*((f"q{i}", "p") for i in range(257))),
        {"items": [{"query": "q", "optimised_prompt": "p", "extra": 1}]},
        {"items": [{"query": 3, "optimised_prompt": "p"}]},
    ],
)  # fmt: skip
async def test_what_the_schema_does_not_know_is_refused(request_: dict[str, Any]) -> None:
    async with app_of() as app:
        answer = await app.post(PATH, json=request_)
    assert answer.status_code == 422
    assert set(answer.json()) == {"code", "message", "retryable", "request_id", "details"}


async def test_a_call_about_prompts_takes_no_clips() -> None:
    files = [("request", ("request", '{"items":[{"query":"q","optimised_prompt":"p"}]}',
                          "application/json"))]  # fmt: skip
    async with app_of() as app:
        plain = await app.post(PATH, files=files)
        clip = await app.post(PATH, files=[*files, ("x", ("x", b"1", "video/mp4"))])
    assert plain.status_code == 200
    assert clip.status_code == 422


@pytest.mark.parametrize(
    "environment",
    [
        {"CRITIC_PROMPT_JUDGE_URL": "http://h/v1"}, {"CRITIC_PROMPT_JUDGE_MODEL": "m"},
        {"CRITIC_PROMPT_JUDGE_URL": "file:///x", "CRITIC_PROMPT_JUDGE_MODEL": "m"},
        {"CRITIC_PROMPT_JUDGE_API_KEY": "a\nb"}, {"CRITIC_PROMPT_JUDGE_TIMEOUT_S": "0"},
        {"CRITIC_PROMPT_JUDGE_CONCURRENCY": "0"},
    ],
)  # fmt: skip
def test_half_an_endpoint_is_no_setting(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        Settings.from_environment(environment)


def test_the_endpoints_key_is_not_shown() -> None:
    given = {"URL": "http://h/v1", "MODEL": "m", "API_KEY": "hush-hush"}
    settings = Settings.from_environment(
        {f"CRITIC_PROMPT_JUDGE_{name}": value for name, value in given.items()}
    )
    assert "hush" not in repr(settings)
    assert "hush" not in repr(settings.prompt_endpoint())
