"""Preference pairs from groups of clips of one prompt.

All rules take the samples of one prompt, every one with a reward, and are symmetric: the order of
the samples changes at most which of several equal pairs comes first. Equal rewards never make a
pair unless a rule says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations
from typing import Literal

from .checklist import Checklist, Level
from .rows import Pair, Sample, reward_of

Ties = Literal["drop", "keep", "soft"]
Pick = Literal["first", "largest", "all"]


def best_and_worst(group: Sequence[Sample], least_margin: float = 0.0) -> list[Pair]:
    """Pair the best of N with the worst; nothing where they are no further apart than the margin.

    Of equal rewards the first sample is taken.
    """
    if len(group) < 2:
        return []
    best = max(group, key=reward_of)
    worst = min(group, key=reward_of)
    return _above(best, worst, least_margin, "best-and-worst")


def all_above_margin(group: Sequence[Sample], least_margin: float = 0.0) -> list[Pair]:
    """Pair every two samples whose rewards differ by more than the margin; largest first."""
    pairs = []
    for one, other in combinations(group, 2):
        better, worse = (one, other) if reward_of(one) >= reward_of(other) else (other, one)
        pairs += _above(better, worse, least_margin, "all-above-margin")
    return sorted(pairs, key=lambda pair: -(pair.margin or 0.0))


def adjacent_ranks(group: Sequence[Sample], least_margin: float = 0.0) -> list[Pair]:
    """Pair each sample with the next lower one that is further away than the margin."""
    ranked = sorted(group, key=reward_of, reverse=True)
    pairs = []
    for better, worse in pairwise(ranked):
        pairs += _above(better, worse, least_margin, "adjacent-ranks")
    return pairs


def dominating(
    group: Sequence[Sample],
    checklist: Checklist,
    level: Level,
    least_margin: float,
    pick: Pick,
    *,
    soft: bool = False,
) -> list[Pair]:
    """Pair samples of which one is nowhere worse, somewhere better, and better by the margin.

    VisionReward (MPO) compares sums by dimension; VPO compares all answers and takes the first pair
    in the order of the samples, `(0, 1), (0, 2), …, (1, 0), …`.

    Args:
        checklist: its sum is the total that the margin is measured on, hard or `soft`.
        least_margin: the total must differ by more than this, on the scale `sum`.
        pick: the first pair, the one of the largest margin, or all.
    """
    vectors = [checklist.vector(s.answers, level, soft=soft) for s in group]
    totals = [checklist.score(s.answers, "sum", soft=soft) for s in group]
    pairs = []
    for i, j in permutations(range(len(group)), 2):
        margin = totals[i] - totals[j]
        if margin > least_margin and strictly_dominates(vectors[i], vectors[j]):
            pairs.append(Pair(group[i], group[j], margin, rule=f"dominating-{level}"))
    if pick == "first":
        return pairs[:1]
    ordered = sorted(pairs, key=lambda pair: -(pair.margin or 0.0))
    return ordered[:1] if pick == "largest" else ordered


def strictly_dominates(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether `one` is nowhere below `other` and somewhere above."""
    return all(one[k] >= other[k] for k in other) and any(one[k] > other[k] for k in other)


@dataclass(frozen=True)
class Comparison:
    """A critic's preference between two samples; the three probabilities sum to one."""

    a: Sample
    b: Sample
    p_win: float
    p_tie: float
    p_lose: float

    def __post_init__(self) -> None:
        parts = (self.p_win, self.p_tie, self.p_lose)
        if min(parts) < 0 or abs(sum(parts) - 1.0) > 1e-6:
            raise ValueError(f"probabilities of a preference must sum to one: {parts}")


def from_comparisons(
    comparisons: Sequence[Comparison], ties: Ties = "drop", least_certainty: float = 0.0
) -> list[Pair]:
    """Make pairs of three-way preferences.

    Args:
        ties: `drop` leaves out what is most probably a tie; `keep` keeps it as a pair with
            `p_chosen` one half, for a loss that knows ties; `soft` keeps all, with
            `p_chosen = p_win + p_tie / 2`, for a loss with soft labels.
        least_certainty: the preferred side must have more than this probability (a tie, where kept,
            likewise).
    """
    pairs = []
    for each in comparisons:
        wins = each.p_win >= each.p_lose
        chosen, rejected = (each.a, each.b) if wins else (each.b, each.a)
        p_side = max(each.p_win, each.p_lose)
        is_tie = each.p_tie >= p_side or each.p_win == each.p_lose
        if max(p_side, each.p_tie) <= least_certainty or (is_tie and ties == "drop"):
            continue
        p_chosen = 1.0
        if ties == "soft":
            p_chosen = p_side + each.p_tie / 2
        elif is_tie:
            p_chosen = 0.5
        pairs.append(Pair(chosen, rejected, _margin(chosen, rejected), p_chosen, rule="compared"))
    return pairs


def accepted_over_rejected(
    group: Sequence[Sample], accepts: Callable[[Sample], bool], most: int | None = None
) -> list[Pair]:
    """Pair every accepted sample with every rejected one, at most `most` pairs, widest first.

    Binary feedback says nothing within either side. Where rewards exist, pairs of the largest
    margin come first; without, the order of the samples holds.
    """
    good = [s for s in group if accepts(s)]
    bad = [s for s in group if not accepts(s)]
    pairs = [Pair(g, b, _margin(g, b), rule="accepted-over-rejected") for g in good for b in bad]
    pairs.sort(key=lambda pair: -(pair.margin if pair.margin is not None else 0.0))
    return pairs[:most]


def _above(better: Sample, worse: Sample, least_margin: float, rule: str) -> list[Pair]:
    margin = reward_of(better) - reward_of(worse)
    return [Pair(better, worse, margin, rule=rule)] if margin > max(least_margin, 0.0) else []


def _margin(one: Sample, other: Sample) -> float | None:
    if one.reward is None or other.reward is None:
        return None
    return one.reward - other.reward
