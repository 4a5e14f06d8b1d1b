"""How far things move, and whether they stay what they are while they move: from frames and flows.

Flows are in pixels at the size of the gray or coloured frames they belong to; lengths are given in
shorter sides of the picture, so that the resolution does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from critic_models.metrics.metric import Reading, no_reading

LEAST_VISIBLE = 0.05
"""Below this share of pixels that can be followed, nothing is said of them."""

# Sundaram, Brox and Keutzer, Dense point trajectories, ECCV 2010, equation 5.
_RELATIVE, _ABSOLUTE_PX = 0.01, 0.5


@dataclass(frozen=True)
class FlowPair:
    """What one pair of consecutive looks at a clip says.

    Attributes:
        length: mean length of the flow, in shorter sides.
        took_s: seconds between the two frames.
        difference: mean absolute difference of the first frame and the second one brought back
            along the flow, over pixels that can be followed; of 1 between black and white. None
            where too few can be.
        visible: share of pixels that can be followed.
    """

    length: float
    took_s: float
    difference: float | None
    visible: float


def measure_pair(
    first: np.ndarray,
    second: np.ndarray,
    forward: np.ndarray,
    backward: np.ndarray | None,
    took_s: float,
) -> FlowPair:
    """Measure a pair of frames by its flow.

    Args:
        first: uint8 `[H, W]` or `[H, W, 3]`.
        second: the same, a moment later.
        forward: float32 `[H, W, 2]`, where each pixel of `first` goes in `second`, right and down.
        backward: float32 `[H, W, 2]`, the way back from `second`; None where only the length is
            wanted.
        took_s: seconds between them.
    """
    length = float(np.hypot(forward[..., 0], forward[..., 1]).mean()) / min(first.shape[:2])
    if backward is None:
        return FlowPair(length, took_s, None, 0.0)
    seen = followed(forward, backward)
    visible = float(seen.mean())
    if visible < LEAST_VISIBLE:
        return FlowPair(length, took_s, None, visible)
    back = along(second, forward)
    change = np.abs(first.astype(np.float64) - back.astype(np.float64)) / 255.0
    return FlowPair(length, took_s, float(change[seen].mean()), visible)


def along(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Look a picture up at where each pixel goes; beyond the edge the edge is repeated."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    to_x, to_y = columns + flow[..., 0], rows + flow[..., 1]
    return cv2.remap(picture, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def followed(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Tell which pixels stay in the picture and come back to where they were, bool `[H, W]`.

    A pixel that is covered in the second frame meets there the motion of what covers it, and does
    not come back (Sundaram et al., 2010).
    """
    height, width = forward.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    to_x, to_y = columns + forward[..., 0], rows + forward[..., 1]
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    back = along(backward, forward)
    apart = np.square(forward + back).sum(-1)
    allowed = _RELATIVE * (np.square(forward).sum(-1) + np.square(back).sum(-1)) + _ABSOLUTE_PX
    return inside & (apart <= allowed)


def magnitude(pairs: Sequence[FlowPair]) -> Reading:
    """Compute the mean length of motion in shorter sides per second; value `raw / (1 + raw)`.

    As a reward the mean length of optical flow is of Furuta et al., 2024 (arXiv 2412.02617); the
    unit and the value are this project's.
    """
    span_s = sum(pair.took_s for pair in pairs)
    if span_s <= 0:
        return no_reading("All frames have the same time.")
    raw = sum(pair.length for pair in pairs) / span_s
    return Reading(raw, raw / (1.0 + raw))


def consistency(pairs: Sequence[FlowPair]) -> Reading:
    """Compute one minus the mean warping error, in [0, 1].

    The warping error of Lai et al., Learning Blind Video Temporal Consistency, ECCV 2018, with the
    absolute in place of the squared difference, over the pixels that can be followed both ways. A
    still clip has 1: it wants company of a reward for motion.
    """
    known = [pair.difference for pair in pairs if pair.difference is not None]
    if len(known) < len(pairs):
        return no_reading(
            f"In {len(pairs) - len(known)} of {len(pairs)} pairs of frames less than "
            f"{LEAST_VISIBLE:.0%} of the picture can be followed."
        )
    raw = 1.0 - float(np.mean(known))
    return Reading(raw, raw)
