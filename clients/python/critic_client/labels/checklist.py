"""Weighted yes/no questions: their sums, and VisionReward's two files.

Two scales of one checklist are in use, and numbers of one mean nothing on the other:

    sum:   `Σ w·[yes]`, from 0 to `Σ w`   (VisionReward's paper, eq. 4; VPO; MonetBench's tables)
    mean:  `mean(±w)`, from `-Σ w / n` to `Σ w / n`   (VisionReward's released script)

They are tied by `mean = (2·sum - Σ w) / n`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Scale = Literal["sum", "mean"]
Level = Literal["question", "subdimension", "dimension"]


@dataclass(frozen=True)
class Question:
    """One yes/no question: its name in answers, its text, its weight, and where it belongs."""

    name: str
    text: str
    weight: float
    dimension: str = ""
    subdimension: str = ""


@dataclass(frozen=True)
class Checklist:
    """Questions in order.

    Raises:
        ValueError: where there is none, a name occurs twice, or a weight is not a finite number.
    """

    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        names = [q.name for q in self.questions]
        if not names or len(set(names)) != len(names):
            raise ValueError("a checklist needs questions, each with a name of its own")
        for question in self.questions:
            if not math.isfinite(question.weight):
                raise ValueError(f"{question.name}: the weight must be a finite number")

    @property
    def total_weight(self) -> float:
        return math.fsum(q.weight for q in self.questions)

    def score(self, answers: Mapping[str, float | None], scale: Scale, *, soft: bool) -> float:
        """Add up answers.

        Args:
            answers: P(yes) by question, or 0 and 1.
            scale: see the module.
            soft: count P(yes) itself; otherwise a yes above one half.

        Raises:
            ValueError: where a question with a weight has no answer. A missing answer is no "no":
                29 unread answers would otherwise be the lowest score of the scale.
        """
        total = math.fsum(
            q.weight * self._yes(q, answers, soft) for q in self.questions if q.weight
        )
        return total if scale == "sum" else self.convert(total, "mean")

    def convert(self, number: float, to: Scale) -> float:
        """Bring a score from the other scale to this one."""
        count, weight = len(self.questions), self.total_weight
        return (2 * number - weight) / count if to == "mean" else (number * count + weight) / 2

    def convert_difference(self, difference: float, to: Scale) -> float:
        """Bring a difference of two scores from the other scale to this one."""
        count = len(self.questions)
        return 2 * difference / count if to == "mean" else difference * count / 2

    def vector(
        self, answers: Mapping[str, float | None], level: Level, *, soft: bool
    ) -> dict[str, float]:
        """Return what dominance compares: answers, or their weighted sums by (sub-)dimension.

        At the level of questions all of them count, also those of weight 0, without weights.
        """
        if level == "question":
            return {q.name: self._yes(q, answers, soft) for q in self.questions}
        sums: dict[str, float] = {}
        for q in self.questions:
            name = q.dimension if level == "dimension" else f"{q.dimension}/{q.subdimension}"
            part = q.weight * self._yes(q, answers, soft) if q.weight else 0.0
            sums[name] = sums.get(name, 0.0) + part
        return sums

    @staticmethod
    def _yes(question: Question, answers: Mapping[str, float | None], soft: bool) -> float:
        answer = answers.get(question.name)
        if answer is None:
            raise ValueError(f"question {question.name!r} has no answer")
        if not 0.0 <= answer <= 1.0:
            raise ValueError(f"question {question.name!r}: P(yes) must be in [0, 1], not {answer}")
        return float(answer) if soft else float(answer > 0.5)


def read_checklist(questions: Path, weights: Path | None = None) -> Checklist:
    """Read a checklist.

    Args:
        questions: one question a line, VisionReward's form; or JSON, a list of objects with `text`
            and optionally `name`, `weight`, `dimension` and `subdimension`.
        weights: a JSON list of numbers, one for each line.

    Raises:
        ValueError: where a file is not so, or the numbers of lines and weights differ.
    """
    text = questions.read_text(encoding="utf-8")
    if questions.suffix == ".json":
        rows = json.loads(text)
        if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
            raise ValueError(f"{questions} must hold a JSON list of objects")
    else:
        # The end of a line is no part of the question: with it the tokens would differ.
        rows = [{"text": line.strip()} for line in text.splitlines() if line.strip()]
    numbers = _read_weights(weights) if weights else None
    if numbers is not None and len(numbers) != len(rows):
        raise ValueError(f"{questions} has {len(rows)} questions, {weights} {len(numbers)} weights")
    return Checklist(tuple(_question(i, row, numbers) for i, row in enumerate(rows)))


def _question(index: int, row: Mapping[str, object], numbers: Sequence[float] | None) -> Question:
    known = {"name", "text", "weight", "dimension", "subdimension"}
    if set(row) - known or not isinstance(row.get("text"), str):
        raise ValueError(f"question {index + 1} must have a text, and may have {sorted(known)}")
    weight = numbers[index] if numbers is not None else row.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise ValueError(f"question {index + 1}: the weight must be a number, not {weight!r}")
    return Question(
        str(row.get("name") or f"q{index + 1}"),
        str(row["text"]),
        float(weight),
        str(row.get("dimension", "")),
        str(row.get("subdimension", "")),
    )


def _read_weights(path: Path) -> list[float]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list) or not all(
        isinstance(w, (int, float)) and not isinstance(w, bool) for w in content
    ):
        raise ValueError(f"{path} must hold a JSON list of numbers")
    return [float(w) for w in content]
