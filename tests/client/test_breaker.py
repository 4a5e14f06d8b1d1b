"""When an endpoint is left alone, and when it is tried again: no network, no waiting."""

from __future__ import annotations

import pytest
from critic_client._breaker import FAILURES_TO_OPEN, FIRST_PAUSE_S, MAX_PAUSE_S, Breaker, State
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def half_open(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(certainly=True)
    clock.now_s += MAX_PAUSE_S
    breaker.probed(ready=True)


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed()
    breaker.succeeded()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed()
        assert breaker.admits
    breaker.failed()
    assert not breaker.admits


def test_it_opens_at_once_where_the_endpoint_says_that_it_is_out(breaker: Breaker) -> None:
    breaker.failed(certainly=True)
    assert breaker.state is State.OPEN


def test_a_probe_is_due_after_a_pause_and_again_while_not_ready(
    breaker: Breaker, clock: Clock
) -> None:
    breaker.failed(certainly=True)
    assert not breaker.wants_probe
    clock.now_s += FIRST_PAUSE_S
    assert breaker.wants_probe
    breaker.probed(ready=False)
    assert not breaker.wants_probe
    clock.now_s += FIRST_PAUSE_S
    assert breaker.wants_probe
    breaker.probed(ready=True)
    assert not breaker.wants_probe


def test_half_open_lets_one_call_through(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    assert breaker.admits
    assert breaker.begin() is True
    assert not breaker.admits
    breaker.succeeded()
    assert breaker.admits
    assert breaker.begin() is False
    assert breaker.admits


def test_a_trial_that_is_given_up_makes_room_for_the_next(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    breaker.begin()
    breaker.abandoned()
    assert breaker.admits
    assert breaker.begin() is True


def test_pauses_double_with_every_trial_that_fails(breaker: Breaker, clock: Clock) -> None:
    pauses = []
    breaker.failed(certainly=True)
    for _ in range(7):
        began_s = clock.now_s
        while not breaker.wants_probe:
            clock.now_s += 0.125
        pauses.append(clock.now_s - began_s)
        breaker.probed(ready=True)
        breaker.begin()
        breaker.failed()
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    clock.now_s += MAX_PAUSE_S
    breaker.probed(ready=True)
    breaker.succeeded()
    breaker.failed(certainly=True)
    clock.now_s += FIRST_PAUSE_S
    assert breaker.wants_probe


def test_a_late_answer_of_a_probe_changes_nothing(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    breaker.begin()
    breaker.probed(ready=True)
    assert not breaker.admits
    breaker.succeeded()
    breaker.probed(ready=False)
    assert breaker.state is State.CLOSED


@given(st.lists(st.sampled_from(["begin", "fail", "succeed", "abandon", "ready", "wait"])))
def test_it_can_always_be_closed_again(steps: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    act = {
        "begin": breaker.begin,
        "fail": breaker.failed,
        "succeed": breaker.succeeded,
        "abandon": breaker.abandoned,
        "ready": lambda: breaker.probed(ready=True),
        "wait": lambda: setattr(clock, "now_s", clock.now_s + 1),
    }
    for step in steps:
        act[step]()
    # Whatever happened, the trial ends, time goes by, a probe goes well: a call is let through.
    breaker.abandoned()
    clock.now_s += MAX_PAUSE_S
    if breaker.wants_probe:
        breaker.probed(ready=True)
    assert breaker.admits
