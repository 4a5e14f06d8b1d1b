"""What an audit needs to know: clips, and what is true about them.

A labelled set is plain data, so that any generator of clips or reader of files can make one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from critic_models.judging import Judge
from critic_models.types import Clip, Side

Source = Callable[[Judge], Clip]
"""Opens a clip with the frames that the critic's sampling chooses; equal at every call."""

STATIC = "static twin"


@dataclass(frozen=True)
class Shown:
    """A clip and the prompt it is judged against."""

    clip: str
    prompt: str | None = None


@dataclass(frozen=True)
class LabelledPair:
    """Which of two clips is better in one criterion.

    Attributes:
        a, b: what is compared; one clip with two prompts asks which prompt is right.
        preference: what is so.
        kind: what the pair tests, such as the defect that one clip has; for breakdowns.
        group: pairs of one group are not independent.
    """

    a: Shown
    b: Shown
    criterion: str
    preference: Side
    kind: str
    group: str


@dataclass(frozen=True)
class LabelledGrade:
    """How good one clip is in one criterion, in [0, 1].

    Attributes:
        kind: what the grade is about, such as a defect; for breakdowns.
        ladder: names the clips that this one is graded beside, such as severities of one defect
            on one clip, or clips made from one prompt; None for a grade that stands alone, which
            says whether a value is right but nothing of order.
        group: grades of one group are not independent; a ladder lies in one group.
    """

    shown: Shown
    criterion: str
    grade: float
    kind: str
    ladder: str | None
    group: str


@dataclass(frozen=True)
class Change:
    """Something done to a clip, at a severity in [0, 1], to see which criteria it moves."""

    kind: str
    before: Shown
    after: Shown
    severity: float
    group: str


@dataclass(frozen=True)
class Paraphrases:
    """Prompts that say the same of one clip, so that no score should depend on the choice."""

    clip: str
    prompts: tuple[str, ...]
    criterion: str
    group: str


@dataclass(frozen=True)
class LabelledSet:
    """Clips and what is true about them.

    Attributes:
        name, description: for people; the description says what the labels mean.
        sources: every clip by key.
        pairs: the labels of preference.
        grades: the labels of degree.
        grades_are_absolute: whether a grade says how good a clip is, as against only how good
            beside others of its ladder; calibration is measured against absolute grades alone.
        changes: what was done to which clip.
        static_pairs: a moving clip, which is better, and one of its frames held throughout.
        paraphrases: prompts of equal meaning.
        parts: names of parts that figures are broken down by, such as the way clips are served, by
            the group that belongs to it.
        open_effects: kinds of change with criteria that they may lower or not: beside what the
            pairs say, neither is a mistake.
    """

    name: str
    description: str
    sources: Mapping[str, Source]
    pairs: tuple[LabelledPair, ...] = ()
    grades: tuple[LabelledGrade, ...] = ()
    grades_are_absolute: bool = False
    changes: tuple[Change, ...] = ()
    static_pairs: tuple[LabelledPair, ...] = ()
    paraphrases: tuple[Paraphrases, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    open_effects: frozenset[tuple[str, str]] = frozenset()

    @property
    def criteria(self) -> tuple[str, ...]:
        """Names of the criteria that have labels."""
        names = [pair.criterion for pair in chain(self.pairs, self.static_pairs)]
        names += [grade.criterion for grade in self.grades]
        names += [each.criterion for each in self.paraphrases]
        return tuple(dict.fromkeys(names))

    def shown(self) -> Iterator[Shown]:
        """Yield all that is to be scored; some of it more than once."""
        for pair in chain(self.pairs, self.static_pairs):
            yield pair.a
            yield pair.b
        for grade in self.grades:
            yield grade.shown
        for change in self.changes:
            yield change.before
            yield change.after
        for each in self.paraphrases:
            for prompt in each.prompts:
                yield Shown(each.clip, prompt)

    def changes_of(self, kind: str) -> list[Change]:
        """List the changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    def restrict(self, criteria: Collection[str]) -> LabelledSet:
        """Keep the labels of some criteria, and what else those need.

        Changes stay whose kind is among the kept pairs; clips stay that are still shown.
        """
        pairs = tuple(pair for pair in self.pairs if pair.criterion in criteria)
        static_pairs = tuple(p for p in self.static_pairs if p.criterion in criteria)
        kinds = {pair.kind for pair in chain(pairs, static_pairs)}
        kept = replace(
            self,
            pairs=pairs,
            grades=tuple(g for g in self.grades if g.criterion in criteria),
            changes=tuple(c for c in self.changes if c.kind in kinds),
            static_pairs=static_pairs,
            paraphrases=tuple(p for p in self.paraphrases if p.criterion in criteria),
        )
        wanted = {shown.clip for shown in kept.shown()}
        return replace(kept, sources={k: s for k, s in self.sources.items() if k in wanted})
