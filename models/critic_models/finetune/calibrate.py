"""Calibration on validation clips: Platt scaling of scores, and the width of a tie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from critic_models.audit.asking import Scores, score_all
from critic_models.audit.labelled import LabelledPair, LabelledSet
from critic_models.judging import Judge
from critic_models.types import Score
from critic_models.vlm.readout import preference_from_scores
from critic_models.vlm.spec import CriticSpec, Platt

_NEWTON_STEPS = 50
_RIDGE = 1e-3
_MIN_SCALE = 1e-3
_MARGINS = (1e-3, 8.0)
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_SECTIONS = 40


def calibrate(judge: Judge, labelled: LabelledSet) -> CriticSpec:
    """Fit every criterion to the grades of a labelled set, and one tie margin to its pairs.

    Args:
        judge: the critic; what it was calibrated with before does not matter.
        labelled: with absolute grades.

    Returns:
        The critic's specification with the new calibration.
    """
    names = [name for name in judge.spec.criteria if name in labelled.criteria]
    labelled = labelled.restrict(names)
    scores = score_all(judge, labelled, names, lambda: None)
    fitted: dict[str, Platt] = {}
    for name in names:
        grades = [grade for grade in labelled.grades if grade.criterion == name]
        raw = scores.raw([grade.shown for grade in grades], name)
        target = np.asarray([grade.grade for grade in grades], np.float64)
        answered = np.isfinite(raw)
        if answered.any():
            fitted[name] = fit_platt(raw[answered], target[answered])
    pairs = _answered(labelled.pairs, scores)
    margin = fit_tie_margin(pairs, fitted) if pairs else judge.spec.tie_margin
    return replace(judge.spec, calibration=fitted, tie_margin=margin)


def fit_platt(raw: np.ndarray, target: np.ndarray) -> Platt:
    """Fit `sigmoid(scale * raw + shift)` to targets in [0, 1] by cross-entropy (Platt, 1999).

    Newton's method with a small ridge towards the identity, so that separable scores stay finite.

    Args:
        raw: float64 `[N]`, finite.
        target: float64 `[N]`.
    """
    design = np.stack([raw, np.ones_like(raw)], 1)
    prior = np.asarray([1.0, 0.0])
    weights = prior.copy()
    for _ in range(_NEWTON_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (p - target) / len(raw) + _RIDGE * (weights - prior)
        curvature = (design * (p * (1 - p))[:, None]).T @ design / len(raw) + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step / max(1.0, float(np.abs(step).max()))
    return Platt(scale=max(_MIN_SCALE, float(weights[0])), shift=float(weights[1]))


Outcome = tuple[Score, Score, tuple[float, float, float]]
"""Scores of A and B, and how probable it is that A is better, that they tie, and that B is."""


def fit_tie_margin(outcomes: Sequence[Outcome], calibration: dict[str, Platt]) -> float:
    """Fit the margin of Rao and Kupper's ties by likelihood.

    The log-likelihood is concave in the margin, so that golden sections find its maximum.
    """

    def loss(margin: float) -> float:
        return sum(_surprise(outcome, calibration, margin) for outcome in outcomes)

    return _minimum(loss, *_MARGINS)


def _minimum(loss: Callable[[float], float], low: float, high: float) -> float:
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


def _surprise(outcome: Outcome, calibration: dict[str, Platt], margin: float) -> float:
    a, b, label = outcome
    said = preference_from_scores(a, b, calibration.get(a.criterion), margin)
    chances = (said.p_win, said.p_tie, said.p_lose)
    return -sum(
        share * math.log(max(chance or 0.0, 1e-300))
        for share, chance in zip(label, chances, strict=True)
    )


_LABELS = {"a": (1.0, 0.0, 0.0), "tie": (0.0, 1.0, 0.0), "b": (0.0, 0.0, 1.0)}


def _answered(pairs: Sequence[LabelledPair], scores: Scores) -> list[Outcome]:
    each = [
        (scores.of(pair.a, pair.criterion), scores.of(pair.b, pair.criterion), pair.preference)
        for pair in pairs
    ]
    return [(a, b, _LABELS[side]) for a, b, side in each if a.raw is not None and b.raw is not None]
