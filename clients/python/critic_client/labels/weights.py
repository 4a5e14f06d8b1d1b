"""Weights of clips for reward-weighted regression, and how many clips they amount to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .rows import Sample, Weighted, reward_of
from .signs import LIFT_VALUES, grade_of


def by_reward(samples: Sequence[Sample], scale: float = 1.0, shift: float = 0.0) -> list[Weighted]:
    """Weight by `scale · r + shift` (Furuta et al., 2024, use `r` itself, and `η r + γ`).

    Raises:
        ValueError: where a weight is negative; that would push likelihood down without bound.
    """
    rows = []
    for sample in samples:
        weight = scale * reward_of(sample) + shift
        if weight < 0:
            raise ValueError(
                f"{sample.clip}: weight {weight:.4g} is negative; raise the shift (now {shift:g})"
            )
        rows.append(Weighted(sample, weight, f"{scale:g}*r{shift:+g}"))
    return rows


def by_exponential(samples: Sequence[Sample], temperature: float) -> list[Weighted]:
    """Weight by `exp(r / β)`, divided by the mean over all samples so that no reward overflows.

    Raises:
        ValueError: for a temperature that is not above 0.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"the temperature must be a finite number above 0, not {temperature}")
    if not samples:
        return []
    rewards = [reward_of(s) for s in samples]
    top = max(rewards)
    raw = [math.exp((r - top) / temperature) for r in rewards]
    mean = math.fsum(raw) / len(raw)
    rule = f"exp(r/{temperature:g})"
    return [Weighted(s, w / mean, rule) for s, w in zip(samples, raw, strict=True)]


def by_grades(samples: Sequence[Sample], criteria: Sequence[str]) -> list[Weighted]:
    """Weight by the mean value of some grades, to two decimals (LiFT)."""
    rows = []
    for sample in samples:
        values = [LIFT_VALUES[grade_of(sample, name)] for name in criteria]
        rows.append(Weighted(sample, round(math.fsum(values) / len(values), 2), "lift-grades"))
    return rows


def all_good(samples: Sequence[Sample], criteria: Sequence[str]) -> list[Weighted]:
    """Keep only samples that are good in every respect, with weight 1 (rejection sampling)."""
    return [
        Weighted(sample, 1.0, "all-good")
        for sample in samples
        if all(grade_of(sample, name) == "good" for name in criteria)
    ]


def effective_sample_size(weights: Iterable[float]) -> float:
    """Return `(Σ w)² / Σ w²` (Kish, 1965): how many equally weighted rows would be as noisy."""
    numbers = list(weights)
    squares = math.fsum(w * w for w in numbers)
    return math.fsum(numbers) ** 2 / squares if squares else 0.0
