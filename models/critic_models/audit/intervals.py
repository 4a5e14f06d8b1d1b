"""Intervals at 95%: Wilson's for shares, the bootstrap's for everything else.

Answers about one scene, one file or one prompt resemble each other. Every function therefore takes
a group for each answer, and counts groups rather than answers where that widens the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Z = 1.959963984540054
RESAMPLES = 1000
_SEED = 20_240_601
_MIN_GROUPS = 2


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95% interval `[low, high]`, and the number of answers behind it."""

    value: float
    low: float
    high: float
    n: int


def group_codes(groups: Sequence[str]) -> np.ndarray:
    """Number groups in the order in which they are met; int64 `[N]`."""
    number = {group: code for code, group in enumerate(dict.fromkeys(groups))}
    return np.asarray([number[group] for group in groups], np.int64)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the shares from which the observed one is within 1.96 deviations (Wilson, 1927).

    Args:
        share: in [0, 1].
        n: answers, or their effective number; above 0.
    """
    z2 = Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    spread = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # The bounds meet the share at 0 and at 1, where rounding could put them past it.
    return min(share, max(0.0, centre - spread)), max(share, min(1.0, centre + spread))


def share(outcomes: np.ndarray, groups: np.ndarray) -> Estimate | None:
    """Estimate how often something is so; None for no outcomes.

    Args:
        outcomes: bool `[N]`, or float64 in [0, 1] where something is so to a degree.
        groups: int64 `[N]`; outcomes of one group may depend on each other.
    """
    if len(outcomes) == 0:
        return None
    value = float(outcomes.mean())
    low, high = wilson(value, effective_size(outcomes.astype(np.float64), groups))
    return Estimate(value, low, high, len(outcomes))


def effective_size(values: np.ndarray, groups: np.ndarray) -> float:
    """Count how many independent values say as much: `N` over Kish's (1965) design effect.

    The effect is the variance of the mean with whole groups as units over that with values as
    units, and at least 1. Few errors say little of how errors cluster, so two groups are added
    before it is estimated, one all 0 and one all 1, of the square root of the mean size: with no
    error at all the result is then about the geometric mean of the numbers of groups and values.

    Args:
        values: float64 `[N]` in [0, 1], N at least 1.
        groups: int64 `[N]`.
    """
    n = len(values)
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1
    if count == n:
        return float(n)
    size = round(math.sqrt(n / count))
    padded = np.concatenate([values, np.zeros(size), np.ones(size)])
    codes = np.concatenate([codes, np.full(size, count), np.full(size, count + 1)])
    deviations = padded - padded.mean()
    sums = np.bincount(codes, weights=deviations)
    by_groups = (count + 2) / (count + 1) * float(sums @ sums)
    by_values = len(padded) / (len(padded) - 1) * float(deviations @ deviations)
    return max(1.0, n * min(1.0, by_values / by_groups))


def bootstrap(
    statistic: Callable[..., float], groups: np.ndarray, *columns: np.ndarray
) -> Estimate | None:
    """Estimate a statistic by the percentile bootstrap over groups (Efron and Tibshirani, 1993).

    Args:
        statistic: of the columns; NaN where it is not defined.
        groups: int64 `[N]`; drawn whole, with replacement.
        columns: arrays `[N]`.

    Returns:
        None where the statistic is not defined, for fewer than two groups, or where it is defined
        in fewer than half of the resamples. Equal input gives equal intervals.
    """
    if len(groups) == 0 or math.isnan(value := statistic(*columns)):
        return None
    _, codes = np.unique(groups, return_inverse=True)
    members = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes

    def resampled(drawn: np.ndarray) -> float:
        counts = sizes[drawn]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = members[np.repeat(starts[drawn], counts) + within]
        return statistic(*(column[rows] for column in columns))

    def one_by_one(draws: np.ndarray) -> np.ndarray:
        return np.asarray([resampled(drawn) for drawn in draws], np.float64)

    return _percentiles(value, len(groups), len(sizes), one_by_one)


def mean(values: np.ndarray, groups: np.ndarray) -> Estimate | None:
    """Estimate a mean as `bootstrap` does; None for no values, or fewer than two groups."""
    if len(values) == 0:
        return None
    _, codes = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(codes, weights=values), np.bincount(codes)

    def resampled(draws: np.ndarray) -> np.ndarray:
        return np.asarray(sums[draws].sum(1) / sizes[draws].sum(1))

    return _percentiles(float(values.mean()), len(values), len(sizes), resampled)


def mean_over_pairs(matrix: np.ndarray, groups: np.ndarray) -> Estimate | None:
    """Estimate the mean of what holds between answers i and j, over all i and j, equal ones too.

    As `bootstrap` does with that mean as its statistic, but in a few products of matrices.

    Args:
        matrix: float64 `[N, N]`.
        groups: int64 `[N]`.
    """
    if len(matrix) == 0:
        return None
    _, codes = np.unique(groups, return_inverse=True)
    member = np.equal.outer(np.arange(int(codes.max()) + 1), codes).astype(np.float64)
    sums, sizes = member @ matrix @ member.T, member.sum(1)

    def resampled(draws: np.ndarray) -> np.ndarray:
        times = np.stack([np.bincount(drawn, minlength=len(sizes)) for drawn in draws])
        return np.asarray(((times @ sums) * times).sum(1) / (times @ sizes) ** 2)

    return _percentiles(float(matrix.mean()), len(matrix), len(sizes), resampled)


def _percentiles(
    value: float, n: int, num_groups: int, resampled: Callable[[np.ndarray], np.ndarray]
) -> Estimate | None:
    """Take the middle 95% of what `resampled` makes of groups drawn with replacement.

    Args:
        value: of the groups as they are.
        n: answers.
        num_groups: to draw from.
        resampled: from int64 `[R, num_groups]` to float64 `[R]`, NaN where nothing is defined.
    """
    if num_groups < _MIN_GROUPS:
        return None
    rng = np.random.default_rng(_SEED)
    found = resampled(rng.integers(num_groups, size=(RESAMPLES, num_groups)))
    defined = found[~np.isnan(found)]
    if len(defined) < RESAMPLES / 2:
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return Estimate(value, min(value, float(low)), max(value, float(high)), n)
