"""Calibration on validation rows: Platt scaling of scores, and the width of a tie."""

from __future__ import annotations

import dataclasses

import numpy as np

from critic_models.finetune.calibrate import fit_platt, fit_tie_margin
from critic_models.finetune.tuning.evaluate import Answered
from critic_models.finetune.tuning.teacher import grades_of
from critic_models.vlm.spec import CriticSpec, Platt

MIN_ROWS = 20
"""With fewer labels a criterion, or the tie margin, stays as it was."""


def calibrate(spec: CriticSpec, answered: Answered) -> CriticSpec:
    """Fit what the rows can say: Platt scaling by criterion, then one tie margin for all.

    The target of a score is the expected worth of the right answer: P(yes), or the grade. A margin
    that cannot be fitted is brought to the calibrated scale, by the geometric mean of the scales.
    """
    calibration: dict[str, Platt] = {}
    for name, criterion in spec.criteria.items():
        grades = np.asarray(grades_of(criterion))
        points = [
            (p.score.raw, float(grades @ p.shares))
            for p in answered.points
            if p.score.criterion == name and p.score.raw is not None
        ]
        if len(points) >= MIN_ROWS:
            raw, target = np.asarray(points, np.float64).T
            calibration[name] = fit_platt(raw, target)
    pairs = [p for p in answered.pairs if p.a.raw is not None and p.b.raw is not None]
    if len(pairs) >= MIN_ROWS:
        labels = [(p.label.a, p.label.tie, p.label.b) for p in pairs]
        outcomes = [(p.a, p.b, label) for p, label in zip(pairs, labels, strict=True)]
        margin = fit_tie_margin(outcomes, calibration)
    else:
        scales = [calibration.get(name, Platt()).scale for name in spec.criteria]
        margin = spec.tie_margin * float(np.exp(np.mean(np.log(scales))))
    return dataclasses.replace(spec, calibration=calibration, tie_margin=margin)
