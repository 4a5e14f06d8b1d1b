"""A share of right answers, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from critic_models.audit.intervals import wilson


@dataclass(frozen=True)
class Accuracy:
    """`correct` of `total`, with the Wilson score interval at 95%."""

    correct: int
    total: int

    def __add__(self, other: Accuracy) -> Accuracy:
        return Accuracy(self.correct + other.correct, self.total + other.total)

    @property
    def share(self) -> float:
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson (1927): the shares from which the observed one is within 1.96 deviations."""
        return wilson(self.share, self.total)
