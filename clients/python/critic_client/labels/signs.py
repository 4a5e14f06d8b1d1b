"""Desirable or undesirable: labels that need no partner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .rows import Sample, Signed, reward_of

Neutral = Literal["drop", "desirable", "undesirable"]

LIFT_VALUES = {"good": 0.9, "normal": 0.2, "bad": 0.05}
"""Value of a grade in LiFT's released code."""


def from_grades(
    samples: Sequence[Sample], criterion: str, neutral: Neutral = "drop"
) -> list[Signed]:
    """Sign by a grade: good is desirable, bad is not; what normal is, the caller says.

    Raises:
        ValueError: for a grade that is missing or is none of good, normal and bad.
    """
    signs = {"good": True, "bad": False}
    if neutral != "drop":
        signs["normal"] = neutral == "desirable"
    rows = []
    for sample in samples:
        grade = grade_of(sample, criterion)
        if grade in signs:
            rows.append(Signed(sample, signs[grade], f"grade-of-{criterion}"))
    return rows


def from_scores(
    samples: Sequence[Sample], desirable_above: float, undesirable_below: float | None = None
) -> list[Signed]:
    """Sign by reward: above one threshold desirable, below the other not, between them nothing.

    With one threshold everything has a sign, and the threshold itself is undesirable.
    """
    below = desirable_above if undesirable_below is None else undesirable_below
    if below > desirable_above:
        raise ValueError(f"thresholds cross: above {desirable_above}, below {below}")
    rows = []
    for sample in samples:
        reward = reward_of(sample)
        if reward > desirable_above:
            rows.append(Signed(sample, True, "score"))
        elif reward < below or undesirable_below is None:
            rows.append(Signed(sample, False, "score"))
    return rows


def grade_of(sample: Sample, criterion: str) -> str:
    """Return a grade in lower case.

    Raises:
        ValueError: where it is missing or unknown. LiFT's own parser reads such an answer as good.
    """
    grade = (sample.grades.get(criterion) or "").strip().lower()
    if grade not in LIFT_VALUES:
        raise ValueError(
            f"{sample.clip}: grade of {criterion} must be good, normal or bad, not {grade!r}"
        )
    return grade


@dataclass(frozen=True)
class Balance:
    """How many rows of either sign there are.

    `desirable_weight` makes both signs count alike when the other sign has weight 1; trainers
    advise a ratio of weighted counts from 1:1 to 4:3 (Ethayarajh et al., 2024).
    """

    desirable: int
    undesirable: int

    @property
    def desirable_weight(self) -> float | None:
        return self.undesirable / self.desirable if self.desirable else None


def balance(rows: Iterable[Signed]) -> Balance:
    """Count the signs."""
    signs = [row.desirable for row in rows]
    return Balance(sum(signs), len(signs) - sum(signs))
