"""One key for one call, however often it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from critic_client import Pipeline
from critic_client.testing import FakeCritic
from service_app import app_of, scored

MP4 = b"video"


@pytest.fixture
def critic(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCritic]:
    monkeypatch.setattr("critic_client._retry.BACKOFF_FIRST_S", 0.01)
    with FakeCritic() as running:
        yield running


def test_all_attempts_of_a_call_carry_one_key(
    call: Any, service: Any, error_answer: Any, slept: list[float]
) -> None:
    service.answers = [error_answer(429, "overloaded", True), error_answer(503, "draining", True)]
    call("score", MP4)
    call("score", MP4)
    keys = [received.headers["idempotency-key"] for received in service.received]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


def test_a_question_carries_none(call: Any, service: Any) -> None:
    call("info")
    assert "idempotency-key" not in service.last.headers


def test_the_key_survives_a_broken_connection(critic: FakeCritic) -> None:
    critic.fail_next("dropped", "overloaded")
    with Pipeline(critic.url) as pipeline:
        pipeline.submit(MP4).result(5)
        pipeline.submit(MP4).result(5)
    keys = [received.headers["idempotency-key"] for received in critic.received]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


async def test_a_service_that_does_not_know_keys_judges_as_ever() -> None:
    async with app_of() as app:
        with_key = {"Idempotency-Key": "k"}
        answers = [
            await app.post("/v1/score", json=scored(1)),
            await app.post("/v1/score", json=scored(1), headers=with_key),
            await app.post("/v1/score", json=scored(2), headers=with_key),
        ]
    assert [answer.status_code for answer in answers] == [200] * 3
    one, again, other = (answer.json()["results"][0] for answer in answers)
    assert again == one
    assert other["clip_id"] != one["clip_id"]
