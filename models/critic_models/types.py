"""The frozen values that rooms hand to each other. No torch here: a clip is numpy and facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

ReadFrom = Literal["yes_no", "graded", "pairwise", "scores", "frames"]
Side = Literal["a", "b", "tie"]


@dataclass(frozen=True, eq=False)
class Clip:
    """Decoded frames of one video.

    Attributes:
        frames: uint8 `[T, H, W, 3]`, RGB, upright (rotation metadata applied).
        times_s: float64 `[T]`, presentation time of each frame, non-decreasing.
        source_indices: int64 `[T]`, position of each frame in the source.
        source_num_frames: frames in the source, of which `frames` may be a sample.
        source_fps: average frame rate of the source.
        duration_s: length of the source.
        clip_id: SHA-256 (hex) of the encoded bytes, or of frames and rate for raw frames.
        sampling: name of the policy that chose the frames, such as `uniform-8`.
    """

    frames: np.ndarray
    times_s: np.ndarray
    source_indices: np.ndarray
    source_num_frames: int
    source_fps: float
    duration_s: float
    clip_id: str
    sampling: str

    @property
    def num_frames(self) -> int:
        return int(self.frames.shape[0])

    @property
    def height(self) -> int:
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        return int(self.frames.shape[2])


@dataclass(frozen=True)
class Score:
    """One criterion of one clip.

    Attributes:
        criterion: its name.
        raw: on the critic's own scale (a logit difference, an expected grade, a head's output).
        value: calibrated to [0, 1]; higher is better.
        read_from: how `raw` was read.
        probabilities: of each answer, summing to one over the answers.
        answer_mass: probability that the critic gave to its answers together, of the vocabulary.
        reason: why there is no number, where `raw` and `value` are None.
    """

    criterion: str
    raw: float | None
    value: float | None
    read_from: ReadFrom
    probabilities: dict[str, float]
    answer_mass: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Preference:
    """Clip A against clip B on one criterion. The three probabilities sum to one.

    `order_consistency` is 1 minus the total variation distance between the answers for (A, B) and
    (B, A), brought to the same order; None where the method does not look at an order.
    """

    criterion: str
    p_win: float | None
    p_tie: float | None
    p_lose: float | None
    preferred: Side | None
    order_consistency: float | None
    read_from: ReadFrom
    answer_mass: float | None
    reason: str | None = None


@dataclass(frozen=True)
class DimensionScore:
    """A measurement of one clip that needs no critic.

    `raw` is on the metric's own scale, `value` normalised where a published range exists (else
    None), `per_frame` the series behind it where there is one. `continuous` is what was compared
    with a threshold where `raw` is a boolean's 0 or 1. `weight` is how much the clip counts in the
    mean over clips; None where it does not.
    """

    dimension: str
    raw: float | None
    value: float | None
    per_frame: tuple[float, ...] | None
    num_frames: int
    reason: str | None = None
    continuous: float | None = None
    weight: float | None = 1.0


@dataclass(frozen=True)
class Fingerprint:
    """Everything that must be equal for two scores to be comparable."""

    critic: str
    revision: str
    template: str
    sampling: str
    positions: str
    calibration: str
    dtype: str
    device: str
    attention: str
    versions: dict[str, str]
