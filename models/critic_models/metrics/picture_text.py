"""How well frames fit words, from features of unit length: pure functions of cosines.

All three average over frames. Their authors define them for one picture.
"""

from __future__ import annotations

import numpy as np

from critic_models.metrics.metric import Reading, no_reading

CLIP_SCORE_WEIGHT = 2.5
GREATEST_SCALE = 100.0
"""CLIP's scale is cut there while it is trained."""


def cosines(pictures: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the cosine of each frame with the words.

    Args:
        pictures: float `[T, D]`, of unit length.
        words: float `[D]`, of unit length.

    Returns:
        float64 `[T]`.
    """
    return pictures.astype(np.float64) @ words.astype(np.float64)


def clip_score(each: np.ndarray) -> Reading:
    """Compute CLIPScore, the mean over frames of `2.5 · max(cos, 0)`.

    Source: Hessel et al., CLIPScore, EMNLP 2021, equation of section 3. They chose 2.5 because
    cosines hardly exceed 0.4; the value is cut at 1 for the few that do.
    """
    raw = float((CLIP_SCORE_WEIGHT * np.maximum(each, 0.0)).mean())
    return _finite(raw, min(raw, 1.0))


def hps(each: np.ndarray) -> Reading:
    """Compute HPS v2, the mean over frames of the cosine.

    Source: Wu et al., Human Preference Score v2, 2023, and its released code, which returns the
    cosine without the model's scale. Cosines lie in the range of CLIP's, so the value is that of
    CLIPScore.
    """
    raw = float(each.mean())
    return _finite(raw, min(CLIP_SCORE_WEIGHT * max(raw, 0.0), 1.0))


def pickscore(each: np.ndarray, scale: float) -> Reading:
    """Compute PickScore, the mean over frames of `scale · cos`.

    Source: Kirstain et al., Pick-a-Pic, NeurIPS 2023, equation 1 before the exponential. The scale
    is the model's own, at most 100, so the value divides by 100.

    Args:
        each: cosines of frames, `[T]`.
        scale: by which the model multiplies cosines.
    """
    raw = float(scale * each.mean())
    return _finite(raw, min(max(raw / GREATEST_SCALE, 0.0), 1.0))


def _finite(raw: float, value: float) -> Reading:
    if not np.isfinite(raw):
        return no_reading("The network gave a number that is not finite.")
    return Reading(raw, value)
