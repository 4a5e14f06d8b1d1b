"""How scores follow grades and severities: ladders, calibration data, curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.audit.asking import Scores
from critic_models.audit.intervals import Estimate, bootstrap, group_codes, mean, share
from critic_models.audit.labelled import Change, LabelledGrade
from critic_models.audit.ranks import spearman, spearman_within

_LEAST_GRADES = 3
_CURVE_STEPS = 5
_LEAST_IN_STEP = 8


@dataclass(frozen=True)
class Ladder:
    """How well scores follow the grades of one kind.

    Attributes:
        pooled: Spearman's correlation over all clips.
        within: its mean over ladders, see `LabelledGrade`; None where less than half of the clips
            belong to a ladder with three different grades.
    """

    pooled: Estimate | None
    within: Estimate | None

    @property
    def figure(self) -> Estimate | None:
        """The one that counts: within ladders, as rewards are compared, wherever it is known."""
        return self.within or self.pooled


@dataclass(frozen=True)
class CurveStep:
    """Changes of neighbouring severities: their mean, the value of what they left, and how often
    the clip before the change scores higher."""

    severity: float
    lowest: float
    highest: float
    value: Estimate | None
    accuracy: Estimate


def ladders(name: str, grades: Sequence[LabelledGrade], scores: Scores) -> dict[str, Ladder]:
    """Correlate raw scores with grades, by kind; kinds of fewer than three grades say nothing.

    Args:
        name: of the criterion that `grades` are about; those that stand alone are passed over.
    """
    found = {}
    beside = [grade for grade in grades if grade.ladder is not None]
    for kind in dict.fromkeys(grade.kind for grade in beside):
        rows = [grade for grade in beside if grade.kind == kind]
        raw = scores.raw([grade.shown for grade in rows], name)
        known = np.isfinite(raw)
        raw = raw[known]
        truth = np.asarray([grade.grade for grade in rows], np.float64)[known]
        groups = group_codes([grade.group for grade in rows])[known]
        steps_of = group_codes([str(grade.ladder) for grade in rows])[known]
        if len(np.unique(truth)) < _LEAST_GRADES:
            continue
        found[kind] = Ladder(
            bootstrap(_rank_order, groups, raw, truth), _within(raw, truth, steps_of, groups)
        )
    return found


def graded_values(
    name: str, grades: Sequence[LabelledGrade], scores: Scores
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values and grades, float64 `[N]`, and groups, int64 `[N]`, where there is a value."""
    values = scores.values([grade.shown for grade in grades], name)
    known = np.isfinite(values)
    truths = np.asarray([grade.grade for grade in grades], np.float64)
    return values[known], truths[known], group_codes([grade.group for grade in grades])[known]


def severity_curve(name: str, changes: Sequence[Change], scores: Scores) -> list[CurveStep]:
    """Cut changes into five steps of equal mass by severity; fewer where a step would have few."""
    before = scores.raw([change.before for change in changes], name)
    after = scores.raw([change.after for change in changes], name)
    values = scores.values([change.after for change in changes], name)
    severities = np.asarray([change.severity for change in changes], np.float64)
    groups = group_codes([change.group for change in changes])
    rows = np.argsort(severities, kind="stable")
    rows = rows[np.isfinite(before[rows]) & np.isfinite(after[rows])]
    steps = []
    for at in np.array_split(rows, min(_CURVE_STEPS, max(1, len(rows) // _LEAST_IN_STEP))):
        accuracy = share(before[at] > after[at], groups[at])
        if accuracy is not None:
            drawn = severities[at]
            low, middle, high = float(drawn.min()), float(drawn.mean()), float(drawn.max())
            steps.append(CurveStep(middle, low, high, mean(values[at], groups[at]), accuracy))
    return steps


def _rank_order(raw: np.ndarray, truth: np.ndarray) -> float:
    """Correlate; equal scores for different grades order nothing."""
    rho = spearman(raw, truth)
    return 0.0 if math.isnan(rho) and len(np.unique(truth)) > 1 else rho


def _within(
    raw: np.ndarray, truth: np.ndarray, steps_of: np.ndarray, groups: np.ndarray
) -> Estimate | None:
    rho = spearman_within(raw, truth, steps_of)
    names, first = np.unique(steps_of, return_index=True)
    is_ladder = np.isfinite(rho)
    if np.isin(steps_of, names[is_ladder]).mean() < 0.5:
        return None
    return mean(rho[is_ladder], groups[first][is_ladder])
