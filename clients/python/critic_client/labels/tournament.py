"""From pairwise results of N players to win rates, Bradley–Terry strengths and Elo numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_STEPS = 200
_CLOSE_ENOUGH = 1e-10
_Z95 = 1.959963984540054
ELO_PER_NAT = 400.0 / math.log(10.0)

Matrix = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Strength:
    """A player's log-strength, with mean zero over all players, and its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def elo(self) -> tuple[float, float, float]:
        """Value and interval on Elo's scale, where 400 points are odds of ten to one."""
        return (self.value * ELO_PER_NAT, self.low * ELO_PER_NAT, self.high * ELO_PER_NAT)


def win_rates(wins: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Average each player's results against all others, for a reward by win rate.

    Args:
        wins: `wins[i][j]`, the probability that `i` beats `j`, a tie counting one half; None where
            the two were not compared. The diagonal is not read.

    Returns:
        The mean over the opponents that there are; None for a player that met nobody.
    """
    rates: list[float | None] = []
    for i, row in enumerate(wins):
        met = [p for j, p in enumerate(row) if j != i and p is not None]
        if any(not 0.0 <= p <= 1.0 for p in met):
            raise ValueError(f"player {i}: results must be probabilities")
        rates.append(math.fsum(met) / len(met) if met else None)
    return rates


def bradley_terry(wins: Matrix, prior: float = 0.5) -> list[Strength]:
    """Fit log-strengths by maximum a posteriori likelihood, with intervals from its curvature.

    `P(i beats j) = sigmoid(s_i - s_j)` (Bradley and Terry, 1952); Newton's method. With no prior an
    undefeated player would be infinitely strong.

    Args:
        wins: `wins[i][j]`, how often `i` beat `j`; a tie is half a win for each.
        prior: imagined games of every player against one of average strength, half of them won.

    Raises:
        ValueError: for a matrix that is not square or has negative numbers, or a prior not above 0.
    """
    count = len(wins)
    if any(len(row) != count for row in wins):
        raise ValueError("wins must be a square matrix")
    if any(not math.isfinite(w) or w < 0 for row in wins for w in row):
        raise ValueError("wins must be finite numbers, none below 0")
    if not prior > 0:
        raise ValueError(f"the prior must be above 0, not {prior}")
    strengths = [0.0] * count
    for _ in range(_MOST_STEPS):
        gradient, curvature = _slope(wins, strengths, prior)
        step = [
            sum(a * b for a, b in zip(row, gradient, strict=True)) for row in _inverse(curvature)
        ]
        longest = max((abs(x) for x in step), default=0.0)
        # A long step of Newton's method can overshoot where the likelihood is flat.
        damped = min(1.0, 2.0 / longest) if longest else 1.0
        strengths = [s + damped * x for s, x in zip(strengths, step, strict=True)]
        if longest < _CLOSE_ENOUGH:
            break
    _, curvature = _slope(wins, strengths, prior)
    mean = math.fsum(strengths) / count if count else 0.0
    spreads = _spreads_around_mean(_inverse(curvature))
    return [
        Strength(s - mean, s - mean - d, s - mean + d)
        for s, d in zip(strengths, spreads, strict=True)
    ]


def _spreads_around_mean(covariance: list[list[float]]) -> list[float]:
    """Half-widths of 95% intervals of each strength less the mean of all.

    What all strengths have in common is known only by the prior, and says nothing of who is better.
    """
    count = len(covariance)
    means = [math.fsum(row) / count for row in covariance]
    overall = math.fsum(means) / count if count else 0.0
    return [
        _Z95 * math.sqrt(max(0.0, row[i] - 2 * mean + overall))
        for i, (row, mean) in enumerate(zip(covariance, means, strict=True))
    ]


def _slope(
    wins: Matrix, strengths: Sequence[float], prior: float
) -> tuple[list[float], list[list[float]]]:
    """Gradient and negative second derivatives of the log-posterior."""
    count = len(strengths)
    gradient = [0.0] * count
    curvature = [[0.0] * count for _ in range(count)]
    for i in range(count):
        p = _sigmoid(strengths[i])
        gradient[i] += prior * (0.5 - p)
        curvature[i][i] += prior * p * (1 - p)
        for j in range(count):
            games = wins[i][j] + wins[j][i]
            if j == i or not games:
                continue
            p = _sigmoid(strengths[i] - strengths[j])
            gradient[i] += wins[i][j] - games * p
            curvature[i][i] += games * p * (1 - p)
            curvature[i][j] -= games * p * (1 - p)
    return gradient, curvature


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """Invert a positive definite matrix by Gauss–Jordan elimination."""
    count = len(matrix)
    rows = [list(row) + [float(i == j) for j in range(count)] for i, row in enumerate(matrix)]
    for i in range(count):
        pivot = max(range(i, count), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        scale = rows[i][i]
        rows[i] = [x / scale for x in rows[i]]
        for r in range(count):
            if r != i and rows[r][i]:
                factor = rows[r][i]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[i], strict=True)]
    return [row[count:] for row in rows]


def _times(matrix: list[list[float]], vector: list[float]) -> list[float]:
    return [math.fsum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
