"""Advantages within a group of clips of one prompt; None stays None and moves nobody else."""

from __future__ import annotations

import math
from collections.abc import Sequence

_EQUAL_WITHIN = 1e-12


def standardised(
    rewards: Sequence[float | None], *, ddof: int = 0, epsilon: float = 0.0
) -> list[float | None]:
    """Return `(r - mean) / (std + epsilon)`, as GRPO does; 0 where all rewards are equal.

    Args:
        ddof: 0 for the deviation of the group itself, as the service ranks; 1 for the estimate
            that torch gives by default and most trainers use.
        epsilon: added to the deviation; trainers add 1e-4 or so.
    """
    judged = [r for r in rewards if r is not None]
    if len(judged) <= ddof:
        return [None if r is None else 0.0 for r in rewards]
    mean = math.fsum(judged) / len(judged)
    std = math.sqrt(math.fsum((r - mean) ** 2 for r in judged) / (len(judged) - ddof))
    if std < _EQUAL_WITHIN:
        return [None if r is None else 0.0 for r in rewards]
    return [None if r is None else (r - mean) / (std + epsilon) for r in rewards]


def by_rank(rewards: Sequence[float | None]) -> list[float | None]:
    """Return ranks spread evenly over [-1, 1]; equal rewards share the mean of their ranks."""
    judged = [r for r in rewards if r is not None]
    most = len(judged) - 1
    if most < 1:
        return [None if r is None else 0.0 for r in rewards]
    return [
        None
        if r is None
        else (sum(o < r for o in judged) + (sum(o == r for o in judged) - 1) / 2) / most * 2 - 1
        for r in rewards
    ]


def leave_one_out(rewards: Sequence[float | None]) -> list[float | None]:
    """Return each reward less the mean of the others (RLOO; Kool et al., 2019)."""
    judged = [r for r in rewards if r is not None]
    count = len(judged)
    if count < 2:
        return [None if r is None else 0.0 for r in rewards]
    total = math.fsum(judged)
    return [None if r is None else r - (total - r) / (count - 1) for r in rewards]
