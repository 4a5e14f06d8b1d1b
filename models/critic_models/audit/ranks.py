"""Measures of order: Spearman's correlation, in ladders and between columns; Cliff's delta."""

from __future__ import annotations

import math

import numpy as np

_LADDER_STEPS = 3


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Rank from 1; equal values share the mean of their places. float64 `[N]`."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[codes]


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Correlate ranks (Spearman, 1904), with mean ranks for equal values; NaN if one is constant.

    Args:
        x, y: float64 `[N]`, finite.
    """
    if len(x) < 2:
        return math.nan
    a, b = average_ranks(x), average_ranks(y)
    a, b = a - a.mean(), b - b.mean()
    length = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / length if length else math.nan


def spearman_within(x: np.ndarray, y: np.ndarray, ladders: np.ndarray) -> np.ndarray:
    """Correlate inside every ladder that has three or more different `y`; NaN elsewhere.

    Where `x` is constant in such a ladder it orders nothing, and the correlation is taken as 0.

    Returns:
        float64 `[L]`, in the order of the sorted ladders.
    """
    found = []
    for ladder in np.unique(ladders):
        inside = ladders == ladder
        if len(np.unique(y[inside])) < _LADDER_STEPS:
            found.append(math.nan)
            continue
        rho = spearman(x[inside], y[inside])
        found.append(0.0 if math.isnan(rho) else rho)
    return np.asarray(found, np.float64)


def spearman_matrix(columns: np.ndarray) -> np.ndarray:
    """Correlate every column with every other over the rows where both are finite.

    Args:
        columns: float64 `[N, C]`, NaN where there is no value.

    Returns:
        float64 `[C, C]`, NaN where a pair of columns has no correlation.
    """
    count = columns.shape[1]
    matrix = np.full((count, count), math.nan)
    for i in range(count):
        for j in range(i, count):
            both = np.isfinite(columns[:, i]) & np.isfinite(columns[:, j])
            rho = spearman(columns[both, i], columns[both, j])
            matrix[i, j] = matrix[j, i] = rho
    return matrix


def dominance(higher: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Tell of every member of `higher` and every one of `lower` which is above.

    The mean is Cliff's delta (1993): P(above) minus P(below), 1 where the two do not overlap and 0
    where they are alike. Its size does not depend on the scale of the values.

    Returns:
        float64 `[N, M]`, 1 where `higher` is above, -1 where it is below, 0 where they are equal.
    """
    return np.asarray(np.sign(np.subtract.outer(higher, lower)), np.float64)
