"""What a lesson costs: answers, comparisons of scores, and reasons. Pure functions of logits."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def answer_divergence(log_probabilities: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Compute the divergence of a critic's answers from the right shares.

    The cross-entropy over the whole vocabulary less the entropy of the shares: a perfect critic
    has 0, and probability that goes to other words than the answers costs.

    Args:
        log_probabilities: `[Q, A]`, of the answers in the whole vocabulary.
        shares: `[Q, A]`, of the right answers.

    Returns:
        `[Q]`.
    """
    entropy = torch.special.entr(shares).sum(-1)
    return -(shares * log_probabilities).sum(-1) - entropy


def score_log_odds(logits: torch.Tensor, grades: torch.Tensor) -> torch.Tensor:
    """Compute the log-odds of a score: of the expected worth of the answer among the answers.

    For a yes/no question this is the difference of the two logits; for a graded one the log-odds of
    the expected grade, as `preference_from_scores` takes it from an uncalibrated score.

    Args:
        logits: `[N, A]`.
        grades: `[N, A]`, worth of each answer in [0, 1]; NaN where there is no answer.

    Returns:
        `[N]`.
    """
    there = ~grades.isnan()
    worth = torch.where(there, grades, torch.zeros_like(grades))
    lack = torch.where(there, 1.0 - grades, torch.zeros_like(grades))
    return torch.logsumexp(logits + worth.log(), -1) - torch.logsumexp(logits + lack.log(), -1)


def comparison_log_probabilities(difference: torch.Tensor, theta: float) -> torch.Tensor:
    """Compute log-probabilities that the first wins, neither, the second, by Rao and Kupper (1967).

    With `d` the difference of log-odds and `m = ln(theta)`: P(first) = sigmoid(d - m), P(second) =
    sigmoid(-d - m), and a tie takes the rest, which equals (theta^2 - 1) P(first) P(second). With
    theta = 5 this is VideoReward's Bradley–Terry with ties, its 24 included.

    Args:
        difference: `[N]`.
        theta: above 1.

    Returns:
        `[N, 3]`.
    """
    margin = math.log(theta)
    first = F.logsigmoid(difference - margin)
    second = F.logsigmoid(-difference - margin)
    tie = first + second + math.log(theta * theta - 1.0)
    return torch.stack([first, tie, second], -1)
