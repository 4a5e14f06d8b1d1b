"""When a call is sent again, and how long it waits: pure decisions first, then both clients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from critic_client import (
    APIError,
    BadRequest,
    ConnectionFailed,
    CriticClientError,
    Overloaded,
    ProtocolError,
    ServerError,
    TimedOut,
)
from critic_client._errors import class_of
from critic_client._retry import Attempts, parse_retry_after
from hypothesis import given, settings
from hypothesis import strategies as st

MP4 = b"video"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def api_error(status: int, retryable: bool, retry_after_s: float | None = None) -> APIError:
    return class_of(status, "code")(
        "m", status=status, code="code", retryable=retryable, retry_after_s=retry_after_s
    )


def attempts(deadline_s: float = 100.0, max_retries: int = 5, draw: float = 0.0) -> Attempts:
    return Attempts(deadline_s, max_retries, clock=Clock(), uniform=lambda: draw)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("refused"),
        api_error(429, True),
        api_error(503, True),
        api_error(503, False),
        api_error(500, True),
        api_error(502, True),
    ],
)
def test_what_may_pass_is_sent_again(error: CriticClientError) -> None:
    assert attempts().wait_after_s(error) is not None


@pytest.mark.parametrize(
    "error",
    [
        *(api_error(status, True) for status in (400, 401, 403, 404, 408, 409, 413, 415, 422)),
        api_error(500, False),
        api_error(504, True),
        TimedOut("late"),
        ProtocolError("odd"),
    ],
)
def test_what_cannot_pass_is_not_sent_again(error: CriticClientError) -> None:
    assert attempts().wait_after_s(error) is None


def test_waits_double_up_to_a_cap_and_are_counted() -> None:
    trial = attempts(max_retries=6)
    waits = [trial.wait_after_s(ConnectionFailed("refused")) for _ in range(7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, None]


def test_jitter_shortens_a_backoff_and_lengthens_a_wait_that_was_asked_for() -> None:
    assert attempts(draw=1.0).wait_after_s(ConnectionFailed("refused")) == 0.375
    assert attempts(draw=1.0).wait_after_s(api_error(429, True, 4.0)) == 5.0


def test_retry_after_is_honoured_up_to_a_cap() -> None:
    assert attempts().wait_after_s(api_error(429, True, 3.0)) == 3.0
    assert attempts(deadline_s=1000).wait_after_s(api_error(503, True, 3600.0)) == 60.0


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    assert attempts(deadline_s=2.9).wait_after_s(api_error(429, True, 3.0)) is None


@settings(deadline=None)
@given(
    st.floats(0.05, 300),
    st.integers(0, 8),
    st.lists(st.tuples(st.floats(0, 50), st.none() | st.floats(0, 1e6)), max_size=12),
    st.floats(0, 0.999),
)
def test_attempts_and_waits_never_pass_the_deadline(
    deadline_s: float, max_retries: int, plan: list[tuple[float, float | None]], draw: float
) -> None:
    clock = Clock()
    trial = Attempts(deadline_s, max_retries, clock=clock, uniform=lambda: draw)
    sent = 0
    for took_s, asked_s in plan:
        budget = trial.budget()
        sent += 1
        assert 0 < budget.timeout_s <= deadline_s + 1e-9
        assert budget.server_deadline_ms >= 1
        assert budget.server_deadline_ms / 1000 < budget.timeout_s or budget.timeout_s < 0.002
        # An attempt that takes longer than its budget is cut off by the HTTP timeout.
        clock.now_s += min(took_s, budget.timeout_s)
        wait_s = trial.wait_after_s(api_error(429, True, asked_s))
        if wait_s is None:
            break
        clock.now_s += wait_s
        assert clock.now_s < 1000.0 + deadline_s
    assert sent <= max_retries + 1
    assert clock.now_s <= 1000.0 + deadline_s + 1e-6


def test_no_attempt_begins_without_time() -> None:
    clock = Clock()
    trial = Attempts(1.0, 2, clock=clock)
    clock.now_s += 1.0
    with pytest.raises(TimedOut, match="deadline of 1 s"):
        trial.budget()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("soon", None),
        ("-3", None),
        ("1e9", None),
        ("", None),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:59:00 GMT", 0.0),
        ("Sat, 99 Nov 2026 09:59:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    now = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
    assert parse_retry_after(header, now) == seconds


@settings(deadline=None)
@given(st.text(max_size=40))
def test_retry_after_never_fails(header: str) -> None:
    seconds = parse_retry_after(header)
    assert seconds is None or seconds >= 0


def test_a_full_queue_is_waited_out(
    call: Any, service: Any, error_answer: Any, slept: list[float]
) -> None:
    service.answers = [error_answer(429, "overloaded", True, Retry_After="2")] * 2
    assert call("score", MP4, "p").rewards == [0.75]
    assert len(service.received) == 3
    assert all(2.0 <= wait_s <= 2.5 for wait_s in slept)
    ids = {received.headers["x-request-id"] for received in service.received}
    assert len(ids) == 1
    assert len({str(received.parts) for received in service.received}) == 1


def test_the_last_error_is_raised_when_retries_run_out(
    call: Any, service: Any, error_answer: Any, slept: list[float]
) -> None:
    service.answers = [error_answer(429, "overloaded", True, Retry_After="1")] * 9
    with pytest.raises(Overloaded) as caught:
        call("score", MP4, client={"max_retries": 3})
    assert caught.value.retry_after_s == 1.0
    assert len(service.received) == 4
    assert len(slept) == 3


def test_no_retries_when_there_are_to_be_none(call: Any, service: Any, error_answer: Any) -> None:
    service.answers = [error_answer(503, "draining", True)]
    with pytest.raises(ServerError):
        call("score", MP4, client={"max_retries": 0})
    assert len(service.received) == 1


def test_a_connection_that_broke_is_tried_again(
    call: Any, service: Any, slept: list[float]
) -> None:
    service.answers = [httpx.ConnectError("refused"), httpx.ReadError("reset")]
    assert call("compare", MP4, b"other").preferred == "a"
    assert len(service.received) == 3


def test_a_fault_of_the_input_is_sent_once(
    call: Any, service: Any, error_answer: Any, slept: list[float]
) -> None:
    service.answers = [error_answer(400, "malformed_request", True)]
    with pytest.raises(BadRequest):
        call("score", MP4)
    assert len(service.received) == 1
    assert slept == []


def test_a_wait_longer_than_the_deadline_fails_at_once(
    call: Any, service: Any, error_answer: Any, slept: list[float]
) -> None:
    service.answers = [error_answer(429, "overloaded", True, Retry_After="30")]
    with pytest.raises(Overloaded):
        call("score", MP4, deadline_s=5)
    assert slept == []
