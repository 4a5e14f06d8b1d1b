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


async def test_the_service_replays_a_key_and_refuses_it_for_another_call() -> None:
    async with app_of() as app:
        with_key = {"Idempotency-Key": "k"}
        one, again, other = [
            await app.post("/v1/score", json=scored(number), headers=with_key)
            for number in (1, 1, 2)
        ]
    assert one.status_code == again.status_code == 200
    assert again.json()["results"] == one.json()["results"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
