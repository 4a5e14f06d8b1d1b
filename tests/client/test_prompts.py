"""Optimised prompts: what both clients send, and what they make of the answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from critic_client import CriticClient, PromptsReply, ProtocolError
from critic_client.testing import FakeCritic
from critic_client.testing.prompts import prompt_value

from critic_service import schemas


def test_one_query_for_all_prompts(call: Any, service: Any) -> None:
    reply = call("score_prompts", "a fox", ["A red fox runs.", "A fox sleeps."])
    assert isinstance(reply, PromptsReply)
    assert service.last.path == "/v1/prompts/score"
    assert service.last.request == {
        "items": [
            {"query": "a fox", "optimised_prompt": "A red fox runs."},
            {"query": "a fox", "optimised_prompt": "A fox sleeps."},
        ]
    }
    assert service.last.clips == {}
    first, second = reply.results
    assert (first.scores["harmless"].value, first.scores["accurate"].value) == (0.9, 0.6)
    assert first.least == 0.6
    assert (second.scores["harmless"].value, second.least) == (None, None)
    assert second.scores["harmless"].reason is not None
    assert first.checks["length"].found == ("x",)
    assert (first.checks["length"].passed, first.passes_checks) == (False, False)
    assert (reply.judge.kind, reply.judge.model, reply.judge.id) == ("endpoint", "big-judge", "b0b")
    assert reply.timings_ms["engine"] == 300.25


def test_a_query_for_each_and_what_else_is_asked(call: Any, service: Any) -> None:
    call("score_prompts", ["a", "b"], ["c", "d"], principles=["helpful"], judge="critic")
    assert service.last.request == {
        "items": [
            {"query": "a", "optimised_prompt": "c"}, {"query": "b", "optimised_prompt": "d"}
        ],
        "principles": ["helpful"],
        "judge": "critic",
    }  # fmt: skip


def test_one_prompt(call: Any, service: Any) -> None:
    assert len(call("score_prompts", "a", "b").results) == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((["a"], ["b", "c"]), ValueError), (("a", []), ValueError), (([], []), ValueError),
        (("a", "b", "helpful"), TypeError),
    ],
)  # fmt: skip
def test_what_cannot_be_sent(
    call: Any, service: Any, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call("score_prompts", *arguments)
    assert service.received == []


def test_results_must_lie_beside_what_was_sent(call: Any, service: Any) -> None:
    body = {"request_id": "x", "results": [], "judge": {"id": "x", "kind": "none", "model": None,
            "questions": "q", "checks": "c", "fingerprint": None}}  # fmt: skip
    service.answers.append(httpx.Response(200, json=body))
    with pytest.raises(ProtocolError):
        call("score_prompts", "a", "b")


def test_the_fake_service_answers_in_the_schema() -> None:
    with FakeCritic() as critic, CriticClient(critic.url) as client:
        reply = client.score_prompts("a", ["b", "c"])
    schemas.PromptsResponse.model_validate(reply.body)
    assert reply.results[1].scores["helpful"].value == prompt_value("a", "c", "helpful")
    assert reply.results[0].least == min(
        prompt_value("a", "b", name) for name in ("harmless", "accurate", "helpful")
    )
