"""Losses against fp64 arithmetic written out, and against the readout that serves."""

from __future__ import annotations

import math

import pytest
import torch
from critic_models.finetune.tuning.losses import (
    answer_divergence,
    comparison_log_probabilities,
    score_log_odds,
)
from critic_models.types import Score
from critic_models.vlm.criteria import Criterion
from critic_models.vlm.readout import Answer, preference_from_scores, read_score
from hypothesis import given
from hypothesis import strategies as st

# Serving keeps an expected grade away from 0 and 1 by 1e-6; these grades stay further away.
logits = st.lists(st.floats(-4, 4), min_size=3, max_size=3)
YES_NO = Criterion("x", "yes_no", "?", "x", ("yes", "no"))
GRADED = Criterion("x", "graded", "?", "x", ("bad", "normal", "good"))


def score(criterion: Criterion, values: list[float]) -> Score:
    answer = Answer("x", criterion.answers, tuple(values), 20.0)
    return read_score(answer, criterion, None, 0.0)


@given(logits, logits, st.floats(1.01, 20.0))
def test_comparisons_are_what_serving_makes_of_two_scores(first, second, theta):
    for criterion, grades in ((YES_NO, [1.0, 0.0]), (GRADED, [0.0, 0.5, 1.0])):
        n = len(grades)
        served = preference_from_scores(
            score(criterion, first[:n]), score(criterion, second[:n]), None, math.log(theta)
        )
        grade = torch.tensor([grades], dtype=torch.float64)
        odds = [
            score_log_odds(torch.tensor([x[:n]], dtype=torch.float64), grade)
            for x in (first, second)
        ]
        chances = comparison_log_probabilities(odds[0] - odds[1], theta).exp()[0]
        assert chances.tolist() == pytest.approx(
            [served.p_win, served.p_tie, served.p_lose], abs=1e-6
        )
        assert chances.sum().item() == pytest.approx(1.0, abs=1e-9)


def test_theta_of_5_is_video_reward_s():
    """At equal scores 1/6, 2/3 and 1/6, and its own two losses at any difference."""
    even = comparison_log_probabilities(torch.zeros(1, dtype=torch.float64), 5.0).exp()[0]
    assert even.tolist() == pytest.approx([1 / 6, 2 / 3, 1 / 6])
    d = torch.linspace(-6, 6, 13, dtype=torch.float64)
    won, tied, _ = comparison_log_probabilities(d, 5.0).unbind(-1)

    def log_sigmoid(x):
        return -torch.log1p(torch.exp(-x))

    shift = math.log(5.0)
    torch.testing.assert_close(won, log_sigmoid(d - shift))
    published = -log_sigmoid(d - shift) - log_sigmoid(-d - shift) - math.log(24.0)
    torch.testing.assert_close(-tied, published)


@given(logits)
def test_a_perfect_critic_has_no_loss_and_any_other_has_some(values):
    chances = torch.tensor([values], dtype=torch.float64).softmax(-1)
    assert answer_divergence(chances.log(), chances).item() == pytest.approx(0.0, abs=1e-12)
    other = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)
    said = chances[0].tolist()
    expected = sum(p * math.log(p / q) for p, q in zip((0.2, 0.3, 0.5), said, strict=True))
    assert answer_divergence(chances.log(), other).item() == pytest.approx(expected, abs=1e-9)
    assert expected >= 0


def test_probability_on_other_words_costs():
    half_lost = torch.tensor([[0.5, 1e-9]]).log()
    assert answer_divergence(half_lost, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(
        math.log(2)
    )


def test_answers_that_are_not_there_change_nothing():
    nan = float("nan")
    bare = score_log_odds(torch.tensor([[1.0, -2.0]]), torch.tensor([[1.0, 0.0]]))
    padded = score_log_odds(torch.tensor([[1.0, -2.0, 1.0]]), torch.tensor([[1.0, 0.0, nan]]))
    assert bare.item() == padded.item() == 3.0


def test_gradients_are_finite_where_an_answer_is_worth_nothing():
    values = torch.zeros(1, 3, requires_grad=True)
    score_log_odds(values, torch.tensor([[0.0, 0.5, 1.0]])).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist()[0] == pytest.approx([-2 / 3, 0.0, 2 / 3])
