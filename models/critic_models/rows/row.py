"""What a labelled row says, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from critic_models.errors import InputError

Label = float | str | Mapping[str, float]
"""A quality in [0, 1], one answer word, or the probability of each answer word."""


class RowError(InputError):
    """A row that cannot be used; the message says why."""

    code = "bad_row"


@dataclass(frozen=True)
class Origin:
    """Where a row came from: file, and number of the line or record, from 1."""

    file: str
    number: int


NOWHERE = Origin("", 0)
"""Of a row that was not read from a file."""


@dataclass(frozen=True)
class Preference3:
    """Probabilities that A is better, that neither is, and that B is; they sum to one."""

    a: float
    tie: float
    b: float

    @property
    def swapped(self) -> Preference3:
        return Preference3(self.b, self.tie, self.a)


@dataclass(frozen=True, kw_only=True)
class _Common:
    """What all rows carry.

    Attributes:
        prompt: what the clip was to show; the user's own words where they were rewritten.
        reason: why the label is so, in words; empty where nobody said, and for a checklist.
        weight: of the row in the loss, above 0.
        source: facts about who labelled it, such as critic revision and round; carried along.
        origin: for error messages.
    """

    prompt: str | None = None
    reason: str = ""
    weight: float = 1.0
    source: Mapping[str, Any] = field(default_factory=dict, hash=False)
    origin: Origin = NOWHERE


@dataclass(frozen=True, kw_only=True)
class PointRow(_Common):
    """One clip, judged on one criterion."""

    clip: str
    criterion: str
    label: Label

    @property
    def clips(self) -> tuple[str, ...]:
        return (self.clip,)


@dataclass(frozen=True, kw_only=True)
class PairRow(_Common):
    """Two clips of one prompt, compared on one criterion."""

    a: str
    b: str
    criterion: str
    preference: Preference3

    @property
    def clips(self) -> tuple[str, ...]:
        return (self.a, self.b)


@dataclass(frozen=True, kw_only=True)
class ChecklistRow(_Common):
    """One clip with the probability of "yes" to each of some questions.

    A question is a criterion's name, or its text with `{prompt}` where the prompt belongs.
    """

    clip: str
    answers: Mapping[str, float]

    @property
    def clips(self) -> tuple[str, ...]:
        return (self.clip,)


Row = PointRow | PairRow | ChecklistRow


@dataclass(frozen=True)
class Reject:
    """A row, or part of one, that was left out, and why."""

    file: str
    number: int
    reason: str


@dataclass(frozen=True)
class RowSet:
    """Rows that can be used and those that cannot."""

    rows: Sequence[Row]
    rejects: Sequence[Reject]
