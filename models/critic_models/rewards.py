"""From scores to rewards, ranks and advantages: pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from critic_models.types import Preference, Score, Side
from critic_models.vlm.readout import preferred_side

_EQUAL_WITHIN = 1e-12


@dataclass(frozen=True)
class Ranking:
    """A group of clips of one prompt.

    Attributes:
        ranks: from 1 (best); equal rewards share the better rank; None without a reward.
        advantages: `(r - mean) / std` over the rewards that exist, population standard deviation;
            0 where all rewards are equal; None without a reward.
        best, worst: positions in the group; None where nothing was judged.
    """

    ranks: tuple[int | None, ...]
    advantages: tuple[float | None, ...]
    best: int | None
    worst: int | None
    mean: float | None
    std: float | None


def combine(scores: Mapping[str, Score], weights: Mapping[str, float]) -> float | None:
    """Average calibrated values by weight; None where a value that counts is missing."""
    total = math.fsum(weights.values())
    if total <= 0:
        return None
    parts = []
    for name, weight in weights.items():
        if weight == 0:
            continue
        score = scores.get(name)
        if score is None or score.value is None:
            return None
        parts.append(weight * score.value)
    return math.fsum(parts) / total


def rank(rewards: Sequence[float | None]) -> Ranking:
    """Rank a group and normalise its rewards (group advantages, as in GRPO)."""
    judged = [r for r in rewards if r is not None]
    if not judged:
        nothing = (None,) * len(rewards)
        return Ranking(nothing, nothing, None, None, None, None)
    mean = math.fsum(judged) / len(judged)
    std = math.sqrt(math.fsum((r - mean) ** 2 for r in judged) / len(judged))
    ranks = tuple(None if r is None else 1 + sum(other > r for other in judged) for r in rewards)
    advantages = tuple(
        None if r is None else (0.0 if std < _EQUAL_WITHIN else (r - mean) / std) for r in rewards
    )
    return Ranking(
        ranks, advantages, rewards.index(max(judged)), rewards.index(min(judged)), mean, std
    )


def overall_preference(preferences: Mapping[str, Preference]) -> Side | None:
    """Name the side preferred over all criteria: the largest mean of win, tie and lose.

    None where any criterion has no preference.
    """
    rows = [
        (p.p_win, p.p_tie, p.p_lose)
        for p in preferences.values()
        if p.p_win is not None and p.p_tie is not None and p.p_lose is not None
    ]
    if not rows or len(rows) != len(preferences):
        return None
    win, tie, lose = (math.fsum(column) / len(rows) for column in zip(*rows, strict=True))
    return preferred_side(win, tie, lose)
