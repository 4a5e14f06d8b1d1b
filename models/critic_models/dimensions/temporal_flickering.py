"""VBench's temporal flickering: how much consecutive frames differ, at raw size."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from critic_models.dimensions.dimension import Dimension, Reading, Scale

# The range in VBench's scripts/constant.py, which its totals use without clamping.
_SCALE = Scale(0.6293, 1.0)


class PairDifferences:
    """Mean absolute difference of each pair of consecutive frames, in gray levels."""

    def __init__(self) -> None:
        self.differences: list[float] = []
        self._previous: np.ndarray | None = None

    def update(self, frame: np.ndarray, time_s: float) -> None:
        """Take in the next frame."""
        if self._previous is not None:
            self.differences.append(mean_absolute_difference(self._previous, frame))
        self._previous = frame


def mean_absolute_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean of |first - second| over all values of two uint8 frames of one shape.

    The sum is exact; VBench takes the same mean in float32.
    """
    # OpenCV's L1 norm widens before it subtracts: uint8 differences would wrap around.
    return cv2.norm(first, second, cv2.NORM_L1) / first.size


def flickering(differences: Sequence[float]) -> Reading:
    """Compute the score from the mean difference of each pair.

    `raw = (255 - mean) / 255` is 1 for a still clip. `value = (raw - 0.6293) / (1 - 0.6293)` is
    VBench's normalisation; it is not clamped, so a clip that flickers more than any of the models
    behind that range is below 0.
    """
    raw = (255 - float(np.mean(differences))) / 255
    return Reading(raw, _SCALE.value(raw), tuple(differences))


TEMPORAL_FLICKERING = Dimension(
    name="temporal_flickering",
    group="quality",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=2,
    description=(
        "One minus the mean absolute difference of consecutive frames over 255, all frames at raw "
        "size. Any motion lowers it: VBench reports it for clips that its static filter passed. "
        "The value is normalised by VBench's range and not clamped: it may be below 0. Per frame: "
        "the difference of each pair in gray levels."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/temporal_flickering.py)",
    scale=_SCALE,
    cost="no network; a few milliseconds a frame",
    series=PairDifferences,
    compute=lambda series: flickering(series.differences),
)
