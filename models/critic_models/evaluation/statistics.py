"""How sure a mean over clips is, and whether two runs differ: over prompts, not over clips.

Clips of one prompt resemble each other: five clips of an easy prompt are one piece of evidence that
it is easy, not five. Prompts are therefore what is drawn, paired and flipped. Everything is seeded:
equal input gives equal figures.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from critic_models.audit.intervals import Estimate, bootstrap, group_codes, mean

FLIPS = 20_000
_SEED = 20_240_601
_MOST_EXACT = 14

Test = TypeVar("Test", bound=Hashable)


@dataclass(frozen=True)
class Sample:
    """What one clip adds.

    Attributes:
        group: the prompt, or the clip where there is none; what is drawn.
        number: its score.
        weight: how much it counts in the mean over clips, above 0.
    """

    group: str
    number: float
    weight: float = 1.0


@dataclass(frozen=True)
class Paired:
    """One run against another, on the prompts that both have numbers for.

    Attributes:
        difference: mean over prompts of the first's mean minus the second's, with its 95% interval;
            None for fewer than two prompts.
        p: of a difference as large in either direction, were the runs alike (sign flips).
        num_prompts: that both have.
        left_out: prompts that one of the two has no number for.
    """

    difference: Estimate | None
    p: float | None
    num_prompts: int
    left_out: int


def weighted_mean(samples: Sequence[Sample]) -> Estimate | None:
    """Return the mean over clips and its 95% interval by the bootstrap over prompts.

    Returns:
        None for no clips, or clips of one prompt, which say nothing of how prompts differ.
    """
    numbers = np.asarray([each.number for each in samples], np.float64)
    weights = np.asarray([each.weight for each in samples], np.float64)
    groups = group_codes([each.group for each in samples])
    return bootstrap(_mean, groups, numbers, weights)


def paired(first: Sequence[Sample], second: Sequence[Sample]) -> Paired:
    """Compare two runs prompt by prompt.

    The interval is the bootstrap's over prompts, and the test flips the sign of each prompt's
    difference (Fisher, 1935): all flips up to 14 prompts, else 20,000 drawn ones.
    """
    ours, theirs = by_group(first), by_group(second)
    shared = sorted(ours.keys() & theirs.keys())
    left_out = len(ours.keys() | theirs.keys()) - len(shared)
    if len(shared) < 2:
        return Paired(None, None, len(shared), left_out)
    differences = np.asarray([ours[group] - theirs[group] for group in shared], np.float64)
    difference = mean(differences, np.arange(len(shared)))
    return Paired(difference, sign_flip(differences), len(shared), left_out)


def by_group(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the weighted mean of each group."""
    sums: dict[str, list[float]] = {}
    for each in samples:
        total = sums.setdefault(each.group, [0.0, 0.0])
        total[0] += each.number * each.weight
        total[1] += each.weight
    return {group: total / weight for group, (total, weight) in sums.items()}


def sign_flip(differences: np.ndarray) -> float:
    """Return how often random signs give a sum as far from 0 as the one observed.

    Args:
        differences: float64 `[N]`, N at least 1.

    Returns:
        In (0, 1]. Drawn flips count the observed signs as one more draw, so it is never 0.
    """
    n = len(differences)
    if n <= _MOST_EXACT:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float(_as_far(differences, bits).mean())
    rng = np.random.default_rng(_SEED)
    # In pieces: 20,000 flips of 1,000 prompts would be 160 MB.
    as_far = sum(
        int(_as_far(differences, rng.integers(2, size=(piece, n))).sum())
        for piece in (FLIPS // 20,) * 20
    )
    return (as_far + 1) / (FLIPS + 1)


def holm(ps: Mapping[Test, float]) -> dict[Test, float]:
    """Adjust p-values of tests that are looked at together (Holm, 1979).

    The chance that any of them is at most 0.05 while its runs are alike is at most 0.05 again.
    """
    adjusted: dict[Test, float] = {}
    largest = 0.0
    ordered = sorted(ps.items(), key=lambda item: item[1])
    for place, (name, p) in enumerate(ordered):
        largest = max(largest, min(1.0, p * (len(ordered) - place)))
        adjusted[name] = largest
    return adjusted


def _mean(numbers: np.ndarray, weights: np.ndarray) -> float:
    return float((numbers * weights).sum() / weights.sum())


def _as_far(differences: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Tell for each row of zeros and ones whether its flips give a sum as far from 0."""
    sums = np.abs((1 - 2 * bits) @ differences)
    observed = abs(differences.sum())
    # Sums that are equal but for the order of adding must count as equal.
    slack = 1e-9 * np.abs(differences).sum()
    return np.asarray(sums >= observed - slack)
