"""Every status, and everything the HTTP library can raise, has one class."""

from __future__ import annotations

import inspect
import re
from typing import Any

import httpx
import pytest
from critic_client import (
    APIError,
    ConnectionFailed,
    CriticClient,
    CriticClientError,
    ProtocolError,
    TimedOut,
    _errors,
)
from critic_client._http import _TRANSLATION

MP4 = b"video"

STATUS_TABLE = [
    (400, "malformed_request", "BadRequest"),
    (401, "unauthorized", "Unauthorized"),
    (403, "forbidden", "APIError"),
    (404, "not_found", "APIError"),
    (413, "clip_too_large", "PayloadTooLarge"),
    (415, "unsupported_media_type", "UnsupportedMedia"),
    (422, "clip_unreadable", "Unprocessable"),
    (429, "overloaded", "Overloaded"),
    (500, "internal", "ServerError"),
    (502, "bad_gateway", "ServerError"),
    (503, "draining", "Draining"),
    (503, "engine_error", "Unavailable"),
    (504, "deadline_exceeded", "DeadlineExceeded"),
]


@pytest.mark.parametrize(("status", "code", "name"), STATUS_TABLE)
def test_each_status_has_its_class_and_keeps_the_envelope(
    call: Any, service: Any, error_answer: Any, status: int, code: str, name: str
) -> None:
    service.answers = [error_answer(status, code)]
    with pytest.raises(APIError) as caught:
        call("score", MP4, client={"max_retries": 0})
    error = caught.value
    assert type(error).__name__ == name
    assert (error.status, error.code, error.retryable) == (status, code, False)
    assert (error.message, error.request_id) == (f"because of {code}", "id-1")
    assert error.body["code"] == code
    assert str(error) == f"{status} {code}: because of {code} (request id-1)"


def test_a_page_of_a_proxy_is_an_error_of_its_status(call: Any, service: Any) -> None:
    page = b"<html>\xff Bad Gateway</html>" + b"x" * 10_000
    service.answers = [httpx.Response(502, content=page, headers={"X-Request-Id": "proxy-7"})]
    with pytest.raises(APIError) as caught:
        call("score", MP4, client={"max_retries": 0})
    error = caught.value
    assert (error.status, error.code, error.retryable) == (502, "http_502", True)
    assert error.request_id == "proxy-7"
    assert error.body.startswith("<html>")
    assert len(error.body) <= 500


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'{"code": 7, "details": []}', b'{"message": ""}']
)
def test_an_error_that_is_not_the_envelope_is_still_an_error(
    call: Any, service: Any, body: bytes
) -> None:
    service.answers = [httpx.Response(422, content=body)]
    with pytest.raises(APIError) as caught:
        call("score", MP4)
    assert caught.value.code == "http_422"
    assert caught.value.details == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"{}", b'{"request_id": NaN}', b"[" * 100_000, b"\xff\xfe"],
)
def test_an_answer_that_is_not_the_schema_is_a_protocol_error(
    call: Any, service: Any, content: bytes
) -> None:
    service.answers = [httpx.Response(200, content=content)]
    with pytest.raises(ProtocolError):
        call("score", MP4)
    assert len(service.received) == 1


@pytest.mark.parametrize("indices", [[], [0], [1, 0], [0, 0], [0, 1, 2]])
def test_results_that_do_not_match_what_was_sent_are_a_protocol_error(
    call: Any, service: Any, indices: list[int]
) -> None:
    good = call("score", MP4).body
    results = [{**good["results"][0], "index": index} for index in indices]
    service.answers = [httpx.Response(200, json={**good, "results": results})]
    with pytest.raises(ProtocolError, match="2 results in order"):
        call("score", [MP4, b"other"])


def test_a_redirect_is_not_followed(call: Any, service: Any) -> None:
    service.answers = [httpx.Response(307, headers={"Location": "http://elsewhere/"})]
    with pytest.raises(APIError, match="307"):
        call("score", MP4)
    assert len(service.received) == 1


def _concrete_subclasses(kind: type) -> set[type]:
    direct = set(kind.__subclasses__())
    return direct.union(*(_concrete_subclasses(sub) for sub in direct)) if direct else set()


def test_everything_the_http_library_can_raise_is_translated(call: Any, service: Any) -> None:
    library = {
        kind
        for kind in _concrete_subclasses(httpx.RequestError)
        if kind.__module__.startswith("httpx") and kind is not httpx.TransportError
    }
    assert len(library) > 10
    for kind in library:
        translated = [ours for theirs, ours, _ in _TRANSLATION if issubclass(kind, theirs)]
        # ProtocolError of the library is abstract: only its two subclasses are ever raised.
        assert translated or kind is httpx.ProtocolError, kind


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError("refused"), ConnectionFailed),
        (httpx.ConnectTimeout("slow"), ConnectionFailed),
        (httpx.RemoteProtocolError("gone"), ConnectionFailed),
        (httpx.WriteError("pipe"), ConnectionFailed),
        (httpx.ReadTimeout("slow"), TimedOut),
        (httpx.PoolTimeout("busy"), TimedOut),
        (httpx.DecodingError("gzip"), ProtocolError),
    ],
)
def test_errors_of_the_library_become_ours_with_the_request_id(
    call: Any, service: Any, raised: Exception, expected: type
) -> None:
    service.answers = [raised]
    with pytest.raises(expected) as caught:
        call("score", MP4, client={"max_retries": 0})
    assert caught.value.request_id == service.last.headers["x-request-id"]
    assert "http://127.0.0.1:3000" in str(caught.value)
    assert caught.value.__cause__ is raised


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (_errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+) {2,}", line)
        if match:
            depth = len(match[1]) // 4
            del above[depth:]
            drawn[match[2]] = above[-1] if above else "Exception"
            above.append(match[2])
    actual = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(_errors, inspect.isclass)
        if issubclass(kind, CriticClientError)
    }
    assert drawn == actual


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "127.0.0.1:3000"},
        {"base_url": "ftp://host"},
        {"base_url": "http://"},
        {"base_url": "http://host:port"},
        {"base_url": "http://host:99999"},
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"max_retries": -1},
        {"api_key": "two words"},
        {"api_key": "line\nbreak"},
        {"api_key": ""},
    ],
)
def test_bad_settings_are_refused_when_the_client_is_made(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))) as caught:
        CriticClient(**settings)
    if settings.get("api_key"):
        assert settings["api_key"] not in str(caught.value)


def test_a_bad_deadline_is_refused(call: Any, service: Any) -> None:
    with pytest.raises(ValueError, match="deadline_s"):
        call("score", MP4, deadline_s=-1)
    assert service.received == []
