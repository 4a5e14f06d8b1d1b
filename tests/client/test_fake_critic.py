"""The fake service: in the schema of the real one, the same every time, faults when asked."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import httpx
import pytest
from critic_client import (
    ConnectionFailed,
    CriticClient,
    Overloaded,
    Unavailable,
    Unprocessable,
)
from critic_client.testing import FakeCritic
from critic_client.testing.answers import CRITERIA

from critic_service import schemas

A, B, C = b"a", b"b", b"c"


@pytest.fixture
def critic() -> Iterator[FakeCritic]:
    with FakeCritic() as running:
        yield running


@pytest.fixture
def client(critic: FakeCritic) -> Iterator[CriticClient]:
    with CriticClient(critic.url, max_retries=0) as connected:
        yield connected


def test_it_answers_in_the_schema_of_the_service(critic: FakeCritic, client: CriticClient) -> None:
    critic.unreadable.add(FakeCritic.clip_hash(C))
    clips = [A, B, C]
    schemas.ScoreResponse.model_validate(client.score(clips, "p").body)
    schemas.RankResponse.model_validate(client.rank(clips, "p").body)
    schemas.CompareResponse.model_validate(client.compare_many([(A, B), (A, C)], "p").body)
    schemas.DimensionsResponse.model_validate(client.dimensions(clips).body)
    schemas.InfoResponse.model_validate(client.info().body)


def test_scores_are_made_of_the_clip_the_criterion_and_the_prompt(client: CriticClient) -> None:
    reply = client.score([A, B, A], ["p", "p", "q"])
    first, second, third = (result.scores for result in reply.results)
    for name in CRITERIA:
        assert first[name].value == FakeCritic.value_of(A, name, "p")
        assert first[name].value != second[name].value
        raw = first[name].raw
        assert raw is not None
        assert 1 / (1 + math.exp(-raw)) == pytest.approx(first[name].value, abs=1e-12)
        assert (first[name].value == third[name].value) == (name != "text_alignment")
    values = [first[name].value or 0.0 for name in CRITERIA]
    assert reply.results[0].reward == pytest.approx(sum(values) / 3, abs=1e-12)
    assert client.score(A, "p").results[0].scores == first


def test_ranks_and_preferences_follow_the_scores(client: CriticClient) -> None:
    scored = client.score([A, B, C], "p").rewards
    ranked = client.rank([A, B, C], "p")
    assert ranked.rewards == scored
    best = max(range(3), key=lambda i: scored[i] or 0.0)
    assert (ranked.best, ranked.ranks[best]) == (best, 1)
    assert sum(a or 0.0 for a in ranked.advantages) == pytest.approx(0.0, abs=1e-9)
    one, other = client.compare(A, B, "p"), client.compare(B, A, "p")
    for name, preference in one.preferences.items():
        assert preference.p_win == pytest.approx(other.preferences[name].p_lose, abs=1e-12)
    assert {one.preferred, other.preferred} in ({"a", "b"}, {"tie"})


def test_a_clip_can_be_unreadable(critic: FakeCritic, client: CriticClient) -> None:
    critic.unreadable.add(FakeCritic.clip_hash(B))
    reply = client.score([A, B], "p")
    assert reply.rewards[0] is not None
    assert reply.rewards[1] is None
    reason = reply.results[1].reason
    assert reason is not None
    assert reason.code == "clip_unreadable"
    with pytest.raises(Unprocessable, match="clip_unreadable"):
        client.score(B, "p")
    with pytest.raises(Unprocessable, match="no beauty here"):
        client.score(A, "p", ["beauty"])


def test_faults_come_once_each_and_in_their_order(critic: FakeCritic, client: CriticClient) -> None:
    critic.retry_after_s = 3
    critic.fail_next("overloaded", "unavailable", "dropped", "slow")
    with pytest.raises(Overloaded) as caught:
        client.score(A)
    assert caught.value.retry_after_s == 3.0
    with pytest.raises(Unavailable):
        client.score(A)
    with pytest.raises(ConnectionFailed):
        client.score(A)
    began_s = time.monotonic()
    assert client.score(A).rewards[0] is not None
    assert time.monotonic() - began_s >= critic.slow_s
    assert client.score(A).rewards[0] is not None
    assert [received.path for received in critic.received] == ["/v1/score"] * 5
    with pytest.raises(ValueError, match="no fault late"):
        critic.fail_next("late")  # type: ignore[arg-type]


def test_it_dies_and_comes_back_at_the_same_address(
    critic: FakeCritic, client: CriticClient
) -> None:
    assert client.ready()
    url = critic.url
    critic.stop()
    critic.stop()
    assert not client.ready()
    critic.start()
    critic.start()
    assert critic.url == url
    assert client.ready()
    critic.ready = False
    assert not client.ready()


def test_what_is_no_call_is_refused(critic: FakeCritic) -> None:
    assert httpx.get(f"{critic.url}/nowhere").status_code == 404
    assert httpx.post(f"{critic.url}/v1/nowhere", content=b"x").status_code == 404
    assert httpx.post(f"{critic.url}/v1/score", json={}).status_code == 400
    files = {"request": ("request", b'{"items": [{"clip": {"part": "x"}}]}', "application/json")}
    assert httpx.post(f"{critic.url}/v1/score", files=files).status_code == 422
