"""Held-out shots of the rendered world, each with ladders of several defects.

A shot serves as many defects as it can, for its clean clip is then shared; but of the defects that
one criterion sums up it has one ladder at most. So every ladder behind a criterion is of a shot of
its own, and only the rungs of one ladder depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np

from critic_models.audit.labelled import STATIC, Shown
from critic_models.audit.labelling import STILLNESS, stratified_severities
from critic_models.finetune.scoring import ENCODED, RENDERED, Presentation
from critic_models.judging import Judge
from critic_models.types import Clip
from critic_models.world import (
    CRITERIA,
    DEFECTS,
    OVERALL,
    Split,
    Take,
    facts_of,
    film,
    make_take,
    sample_caption,
    sample_ladder,
    sample_take,
    suits,
)

PRESENTATIONS: tuple[Presentation, ...] = (RENDERED, ENCODED)
_STEPS = 2
_SEVERAL_RATE = 0.25
_SMALL = (32, 32)
_SHOTS, _SEVERITIES, _SEVERAL = 11, 12, 13
"""First words of seeds; no two uses of the split share one."""

_SUMMED_UP = {defect for defects in OVERALL.values() for defect in defects}
_FAMILIES = (
    *OVERALL.values(),
    *(defects for defects in CRITERIA.values() if not _SUMMED_UP.intersection(defects)),
)
"""All defects; those of one family lower a criterion in common."""


@dataclass(frozen=True)
class Filmed:
    """A take as it reaches the critic.

    Attributes:
        key: its name in the set.
        group: of its labels: the shot.
        take: what is filmed.
        presentation: how it is delivered.
        prompt: what is true of the take's shot without its defects; None if nobody asks.
    """

    key: str
    group: str
    take: Take
    presentation: Presentation
    prompt: str | None = None

    @property
    def shown(self) -> Shown:
        return Shown(self.key, self.prompt)

    def open(self, judge: Judge) -> Clip:
        """Film it; equal frames at every call."""
        frames = film(self.take, self.presentation.size, self.presentation.num_frames).frames
        return self.presentation.clip(judge, frames)


@dataclass(frozen=True)
class Staged:
    """A shot with its clips.

    Attributes:
        clean: without any defect.
        ladders: by defect, the clips that have it, of rising severity.
    """

    clean: Filmed
    ladders: Mapping[str, tuple[Filmed, ...]]

    @property
    def rungs(self) -> list[Filmed]:
        """List the clips of all ladders."""
        return [rung for rungs in self.ladders.values() for rung in rungs]

    def static_twin(self) -> Filmed:
        """Hold one moment throughout.

        Raises:
            ValueError: for a shot in which nothing moves.
        """
        take = make_take(self.clean.take.shot, {STILLNESS: 1.0}, self.clean.take.seed)
        return replace(self.clean, key=f"{self.clean.group} {STATIC}", take=take)


def stage_ladders(split: Split, count: int) -> list[Staged]:
    """Draw shots until every defect has `count` ladders.

    The defects take turns in asking for a shot that suits them; of every other family it gets the
    defect that suits it and has fewest ladders so far.
    """
    severities = {
        defect: stratified_severities(count, _STEPS, split.rng(_SEVERITIES, index))
        for index, defect in enumerate(DEFECTS)
    }
    lacking = dict.fromkeys(DEFECTS, count)
    staged: list[Staged] = []
    for wanted in cycle(DEFECTS):
        if not any(lacking.values()):
            break
        if not lacking[wanted]:
            continue
        rng = split.rng(_SHOTS, len(staged))
        (take,) = sample_ladder(wanted, rng, split, steps=(0.0,))
        group = f"shot {len(staged)}"
        prompt = sample_caption(facts_of(take.shot), split.phrasings, rng)
        clean = Filmed(group, group, take, presentation_of(len(staged)), prompt)
        ladders = {}
        for defect in _share(wanted, take, lacking):
            lacking[defect] -= 1
            rungs = severities[defect][lacking[defect]].tolist()
            ladders[defect] = tuple(_spoiled(clean, defect, severity) for severity in rungs)
        staged.append(Staged(clean, ladders))
    return staged


def film_several(split: Split, count: int) -> list[Filmed]:
    """Draw takes with several defects at once, as training has them."""
    found = []
    for index in range(count):
        take = sample_take(split.rng(_SEVERAL, index), split, _SEVERAL_RATE)
        key = f"several {index}"
        found.append(Filmed(key, key, take, presentation_of(index)))
    return found


def presentation_of(index: int) -> Presentation:
    """Take the ways of serving in turns."""
    return PRESENTATIONS[index % len(PRESENTATIONS)]


def alike(clips: Sequence[Filmed], presentation: Presentation) -> list[Filmed]:
    """List the clips that reach the critic in one way."""
    return [clip for clip in clips if clip.presentation is presentation]


def damage(clip: Filmed, criterion: str) -> float | None:
    """How far a criterion is lowered; None where the right judgement is open."""
    take = clip.take
    return take.damage(criterion) if criterion in take.clear_criteria else None


def with_other_seed(clip: Filmed, rng: np.random.Generator) -> Filmed:
    """Draw the random numbers of a clip's defects anew."""
    take = replace(clip.take, seed=int(rng.integers(2**53)))
    return replace(clip, key=f"{clip.key} again", take=take)


def looks_different(one: Filmed, other: Filmed) -> bool:
    """Compare two clips of one presentation, at a small size."""
    num_frames = one.presentation.num_frames
    first, second = (film(clip.take, _SMALL, num_frames).frames for clip in (one, other))
    return not np.array_equal(first, second)


def _share(wanted: str, take: Take, lacking: Mapping[str, int]) -> list[str]:
    """Choose the defects of a shot that was drawn for one of them."""
    chosen = []
    for family in _FAMILIES:
        possible = [name for name in family if lacking[name] and suits(name, take.shot)]
        if wanted in family:
            chosen.append(wanted)
        elif possible:
            chosen.append(max(possible, key=lambda name: lacking[name]))
    return chosen


def _spoiled(clean: Filmed, defect: str, severity: float) -> Filmed:
    take = make_take(clean.take.shot, {defect: severity}, clean.take.seed)
    return replace(clean, key=f"{clean.group} {defect} {severity:.3f}", take=take)
