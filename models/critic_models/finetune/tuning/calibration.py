"""Calibration on validation rows: Platt scaling of scores, and the width of a tie."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from critic_models.finetune.calibrate import fit_platt
from critic_models.finetune.tuning.evaluate import Answered, PairAnswer
from critic_models.finetune.tuning.teacher import grades_of
from critic_models.vlm.readout import preference_from_scores
from critic_models.vlm.spec import CriticSpec, Platt

MIN_ROWS = 20
"""With fewer labels a criterion, or the tie margin, stays as it was."""

_MARGINS = (1e-3, 8.0)
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_SECTIONS = 60


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
        margin = fit_tie_margin(pairs, calibration)
    else:
        scales = [calibration.get(name, Platt()).scale for name in spec.criteria]
        margin = spec.tie_margin * float(np.exp(np.mean(np.log(scales))))
    return dataclasses.replace(spec, calibration=calibration, tie_margin=margin)


def fit_tie_margin(pairs: list[PairAnswer], calibration: dict[str, Platt]) -> float:
    """Fit the margin of Rao and Kupper's ties by likelihood.

    The log-likelihood is concave in the margin, so that golden sections find its maximum.
    """

    def loss(margin: float) -> float:
        return sum(_surprise(pair, calibration, margin) for pair in pairs)

    low, high = _MARGINS
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    values = [loss(margin) for margin in inner]
    for _ in range(_SECTIONS):
        if values[0] <= values[1]:
            high = inner[1]
            inner = [high - _GOLDEN * (high - low), inner[0]]
            values = [loss(inner[0]), values[0]]
        else:
            low = inner[0]
            inner = [inner[1], low + _GOLDEN * (high - low)]
            values = [values[1], loss(inner[1])]
    return (low + high) / 2.0


def _surprise(pair: PairAnswer, calibration: dict[str, Platt], margin: float) -> float:
    said = preference_from_scores(pair.a, pair.b, calibration.get(pair.a.criterion), margin)
    chances = (said.p_win, said.p_tie, said.p_lose)
    label = (pair.label.a, pair.label.tie, pair.label.b)
    return -sum(
        share * math.log(max(chance or 0.0, 1e-300))
        for share, chance in zip(label, chances, strict=True)
    )
