"""Platt scaling: from log-odds to the share of a perfect clip, fitted on validation clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from critic_models.finetune.questions import CRITERION_OF_DEFECT
from critic_models.finetune.scoring import RENDERED, raw_scores
from critic_models.judging import Judge
from critic_models.vlm.spec import Platt
from critic_models.world import (
    SLOTS,
    SPLITS,
    apply,
    render,
    sample_scene,
    with_wrong,
    write_caption,
)

_NEWTON_STEPS = 50
_RIDGE = 1e-3
_MIN_SCALE = 1e-3


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


def calibrate(judge: Judge, num_clips: int) -> dict[str, Platt]:
    """Fit every yes/no criterion of critic-nano on validation clips.

    A defect's criterion is fitted to 1 minus its severity, half of the clips having none;
    `text_alignment` to whether the caption is true, half of them being wrong in one slot.
    """
    split = SPLITS["val"]
    fitted: dict[str, Platt] = {}
    for kind, criterion in CRITERION_OF_DEFECT.items():
        clips, targets = [], []
        for index in range(num_clips):
            rng = split.rng(index)
            frames = render(sample_scene(rng, split), RENDERED.size, RENDERED.num_frames)
            severity = float(rng.uniform(0.0, 1.0)) if index % 2 else 0.0
            clips.append(apply(kind, severity, frames, rng))
            targets.append(1.0 - severity)
        fitted[criterion] = _fit(judge, clips, [None] * num_clips, criterion, targets)
    clips, captions, truths = [], [], []
    for index in range(num_clips):
        rng = split.rng(index)
        scene = sample_scene(rng, split)
        slot = SLOTS[int(rng.integers(len(SLOTS)))]
        slots = with_wrong(scene.slots, slot, rng) if index % 2 else scene.slots
        clips.append(render(scene, RENDERED.size, RENDERED.num_frames))
        captions.append(write_caption(slots, str(rng.choice(split.phrasings))))
        truths.append(1.0 - index % 2)
    fitted["text_alignment"] = _fit(judge, clips, captions, "text_alignment", truths)
    return fitted


def _fit(
    judge: Judge,
    clips: Sequence[np.ndarray],
    prompts: Sequence[str | None],
    criterion: str,
    targets: Sequence[float],
) -> Platt:
    presented = [RENDERED.clip(judge, frames) for frames in clips]
    raw = raw_scores(judge, presented, prompts, [criterion])[criterion]
    answered = np.isfinite(raw)
    return fit_platt(raw[answered], np.asarray(targets)[answered])
