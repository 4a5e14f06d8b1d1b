"""From votes to a label that can be trusted: majority, and how certain a preference is.

Dual-IPO (arXiv 2502.02088 v4) labels by majority over several judgements of one critic, keeps a
label where its preference certainty is above one half, and weighs it by that certainty: the chance
that the critic's reward for the label, `R = log pi(y|x) / pi_ref(y|x)`, is above the mean reward
`Q` of the whole set. The logistic form of that chance, as in Bradley–Terry, is ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """What most votes say; None where no answer has more votes than every other.

    Attributes:
        answer: the one with the most votes.
        agreement: its share of all votes, those without an answer included.
        num_votes: all of them.
    """

    answer: str | None
    agreement: float
    num_votes: int


def majority(votes: Sequence[str | None]) -> Verdict:
    """Count votes; None is a vote for nothing.

    Raises:
        ValueError: where there is no vote at all.
    """
    if not votes:
        raise ValueError("a majority needs at least one vote")
    counts = Counter(vote for vote in votes if vote is not None).most_common(2)
    if not counts or (len(counts) == 2 and counts[0][1] == counts[1][1]):
        return Verdict(None, 0.0, len(votes))
    answer, count = counts[0]
    return Verdict(answer, count / len(votes), len(votes))


def preference_certainty(rewards: np.ndarray) -> np.ndarray:
    """Compute `sigmoid(R - Q)` of every label, with `Q` the mean of all rewards.

    Args:
        rewards: float64 `[N]`, log-ratio of the critic's and the reference's probability of each
            label.

    Returns:
        float64 `[N]`, in (0, 1).
    """
    return 0.5 * (1.0 + np.tanh(0.5 * (rewards - rewards.mean())))
