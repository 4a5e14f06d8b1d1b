"""Whether a value means what it says: reliability curves and expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from critic_models.audit.intervals import Estimate, bootstrap

MAX_BINS = 10
_LEAST_IN_BIN = 10


@dataclass(frozen=True)
class Bin:
    """Answers of neighbouring values: their mean value, the mean of what was true, and how many."""

    value: float
    truth: float
    n: int


def reliability_curve(values: np.ndarray, truths: np.ndarray) -> list[Bin]:
    """Cut answers into bins of equal mass, by value.

    There are ten bins, and fewer where a bin would have fewer than ten answers. Equal values may
    fall on both sides of a cut: each then carries the mean truth of all of them, so that the order
    of the answers changes nothing.

    Args:
        values: float64 `[N]`, what the critic says, in [0, 1].
        truths: float64 `[N]`, what is so, in [0, 1].
    """
    if len(values) == 0:
        return []
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared = (np.bincount(codes, weights=truths) / counts)[codes]
    order = np.argsort(values, kind="stable")
    count = min(MAX_BINS, max(1, len(values) // _LEAST_IN_BIN))
    return [
        Bin(float(values[rows].mean()), float(shared[rows].mean()), len(rows))
        for rows in np.array_split(order, count)
    ]


def calibration_error(values: np.ndarray, truths: np.ndarray) -> float:
    """Average |value - truth| over the bins of the reliability curve, weighted by their mass.

    The expected calibration error of Naeini, Cooper and Hauskrecht (2015) with bins of equal mass,
    which are less biased than bins of equal width (Roelofs et al., 2022). What bias is left makes
    it too large. NaN for no answers.
    """
    bins = reliability_curve(values, truths)
    if not bins:
        return float("nan")
    return sum(b.n * abs(b.value - b.truth) for b in bins) / len(values)


def expected_calibration_error(
    values: np.ndarray, truths: np.ndarray, groups: np.ndarray
) -> Estimate | None:
    """Estimate the calibration error, its interval from a bootstrap over groups."""
    return bootstrap(calibration_error, groups, values, truths)
