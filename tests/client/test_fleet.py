"""Several endpoints: load, health, hedging, and never the scores of two critics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from critic_client import (
    FingerprintMismatch,
    Overloaded,
    Pipeline,
    RewardFunction,
    ServerError,
    TimedOut,
    Unprocessable,
)
from critic_client.testing import FakeCritic, answers

CLIP = b"clip"
URLS = ["http://a", "http://b"]


class Services(httpx.AsyncBaseTransport):
    """Some services behind one transport; each is told what to do by its host."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.probes: list[str] = []
        self.cancelled: list[str] = []
        self.num_now: dict[str, int] = {}
        self.not_ready: set[str] = set()
        self.held: set[str] = set()
        self.held_after_probe: set[str] = set()
        self.fingerprints: dict[str, str] = {}
        self.errors: dict[str, list[httpx.Response | Exception]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        body = await request.aread()
        if request.url.path == "/readyz":
            self.probes.append(host)
            self.held |= {host} & self.held_after_probe
            return httpx.Response(503 if host in self.not_ready else 200)
        self.calls.append(host)
        self.num_now[host] = self.num_now.get(host, 0) + 1
        try:
            while host in self.held:
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            self.cancelled.append(host)
            raise
        finally:
            self.num_now[host] -= 1
        if self.errors.get(host):
            answer = self.errors[host].pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        content_type = request.headers["content-type"]
        fingerprint_id = self.fingerprints.get(host, "same")
        reply = answers.answer_call(request.url.path, content_type, body, fingerprint_id, ())
        return httpx.Response(200, json=reply)


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def critics() -> Iterator[list[FakeCritic]]:
    with FakeCritic() as one, FakeCritic() as two:
        yield [one, two]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between attempts."""
    monkeypatch.setattr("critic_client._retry.BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr("critic_client._breaker.FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr("critic_client._fleet.CHOICE_POLL_S", 0.005)


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to pass"
        time.sleep(0.002)


def test_a_call_goes_to_the_least_loaded_endpoint(services: Services) -> None:
    services.held = {"a", "b"}
    with Pipeline(URLS, transport=services) as pipeline:
        futures = [pipeline.submit(CLIP) for _ in range(6)]
        until(lambda: len(services.calls) == 6)
        assert services.num_now == {"a": 3, "b": 3}
        services.held = {"a"}
        until(lambda: sum(future.done() for future in futures) == 3)
        futures += [pipeline.submit(CLIP) for _ in range(3)]
        until(lambda: len(services.calls) == 9)
        assert services.calls[6:] == ["b", "b", "b"]
        services.held = set()
        assert all(future.result(5).rewards[0] is not None for future in futures)


def test_calls_one_after_the_other_take_turns(services: Services) -> None:
    with Pipeline(URLS, transport=services) as pipeline:
        for _ in range(4):
            pipeline.submit(CLIP).result(5)
    assert services.calls == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.Response(429, headers={"Retry-After": "60"}),
        httpx.Response(503, headers={"Retry-After": "60"}),
    ],
)
def test_an_endpoint_that_is_gone_or_full_is_passed_over_at_once(
    services: Services, fault: Any
) -> None:
    services.errors = {"a": [fault]}
    with Pipeline(URLS, transport=services) as pipeline:
        # Far less than the wait that the endpoint asked for.
        assert pipeline.submit(CLIP, deadline_s=2).result(5).rewards[0] is not None
    assert services.calls == ["a", "b"]


def test_where_all_are_full_the_wait_that_they_ask_for_is_kept(services: Services) -> None:
    services.errors = {
        host: [httpx.Response(429, headers={"Retry-After": "60"})] for host in ("a", "b")
    }
    with Pipeline(URLS, transport=services) as pipeline, pytest.raises(Overloaded):
        pipeline.submit(CLIP, deadline_s=2).result(5)
    assert services.calls == ["a", "b"]


def test_an_endpoint_that_is_out_is_asked_for_readiness_before_it_gets_calls(
    services: Services,
) -> None:
    services.errors = {"a": [httpx.Response(503)]}
    services.not_ready = {"a"}
    with Pipeline(URLS, transport=services) as pipeline:
        until(lambda: [pipeline.submit(CLIP).result(5)] and len(services.probes) >= 3)
        assert services.calls.count("a") == 1
        services.not_ready = set()
        until(lambda: [pipeline.submit(CLIP).result(5)] and services.calls.count("a") > 1)
    assert set(services.probes) == {"a"}


def test_one_trial_call_decides_whether_an_endpoint_is_back(services: Services) -> None:
    services.errors = {"a": [httpx.Response(503)]}
    services.held_after_probe = {"a"}
    with Pipeline(["http://a"], transport=services) as pipeline:
        first = pipeline.submit(CLIP)
        until(lambda: services.calls == ["a", "a"])
        others = [pipeline.submit(CLIP) for _ in range(4)]
        time.sleep(0.05)
        assert services.num_now["a"] == 1
        services.held = set()
        assert all(future.result(5).rewards[0] is not None for future in [first, *others])


def test_a_cancelled_trial_leaves_its_turn_to_the_next_call(services: Services) -> None:
    services.errors = {"a": [httpx.Response(503)]}
    services.held_after_probe = {"a"}
    with Pipeline(["http://a"], transport=services) as pipeline:
        trial = pipeline.submit(CLIP)
        until(lambda: services.calls == ["a", "a"])
        assert trial.cancel()
        until(lambda: services.cancelled == ["a"])
        services.held = set()
        assert pipeline.submit(CLIP).result(5).rewards[0] is not None
        assert services.probes == ["a"]


def test_failures_in_a_row_end_in_readiness_probes_too(services: Services) -> None:
    services.errors = {"a": [httpx.ReadError("reset") for _ in range(3)]}
    with Pipeline(["http://a"], transport=services) as pipeline:
        assert pipeline.submit(CLIP).result(5).rewards[0] is not None
    assert (services.calls, services.probes) == (["a"] * 4, ["a"])


def test_where_none_becomes_ready_the_error_names_all_of_them(services: Services) -> None:
    services.errors = {host: [httpx.Response(503)] for host in ("a", "b")}
    services.not_ready = {"a", "b"}
    with Pipeline(URLS, transport=services) as pipeline:
        with pytest.raises(TimedOut, match=r"http://a \(503 .*http://b \(503 "):
            pipeline.submit(CLIP, deadline_s=0.2).result(5)
        reward = RewardFunction(pipeline, deadline_s=0.1)
        assert reward(["p"], [CLIP]) == [None]
    assert reward.lost == {"timed_out": 1}


def test_a_call_that_the_engine_fails_at_is_not_sent_for_ever(
    services: Services, error_answer: Any
) -> None:
    fault = [error_answer(503, "engine_error", True) for _ in range(9)]
    services.errors = {"a": list(fault), "b": list(fault)}
    with Pipeline(URLS, transport=services) as pipeline:
        with pytest.raises(ServerError, match="engine_error"):
            pipeline.submit(CLIP).result(5)
        assert len(services.calls) == 3


def test_a_fault_of_the_input_is_sent_once_and_says_nothing_of_the_endpoint(
    services: Services, error_answer: Any
) -> None:
    services.errors = {"a": [error_answer(422, "clip_unreadable") for _ in range(5)]}
    with Pipeline(["http://a"], transport=services) as pipeline:
        for _ in range(5):
            with pytest.raises(Unprocessable):
                pipeline.submit(CLIP).result(5)
        assert pipeline.submit(CLIP).result(5).rewards[0] is not None
    assert (len(services.calls), services.probes) == (6, [])


def test_nothing_is_sent_twice_unless_asked(services: Services) -> None:
    services.held = {"a"}
    with Pipeline(URLS, transport=services) as pipeline:
        future = pipeline.submit(CLIP)
        time.sleep(0.1)
        assert services.calls == ["a"]
        services.held = set()
        future.result(5)


def test_a_slow_call_is_sent_to_a_second_endpoint_and_the_first_is_broken_off(
    services: Services,
) -> None:
    services.held = {"a"}
    with Pipeline(URLS, transport=services, hedge_after_s=0.02) as pipeline:
        assert pipeline.submit(CLIP).result(5).rewards[0] is not None
        assert services.cancelled == ["a"]
        assert pipeline.traffic.num_attempts == 2
        services.held = set()
        services.calls.clear()
        pipeline.submit(CLIP).result(5)
        assert len(services.calls) == 1


def test_a_hedge_that_fails_leaves_the_first_to_answer(services: Services) -> None:
    services.held = {"a"}
    services.errors = {"b": [httpx.Response(500)]}
    with Pipeline(URLS, transport=services, hedge_after_s=0.01) as pipeline:
        future = pipeline.submit(CLIP)
        until(lambda: services.calls == ["a", "b"] and services.num_now["b"] == 0)
        services.held = set()
        assert future.result(5).rewards[0] is not None
        assert services.calls == ["a", "b"]


def test_hedges_are_bounded(services: Services) -> None:
    services.held = {"a", "b"}
    with Pipeline(URLS, transport=services, hedge_after_s=0.01) as pipeline:
        futures = [pipeline.submit(CLIP) for _ in range(6)]
        until(lambda: len(services.calls) >= 8)
        time.sleep(0.05)
        assert len(services.calls) == 8
        services.held = set()
        for future in futures:
            future.result(5)


def test_scores_of_two_critics_are_never_mixed(services: Services) -> None:
    services.fingerprints = {"b": "other"}
    with Pipeline(URLS, transport=services) as pipeline:
        reward = RewardFunction(pipeline)
        reward(["p"], [CLIP])
        with pytest.raises(FingerprintMismatch, match=r"http://b .*other, not same") as caught:
            reward(["p"], [CLIP])
        assert "revision is 'other', not 'same'" in str(caught.value)
        assert (caught.value.expected_id, caught.value.found.id) == ("same", "other")
        assert pipeline.fingerprint is not None
        assert pipeline.fingerprint.id == "same"
    assert reward.lost == {}


def test_a_critic_that_was_exchanged_behind_its_address_is_noticed(
    critics: list[FakeCritic],
) -> None:
    with Pipeline(critics[0].url) as pipeline:
        pipeline.submit(CLIP).result(5)
        critics[0].stop()
        critics[0].fingerprint_id = "new"
        critics[0].start()
        with pytest.raises(FingerprintMismatch, match="new, not fake"):
            pipeline.submit(CLIP).result(5)


def test_the_critic_can_be_named_beforehand(services: Services) -> None:
    with (
        Pipeline(URLS, transport=services, fingerprint_id="wanted") as pipeline,
        pytest.raises(FingerprintMismatch, match="same, not wanted"),
    ):
        pipeline.submit(CLIP).result(5)
    with Pipeline(URLS, transport=services, fingerprint_id="same") as pipeline:
        assert pipeline.submit(CLIP).result(5).fingerprint.id == "same"


def test_a_hedge_does_not_outvote_another_critic(services: Services) -> None:
    services.held = {"a"}
    services.fingerprints = {"b": "other"}
    with (
        Pipeline(URLS, transport=services, hedge_after_s=0.01, fingerprint_id="same") as pipeline,
        pytest.raises(FingerprintMismatch),
    ):
        pipeline.submit(CLIP).result(5)


def test_over_sockets_one_of_two_may_die(critics: list[FakeCritic]) -> None:
    with Pipeline([critic.url for critic in critics]) as pipeline:
        reward = RewardFunction(pipeline, clips_per_call=1)
        clips = [b"clip-%d" % i for i in range(12)]
        wanted = reward(["p"] * 12, clips)
        assert all(critic.received for critic in critics)
        critics[0].stop()
        assert reward(["p"] * 12, clips) == wanted
        critics[0].start()
        before = len(critics[0].received)
        until(lambda: reward(["p"], clips[:1]) and len(critics[0].received) > before)
    assert None not in wanted
    assert reward.lost == {}


@pytest.mark.parametrize("urls", [[], ["http://a", "http://a/"]])
def test_endpoints_are_named_once_each(urls: list[str]) -> None:
    with pytest.raises(ValueError, match="base_urls"):
        Pipeline(urls)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="hedge_after_s"):
        Pipeline(URLS, hedge_after_s=0)
    with pytest.raises(ValueError, match="base_url"):
        Pipeline(["nowhere"])
