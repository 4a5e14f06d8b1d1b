"""Asking over a socket: what is sent, and that whatever fails is a reason."""

from __future__ import annotations

import time

import pytest
from chat_endpoint import FakeEndpoint, chat_reply, yes_with
from critic_models.prompts.endpoint import MAX_REPLY_BYTES, Endpoint
from critic_models.prompts.judgement import Judgement
from critic_models.prompts.principles import PRINCIPLES

HARMLESS = PRINCIPLES["harmless"]


def ask(url: str, timeout_s: float = 5.0) -> Judgement:
    return Endpoint(url, "judge", "secret-key", timeout_s).ask(HARMLESS, "a fox", "A red fox runs.")


def test_it_asks_and_reads() -> None:
    with FakeEndpoint(yes_with(0.8)).serving() as endpoint:
        said = ask(endpoint.url + "/")
    assert said.value == pytest.approx(0.8)
    ((path, headers, request),) = endpoint.requests
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer secret-key"
    assert request["model"] == "judge"
    assert "A red fox runs." in request["messages"][0]["content"]


def test_without_a_key_no_header_is_sent() -> None:
    with FakeEndpoint().serving() as endpoint:
        Endpoint(endpoint.url, "judge").ask(HARMLESS, "a", "b")
    assert "authorization" not in endpoint.requests[0][1]


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_a_reason_without_the_endpoints_words(status: int) -> None:
    with FakeEndpoint(lambda _: (status, b"an inner secret")).serving() as endpoint:
        said = ask(endpoint.url)
    assert (said.value, said.code) == (None, "judge_refused")
    assert str(status) in (said.reason or "")
    assert "secret" not in (said.reason or "")
    assert len(endpoint.requests) == 1, "a redirect would carry the key elsewhere"


def test_nobody_there_is_a_reason() -> None:
    with FakeEndpoint().serving() as endpoint:
        url = endpoint.url
    said = ask(url)
    assert (said.value, said.code) == (None, "judge_unreachable")


def test_an_answer_that_does_not_come_in_time() -> None:
    with FakeEndpoint(delay_s=2.0).serving() as endpoint:
        began_s = time.monotonic()
        said = ask(endpoint.url, timeout_s=0.2)
        assert time.monotonic() - began_s < 1.5
    assert (said.value, said.code) == (None, "judge_timed_out")


def test_an_answer_that_comes_in_drops() -> None:
    with FakeEndpoint(piece_s=0.1).serving() as endpoint:
        began_s = time.monotonic()
        said = ask(endpoint.url, timeout_s=0.3)
        assert time.monotonic() - began_s < 1.5
    assert (said.value, said.code) == (None, "judge_timed_out")


def test_an_answer_without_end_is_cut_off() -> None:
    long = chat_reply({"Yes": 0.9, "No": 0.1}) + b" " * MAX_REPLY_BYTES
    with FakeEndpoint(lambda _: (200, long)).serving() as endpoint:
        said = ask(endpoint.url)
    assert (said.value, said.code) == (None, "judge_reply_invalid")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1", "host:8000/v1", "", "http://", "http://u:p@host/v1", "http://host/v1?a=b",
        "http://host/v1#x", "http://host/v 1", "http://host/\nv1", "file:///etc/passwd",
        "http://host:0/v1", "http://host:99999/v1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Endpoint(url, "m")


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Endpoint("http://host/v1", "m", "secret"))
