"""Readouts: probabilities, calibration, ties, and answers that were none."""

from __future__ import annotations

import math

import pytest
from critic_models.types import Score
from critic_models.vlm.criteria import Criterion
from critic_models.vlm.readout import (
    Answer,
    preference_from_scores,
    read_preference,
    read_score,
)
from critic_models.vlm.spec import Platt
from hypothesis import given
from hypothesis import strategies as st

YES_NO = Criterion("sharpness", "yes_no", "?", "s", ("yes", "no"))
GRADED = Criterion("quality", "graded", "?", "q", ("bad", "normal", "good"))
LOGITS = st.tuples(*[st.floats(-30, 30)] * 3)


def answer(*logits: float, elsewhere: float = -50.0, name: str = "sharpness") -> Answer:
    """An answer whose vocabulary has one other token, of logit `elsewhere`."""
    words = {2: ("yes", "no"), 3: ("A", "B", "tie")}[len(logits)]
    normalizer = math.log(sum(math.exp(x) for x in (*logits, elsewhere)))
    return Answer(name, words, logits, normalizer)


def test_yes_no_is_log_odds() -> None:
    score = read_score(answer(2.0, 0.5), YES_NO, None, 0.1)
    assert score.raw == pytest.approx(1.5)
    assert score.value == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert score.probabilities["yes"] == pytest.approx(score.value)
    assert score.answer_mass == pytest.approx(1.0)
    swapped = read_score(answer(0.5, 2.0), YES_NO, None, 0.1)
    assert swapped.raw == pytest.approx(-1.5), "yes and no exchanged must not go unnoticed"


def test_calibration_moves_the_value_and_leaves_raw() -> None:
    score = read_score(answer(2.0, 0.5), YES_NO, Platt(2.0, -1.0), 0.1)
    assert score.raw == pytest.approx(1.5)
    assert score.value == pytest.approx(1 / (1 + math.exp(-2.0)))


def test_graded_is_the_expected_grade() -> None:
    graded = Answer("quality", ("bad", "normal", "good"), (0.0, math.log(2), 0.0), math.log(4))
    score = read_score(graded, GRADED, None, 0.1)
    assert score.raw == pytest.approx(0.5)
    better = Answer("quality", ("bad", "normal", "good"), (-9.0, 0.0, 9.0), 9.01)
    assert (read_score(better, GRADED, None, 0.1).raw or 0) > 0.99


def test_low_answer_mass_is_no_score() -> None:
    said_something_else = answer(0.0, 0.0, elsewhere=6.0)
    score = read_score(said_something_else, YES_NO, None, 0.1)
    assert score.raw is None
    assert score.value is None
    assert "yes, no" in (score.reason or "")
    assert score.answer_mass is not None
    assert score.answer_mass < 0.01


@given(LOGITS, LOGITS)
def test_swapping_the_clips_swaps_the_preference_exactly(
    forward: tuple[float, ...], backward: tuple[float, ...]
) -> None:
    ab, ba = answer(*forward), answer(*backward)
    one, other = read_preference(ab, ba, 0.0), read_preference(ba, ab, 0.0)
    assert (one.p_win, one.p_tie, one.p_lose) == (other.p_lose, other.p_tie, other.p_win)
    assert one.order_consistency == other.order_consistency
    mirrored = {"a": "b", "b": "a", "tie": "tie"}
    assert one.preferred == mirrored[str(other.preferred)]
    total = (one.p_win or 0) + (one.p_tie or 0) + (one.p_lose or 0)
    assert total == pytest.approx(1.0)


def test_a_critic_that_always_says_first_prefers_nothing() -> None:
    always_first = answer(8.0, 0.0, 0.0)
    preference = read_preference(always_first, always_first, 0.1)
    assert preference.p_win == preference.p_lose
    assert preference.preferred == "tie"
    assert preference.order_consistency is not None
    assert preference.order_consistency < 0.01


def test_orders_that_agree_are_consistent() -> None:
    preference = read_preference(answer(8.0, 0.0, 0.0), answer(0.0, 8.0, 0.0), 0.1)
    assert preference.preferred == "a"
    assert preference.order_consistency == pytest.approx(1.0)


def score(raw: float | None, value: float | None = 0.5) -> Score:
    return Score("sharpness", raw, value, "yes_no", {}, 0.9, None if raw is not None else "why")


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0, 3))
def test_preference_from_scores_is_antisymmetric(a: float, b: float, margin: float) -> None:
    one = preference_from_scores(score(a), score(b), None, margin)
    other = preference_from_scores(score(b), score(a), None, margin)
    assert one.p_win == pytest.approx(other.p_lose or 0.0, abs=1e-12)
    assert (one.p_win or 0) + (one.p_tie or 0) + (one.p_lose or 0) == pytest.approx(1.0)


def test_preference_from_scores_follows_the_difference() -> None:
    margin = math.log(2.0)
    assert preference_from_scores(score(3.0), score(0.0), None, margin).preferred == "a"
    assert preference_from_scores(score(0.0), score(3.0), None, margin).preferred == "b"
    even = preference_from_scores(score(1.0), score(1.0), None, margin)
    assert even.p_win == pytest.approx(1 / 3)
    assert even.p_tie == pytest.approx(1 / 3)


def test_a_missing_score_gives_no_preference() -> None:
    preference = preference_from_scores(score(None, None), score(1.0), None, 0.5)
    assert preference.p_win is None
    assert preference.preferred is None
    assert preference.reason == "why"
