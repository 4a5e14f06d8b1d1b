from __future__ import annotations

import math

import pytest
import torch
from critic_models.finetune.losses import answer_loss, rank_loss
from critic_models.finetune.questions import spread_grade
from hypothesis import given
from hypothesis import strategies as st

IDS = torch.tensor([[[3, 5, 3]]])
ONE = torch.ones(1, 1)


def logits_of(shares: dict[int, float], vocabulary: int = 8) -> torch.Tensor:
    logits = torch.full((1, 1, vocabulary), -40.0)
    for token, share in shares.items():
        logits[0, 0, token] = math.log(share)
    return logits


def test_a_critic_that_answers_with_the_right_shares_has_no_loss():
    shares = torch.tensor([[[0.75, 0.25, 0.0]]])
    loss, each = answer_loss(logits_of({3: 0.75, 5: 0.25}), IDS, shares, ONE)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert each[0].tolist() == pytest.approx([0.0], abs=1e-6)


def test_the_loss_is_the_divergence_from_the_right_shares():
    shares = torch.tensor([[[0.75, 0.25, 0.0]]])
    loss, _ = answer_loss(logits_of({3: 0.5, 5: 0.5}), IDS, shares, ONE)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_probability_outside_the_answers_costs():
    shares = torch.tensor([[[1.0, 0.0, 0.0]]])
    loss, _ = answer_loss(logits_of({3: 0.5, 7: 0.5}), IDS, shares, ONE)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-6)


def test_weights_choose_what_counts():
    logits = torch.cat([logits_of({3: 1.0}), logits_of({5: 1.0})], 1)
    ids, shares = IDS.expand(1, 2, 3), torch.tensor([[[1.0, 0.0, 0.0]]]).expand(1, 2, 3)
    loss, each = answer_loss(logits, ids, shares, torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(0.0, abs=1e-5)
    assert each[0, 1] > 10


@given(st.floats(0, 1))
def test_a_quality_becomes_grades_with_that_mean(quality):
    grades = spread_grade(quality, ("bad", "normal", "good"))
    assert sum(grades.values()) == pytest.approx(1.0)
    mean = 0.5 * grades["normal"] + grades["good"]
    assert mean == pytest.approx(quality, abs=1e-9)
    assert min(grades["bad"], grades["good"]) == 0.0


def test_ranks_are_of_log_odds_between_the_poles():
    logits = torch.zeros(2, 2, 8)
    logits[0, 1, 3], logits[0, 1, 5], logits[1, 0, 3] = 2.0, -1.0, 0.5
    poles = torch.tensor([3, 5]).expand(2, 2, 2)
    ranks = torch.tensor([[0, 1, 1, 0], [1, 0, 0, 1]])
    loss, ahead = rank_loss(logits, poles, ranks)
    assert ahead.tolist() == pytest.approx([2.5, -2.5])
    expected = (math.log1p(math.exp(-2.5)) + math.log1p(math.exp(2.5))) / 2
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_without_ranks_there_is_nothing_to_lose():
    empty = torch.zeros(0, 4, dtype=torch.int64)
    loss, ahead = rank_loss(torch.zeros(1, 1, 8), torch.tensor([[[3, 5]]]), empty)
    assert (loss.item(), len(ahead)) == (0.0, 0)
