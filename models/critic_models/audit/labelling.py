"""What a defect of known severity says of a clip, wherever the clip comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.audit.labelled import STATIC, Change, LabelledGrade, LabelledPair, Shown
from critic_models.world import MOTION_CRITERIA, OVERALL, STAGED, criterion_of
from critic_models.world.catalogue import DOUBTFUL

ALIGNMENT = "text_alignment"
STILLNESS = "stillness"
"""The defect that a static twin has in full."""

_LEAST, _MOST = 0.1, 1.0
_LEAST_GAP = 0.25


@dataclass(frozen=True)
class LadderLabels:
    """What follows from one clip with one defect in rising severities."""

    pairs: tuple[LabelledPair, ...]
    grades: tuple[LabelledGrade, ...]
    changes: tuple[Change, ...]


def criteria_of(defect: str) -> tuple[str, ...]:
    """Name the criteria that a defect lowers by definition: its own, and the overall one."""
    overall = (name for name, defects in OVERALL.items() if defect in defects)
    return (criterion_of(defect), *overall)


def open_effects(kinds: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Pair changes with the criteria that they may lower or not, so that neither is a mistake.

    Args:
        kinds: defects, and the static twin.
    """
    found = set()
    for kind in kinds:
        defect = STILLNESS if kind == STATIC else kind
        found |= {(kind, name) for name, doubts in DOUBTFUL.items() if defect in doubts}
        if defect == STILLNESS:
            found |= {(kind, name) for name in MOTION_CRITERIA}
        if defect in STAGED:
            # What happens has changed, and with it whether the caption is true.
            found.add((kind, ALIGNMENT))
    return frozenset(found)


def stratified_severities(count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Draw severities from [0.1, 1], evenly spread over all clips and over the steps of each.

    Args:
        count: number of clips.
        steps: of every clip's ladder; step k lies in the k-th of `steps` equal parts of the range.

    Returns:
        float64 `[count, steps]`, rising along each row.
    """
    ranks = np.stack([rng.permutation(count) for _ in range(steps)], 1)
    within_part = (ranks + rng.random((count, steps))) / count
    return _LEAST + (_MOST - _LEAST) * (np.arange(steps) + within_part) / steps


def label_ladder(
    defect: str, rungs: Sequence[tuple[Shown, float]], ladder: str, group: str
) -> LadderLabels:
    """Label a ladder in every criterion that the defect lowers by definition.

    Of two rungs the less severe one is better, unless they are too near for that to be seen. The
    grade is 1 minus the severity.

    Args:
        defect: in which the rungs differ.
        rungs: clips and severities, which rise from 0.
        ladder, group: see `LabelledGrade`.
    """
    pairs, grades = [], []
    for criterion in criteria_of(defect):
        for index, (shown, severity) in enumerate(rungs):
            grades.append(LabelledGrade(shown, criterion, 1 - severity, defect, ladder, group))
            pairs += [
                LabelledPair(shown, worse, criterion, "a", defect, group)
                for worse, more in rungs[index + 1 :]
                if index == 0 or more - severity >= _LEAST_GAP
            ]
    clean = rungs[0][0]
    changes = [Change(defect, clean, after, severity, group) for after, severity in rungs[1:]]
    return LadderLabels(tuple(pairs), tuple(grades), tuple(changes))
