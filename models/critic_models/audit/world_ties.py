"""Ties of the rendered world: clips that are equally good in a criterion, and look different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest

from critic_models.audit.labelled import LabelledPair
from critic_models.audit.labelling import criteria_of
from critic_models.audit.world_shots import (
    PRESENTATIONS,
    Filmed,
    Staged,
    alike,
    damage,
    looks_different,
    with_other_seed,
)
from critic_models.world import CRITERIA, DEFECTS, OVERALL, Split
from critic_models.world.catalogue import INDIFFERENT

EQUALLY_SEVERE = "equally severe"
ANOTHER_DEFECT = "a defect of no concern"
ANOTHER_SHOT = "another shot"
_TIES = 21
_SHARE_REPEATED = 8


def repeat_ladders(
    split: Split, staged: Sequence[Staged]
) -> tuple[list[Filmed], list[LabelledPair]]:
    """Film an eighth of each defect's rungs again, with other random numbers in the defect.

    Many defects have none, or the same come up again: a clip is no tie with itself and is left out.
    """
    clips: list[Filmed] = []
    pairs: list[LabelledPair] = []
    for index, defect in enumerate(DEFECTS):
        ladders = [each.ladders[defect] for each in staged if defect in each.ladders]
        for place in range(-(-len(ladders) // _SHARE_REPEATED)):
            rungs = ladders[place]
            rung = rungs[place % len(rungs)]
            again = with_other_seed(rung, split.rng(_TIES, index, place))
            if looks_different(rung, again):
                clips.append(again)
                pairs += [
                    _tie(rung, again, criterion, EQUALLY_SEVERE)
                    for criterion in criteria_of(defect)
                ]
    return clips, pairs


def choose_ties(
    staged: Sequence[Staged], pairs: Sequence[LabelledPair], repeated: Sequence[LabelledPair]
) -> list[LabelledPair]:
    """Choose ties until they are a third of each criterion's labels.

    Repeated rungs come first; the rest is, as far as there are enough, clean clips against the same
    with a defect that the criterion has nothing to say about, and clean clips of two shots.

    Args:
        staged: clips to choose from; no new ones are made.
        pairs: that are no ties.
        repeated: the ties of `repeat_ladders`.
    """
    decided = Counter(pair.criterion for pair in pairs)
    chosen: list[LabelledPair] = []
    for criterion in (*CRITERIA, *OVERALL):
        own = [tie for tie in repeated if tie.criterion == criterion]
        besides = _another_defect(staged, criterion)
        others = _another_shot(staged, criterion)
        in_turns = (tie for both in zip_longest(besides, others) for tie in both if tie)
        chosen += islice(chain(own, in_turns), decided[criterion] // 2)
    return chosen


def _another_defect(staged: Sequence[Staged], criterion: str) -> Iterator[LabelledPair]:
    for each in staged:
        for defect, rungs in each.ladders.items():
            # The mildest rung: a gross defect may hide what the criterion looks for.
            if defect in INDIFFERENT[criterion] and _equal(each.clean, rungs[0], criterion):
                yield _tie(each.clean, rungs[0], criterion, ANOTHER_DEFECT)


def _another_shot(staged: Sequence[Staged], criterion: str) -> Iterator[LabelledPair]:
    """Pair clean clips so that no shot is in two pairs, then anew with others farther away."""
    ways = [alike([each.clean for each in staged], way) for way in PRESENTATIONS]
    for step in range(1, len(staged)):
        for clips in ways:
            for index in range(len(clips) - step):
                one, other = clips[index], clips[index + step]
                if index // step % 2 == 0 and _equal(one, other, criterion):
                    yield _tie(one, other, criterion, ANOTHER_SHOT)


def _equal(one: Filmed, other: Filmed, criterion: str) -> bool:
    first = damage(one, criterion)
    return first is not None and first == damage(other, criterion)


def _tie(one: Filmed, other: Filmed, criterion: str, kind: str) -> LabelledPair:
    return LabelledPair(one.shown, other.shown, criterion, "tie", kind, one.group)
