"""How often a critic prefers what is better: without ties, and with them by the published protocol.

A margin says how far the critic prefers A to B, on any scale that is 0 at indifference. A label is
1 where A is better, -1 where B is, 0 for a tie. All functions are pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from critic_models.audit.intervals import Estimate, share

_SPLITS = 20
_SPLITS_SEED = 0


@dataclass(frozen=True)
class WithTies:
    """Accuracy over pairs of which some are ties.

    Attributes:
        held_out: thresholds fitted on one half of the groups and used on the other.
        in_sample: the best single threshold on all pairs, as published accuracies have it.
        threshold: that threshold, on the scale of the margins.
        chance: what can be reached without looking, see `chance_with_ties`.
        tie_share: share of ties among the labels.
    """

    held_out: Estimate
    in_sample: float
    threshold: float
    chance: float
    tie_share: float


def accuracy_without_ties(
    margins: np.ndarray, labels: np.ndarray, groups: np.ndarray
) -> Estimate | None:
    """Estimate how often the sign of the margin is right, over the pairs that are no tie.

    A margin of exactly 0 is wrong, as in VideoAlign's evaluation (Liu et al., 2025), where a draw
    of the critic counts among the failures.

    Args:
        margins: float64 `[N]`, finite.
        labels: int64 `[N]`.
        groups: int64 `[N]`, see `intervals`.

    Returns:
        None where every label is a tie.
    """
    decided = labels != 0
    right = np.sign(margins[decided]) == labels[decided]
    return share(right, groups[decided])


def accuracy_with_ties(
    margins: np.ndarray, labels: np.ndarray, groups: np.ndarray
) -> WithTies | None:
    """Measure three-way accuracy with a threshold below which the critic calls a tie.

    The accuracy and its tie threshold are those of Deutsch, Foster and Freitag (2023), "Ties
    Matter", which the figures of VideoReward and GenAI-Bench follow. Published figures choose the
    threshold on the pairs they report on. Here groups are split at random into two halves, each
    half is judged with the threshold of the other, and the result is averaged over splits.

    Args:
        margins: float64 `[N]`, finite.
        labels: int64 `[N]`.
        groups: int64 `[N]`, see `intervals`.

    Returns:
        None where no label is a tie, none is decided, or there are fewer than two groups.
    """
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1 if len(codes) else 0
    if not (labels == 0).any() or not (labels != 0).any() or count < 2:
        return None
    rng = np.random.default_rng(_SPLITS_SEED)
    right = np.zeros(len(labels))
    for _ in range(_SPLITS):
        first = (rng.permutation(count) < count // 2)[codes]
        for fit, report in ((first, ~first), (~first, first)):
            threshold = fit_tie_threshold(margins[fit], labels[fit])
            right[report] += with_threshold(margins[report], threshold) == labels[report]
    held_out = share(right / _SPLITS, groups)
    if held_out is None:
        return None
    best = fit_tie_threshold(margins, labels)
    return WithTies(
        held_out=held_out,
        in_sample=float((with_threshold(margins, best) == labels).mean()),
        threshold=best,
        chance=chance_with_ties(labels),
        tie_share=float((labels == 0).mean()),
    )


def with_threshold(margins: np.ndarray, threshold: float) -> np.ndarray:
    """Return 1, -1 or 0 for each margin: a tie where its size is at most the threshold."""
    return np.where(np.abs(margins) <= threshold, 0, np.sign(margins)).astype(np.int64)


def fit_tie_threshold(margins: np.ndarray, labels: np.ndarray) -> float:
    """Find a tie threshold of the highest accuracy.

    Ties are the margins of least size, so there are as many ways to cut as there are sizes, and one
    with no ties but exact draws. Of several best cuts the one of fewest ties is taken, and of the
    thresholds that make it the middle one, which carries over best to other pairs.

    Args:
        margins: float64 `[N]`, N at least 1.
        labels: int64 `[N]`.
    """
    sizes = np.abs(margins)
    order = np.argsort(sizes, kind="stable")
    sizes, labels, signs = sizes[order], labels[order], np.sign(margins)[order]
    ties_below = np.concatenate([[0], np.cumsum(labels == 0)])
    right_sign = (signs == labels) & (labels != 0)
    right_above = right_sign.sum() - np.concatenate([[0], np.cumsum(right_sign)])
    candidates = np.unique(np.concatenate([[0.0], sizes]))
    cut = np.searchsorted(sizes, candidates, side="right")
    best = int(np.argmax(ties_below[cut] + right_above[cut]))
    following = candidates[best + 1] if best + 1 < len(candidates) else candidates[best]
    return float((candidates[best] + following) / 2)


def chance_with_ties(labels: np.ndarray) -> float:
    """Return the accuracy within reach of a critic that does not look and favours no side.

    It calls some share of the pairs a tie, and is right in half of the decided ones that it calls;
    the best share is none or all of them.
    """
    ties = float((labels == 0).mean())
    return max(ties, (1 - ties) / 2)
