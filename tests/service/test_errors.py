from __future__ import annotations

import copy
import inspect
import json
import math

import pytest
from critic_models import errors as critic

from critic_service import errors
from critic_service.errors import STATUS, as_critic_error, headers_of, reason_of, status_of


def classes_of(module: object) -> list[type[critic.CriticError]]:
    return [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, critic.CriticError)
    ]


@pytest.mark.parametrize("kind", classes_of(critic) + classes_of(errors))
def test_every_error_has_its_row(kind: type[critic.CriticError]) -> None:
    assert kind in STATUS


def test_no_row_is_left_over() -> None:
    assert set(STATUS) == set(classes_of(critic) + classes_of(errors))


@pytest.mark.parametrize("kind", STATUS)
def test_every_error_can_be_copied(kind: type[critic.CriticError]) -> None:
    error = kind("what", allowed=3)
    again = copy.copy(error)
    again.details = {}
    assert (again.message, error.details) == ("what", {"allowed": 3})


def test_codes_tell_classes_apart() -> None:
    kinds = set(classes_of(critic) + classes_of(errors))
    assert len({kind.code for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (critic.ClipUnreadable("x"), 422),
        (critic.ClipEmpty("x"), 422),
        (critic.ClipTooLarge("x"), 413),
        (critic.PromptError("x"), 422),
        (critic.UnknownName("x"), 422),
        (critic.EngineError("x"), 503),
        (critic.OutOfMemory("x"), 413),
        (errors.MalformedRequest("x"), 400),
        (errors.Unauthenticated("x"), 401),
        (errors.BodyTooLarge("x"), 413),
        (errors.UnsupportedMediaType("x"), 415),
        (errors.InvalidRequest("x"), 422),
        (errors.Overloaded("x"), 429),
        (errors.ClientGone("x"), 499),
        (errors.Internal(), 500),
        (errors.Draining("x"), 503),
        (errors.DeadlineExceeded("x"), 504),
    ],
)
def test_the_statuses_of_the_contract(error: critic.CriticError, status: int) -> None:
    assert status_of(error) == status


def test_a_new_class_takes_the_row_of_its_nearest_base() -> None:
    class ClipHaunted(critic.ClipTooLarge):
        code = "clip_haunted"

    assert status_of(ClipHaunted("boo")) == 413


def test_an_engine_error_that_is_not_worth_a_retry_is_a_500() -> None:
    class BrokenEngine(critic.EngineError):
        retryable = False

    assert status_of(BrokenEngine("x")) == 500


@pytest.mark.parametrize(("asked_s", "told"), [(0, "1"), (0.2, "1"), (1.01, "2"), (59.5, "60")])
def test_retry_after_is_a_whole_number_of_seconds_from_one(asked_s: float, told: str) -> None:
    assert headers_of(errors.Overloaded("x", retry_after_s=asked_s)) == {"Retry-After": told}


def test_an_unknown_exception_tells_nothing_of_its_inside() -> None:
    reason = reason_of(RuntimeError("password=1234"))
    assert reason.code == "internal"
    assert "1234" not in reason.model_dump_json()
    assert as_critic_error(KeyError("x")).retryable is False


def test_details_are_always_json() -> None:
    error = critic.ClipTooLarge("x", found=math.inf, allowed={1: (1, 2)}, strange=object())
    body = json.loads(reason_of(error).model_dump_json())
    assert body["details"]["found"] == "inf"
    assert body["details"]["allowed"] == {"1": [1, 2]}
    assert isinstance(body["details"]["strange"], str)
