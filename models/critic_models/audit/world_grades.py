"""Absolute grades of the rendered world, beside those of the ladders.

A calibration error depends on what is graded. Here about half of the graded clips of a criterion
are as good in it as a clip can be, some of them with defects that are none of its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from critic_models.audit.labelled import LabelledGrade
from critic_models.audit.world_shots import Filmed, Staged, damage
from critic_models.world import CRITERIA, OVERALL

SEVERAL = "several defects"
NO_DEFECT = "no defect"
OTHER_DEFECT = "another defect"


def grade_alone(
    staged: Sequence[Staged], several: Sequence[Filmed], ladders: Sequence[LabelledGrade]
) -> list[LabelledGrade]:
    """Grade clips in every criterion for which the right judgement is clear.

    Args:
        staged: shots, from whose clips intact ones are chosen.
        several: clips with several defects, all of which are graded.
        ladders: the grades that there are.
    """
    found = []
    for criterion in (*CRITERIA, *OVERALL):
        own = _graded(several, criterion, SEVERAL)
        grades = [grade.grade for grade in ladders if grade.criterion == criterion]
        grades += [grade.grade for grade in own]
        intact = sum(grade == 1.0 for grade in grades)
        candidates = _intact(staged, criterion)
        lacking = max(0, len(grades) - 2 * intact)
        found += [*own, *(grade for grade, _ in zip(candidates, range(lacking), strict=False))]
    return found


def _graded(clips: Sequence[Filmed], criterion: str, kind: str) -> list[LabelledGrade]:
    return [
        LabelledGrade(clip.shown, criterion, 1.0 - lowered, kind, None, clip.group)
        for clip in clips
        if (lowered := damage(clip, criterion)) is not None
    ]


def _intact(staged: Sequence[Staged], criterion: str) -> Iterator[LabelledGrade]:
    """Yield grades of 1, in turns of clean clips and of clips with another defect.

    A shot whose clean clip is in a ladder of the criterion has that clip graded already. Of every
    shot one clip comes first, so that few are of one group; then what else there is.
    """
    later: list[LabelledGrade] = []
    for index, each in enumerate(staged):
        rungs = _graded(each.rungs, criterion, OTHER_DEFECT)
        has_ladder = any(rung.grade < 1.0 for rung in rungs)
        clean = [] if has_ladder else _graded([each.clean], criterion, NO_DEFECT)
        mixed = [*clean, *rungs] if index % 2 else [*rungs, *clean]
        good = [grade for grade in mixed if grade.grade == 1.0]
        yield from good[:1]
        later += good[1:]
    yield from later
