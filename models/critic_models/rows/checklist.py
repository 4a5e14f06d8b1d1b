"""A checklist: weighted yes/no questions that add up to one score (VisionReward's form)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from critic_models.errors import InputError

CHECKLIST_FORMAT = 1


@dataclass(frozen=True)
class ChecklistItem:
    """A question by the name of its criterion, and its weight, above 0."""

    criterion: str
    weight: float


@dataclass(frozen=True)
class Checklist:
    """Questions with weights.

    The score is the sum of `weight * P(yes)`, in [0, sum of weights]: VisionReward's equation 4
    with probabilities instead of hard answers. `value` is the same over the sum of weights.

    Attributes:
        name: as people call it.
        critic, revision: whose answers the weights were learned on; empty where by hand.
        items: the questions.
        removed: questions that were tried and had no positive weight.
        num_pairs: pairs that the weights were learned on.
        accuracy: share of the held-out decided pairs that the score orders rightly; None where
            none were held out.
    """

    name: str
    items: tuple[ChecklistItem, ...]
    critic: str = ""
    revision: str = ""
    removed: tuple[str, ...] = ()
    num_pairs: int = 0
    accuracy: float | None = None

    def __post_init__(self) -> None:
        names = [item.criterion for item in self.items]
        if not names or len(set(names)) != len(names):
            raise InputError("a checklist needs at least one question, and none twice")
        if not all(math.isfinite(item.weight) and item.weight > 0 for item in self.items):
            raise InputError("the weights of a checklist must be finite and above 0")

    def score(self, probabilities: Mapping[str, float]) -> float:
        """Add up the weighted probabilities of yes.

        Raises:
            InputError: where an answer is missing, with the questions that have none.
        """
        missing = [item.criterion for item in self.items if item.criterion not in probabilities]
        if missing:
            raise InputError(f"the checklist {self.name} lacks the answers to {missing}")
        return math.fsum(item.weight * probabilities[item.criterion] for item in self.items)

    def value(self, probabilities: Mapping[str, float]) -> float:
        """Score as a share of the highest possible one; raises as `score`."""
        return self.score(probabilities) / math.fsum(item.weight for item in self.items)


def save_checklist(checklist: Checklist, path: Path) -> None:
    """Write a checklist as JSON."""
    content = {"format": CHECKLIST_FORMAT, **asdict(checklist)}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load_checklist(path: Path) -> Checklist:
    """Read a checklist.

    Raises:
        InputError: where the file cannot be read or is no checklist of this format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format", None) != CHECKLIST_FORMAT:
            raise InputError(f"{path} is no checklist of format {CHECKLIST_FORMAT}")
        content["items"] = tuple(ChecklistItem(**item) for item in content["items"])
        content["removed"] = tuple(content["removed"])
        return Checklist(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a checklist: {error}") from error
