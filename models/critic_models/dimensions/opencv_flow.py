"""Dense optical flow by OpenCV: how much there is, and how evenly it goes on.

These stand beside VBench's `dynamic_degree` and `motion_smoothness`, which need RAFT and AMT; they
measure something else and carry other names. Frames are made gray, and small enough that the
shorter side has 256 pixels and the longer 1,024 at most; lengths are fractions of the shorter side.
So the result hardly depends on the resolution.

The flow is DIS. On a flat surface it invents motion out of noise, so where the picture has no
contrast the flow is taken as none: a plain wall counts as standing still. Farnebäck's method, which
does not invent, was not taken because it loses most of the motion of smooth textures. A motion of
more than about an eighth of the shorter side per frame is beyond either.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from critic_models.dimensions.dimension import Dimension, Reading

_SHORT_SIDE = 256
_LONG_SIDE = 1024
_LEAST_SIDE = 32  # DIS refuses tiny pictures; a thinner strip is stretched
_BLUR = 1.5  # pixels; takes noise out before both the flow and the measure of contrast
_CONTRAST_WINDOW = (15, 15)
_LEAST_CONTRAST = 3.0  # gray levels, standard deviation in the window
_STILL_PX = 0.25  # at the working size, per frame; above what noise gives a textured surface
_LEAST_MOVING = 0.005  # share of the picture


@dataclass(frozen=True)
class MotionChange:
    """How the motion of one pair of frames goes on in the next.

    Attributes:
        change: sum over moving pixels of the length by which motion changed.
        motion: sum over them of the lengths of both motions; `change` is never above it.
        moving: share of the picture that moves.
    """

    change: float
    motion: float
    moving: float


class FlowSeries:
    """Flow of each pair of consecutive frames, and its change from pair to pair."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.lengths: list[float] = []
        self.changes: list[MotionChange] = []
        self._optical_flow = OpticalFlow()
        self._gray: np.ndarray | None = None
        self._flow: np.ndarray | None = None

    def update(self, frame: np.ndarray, time_s: float) -> None:
        """Take in the next frame."""
        gray = working_gray(frame)
        flow = None if self._gray is None else self._optical_flow(self._gray, gray)
        if flow is not None:
            self.lengths.append(float(_lengths(flow).mean()) / min(gray.shape))
            if self._flow is not None:
                self.changes.append(motion_change(self._flow, flow))
        self.times_s.append(time_s)
        self._gray, self._flow = gray, flow


def working_gray(frame: np.ndarray) -> np.ndarray:
    """Return uint8 `[H, W, 3]` RGB as gray at the working size, uint8 `[h, w]`."""
    height, width = frame.shape[:2]
    scale = min(_SHORT_SIDE / min(height, width), _LONG_SIDE / max(height, width), 1.0)
    size = (max(_LEAST_SIDE, round(width * scale)), max(_LEAST_SIDE, round(height * scale)))
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


class OpticalFlow:
    """DIS flow between gray frames. Keeps buffers: one for each clip, not for threads to share."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return where each pixel of `first` goes in `second`.

        Args:
            first: uint8 `[h, w]`.
            second: uint8 `[h, w]`.

        Returns:
            float32 `[h, w, 2]`, pixels to the right and down; 0 where `first` is flat.
        """
        first, second = (cv2.GaussianBlur(gray, (0, 0), _BLUR) for gray in (first, second))
        flow = self._dis.calc(first, second, None)
        flow[_contrast(first) < _LEAST_CONTRAST] = 0
        return flow


def _contrast(gray: np.ndarray) -> np.ndarray:
    mean = cv2.boxFilter(gray, cv2.CV_32F, _CONTRAST_WINDOW)
    mean_square = cv2.sqrBoxFilter(gray, cv2.CV_32F, _CONTRAST_WINDOW)
    return np.sqrt(np.maximum(mean_square - mean * mean, 0))


def motion_change(flow: np.ndarray, following: np.ndarray) -> MotionChange:
    """Compare each pixel's motion with its motion in the next pair of frames.

    A pixel is followed to where it went, so that an object which crosses the picture evenly does
    not change its motion. Pixels that leave the picture, and those still in both, do not count.

    Args:
        flow: float32 `[h, w, 2]` from frame t to t+1, in pixels.
        following: float32 `[h, w, 2]` from frame t+1 to t+2.
    """
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    to_x, to_y = columns + flow[..., 0], rows + flow[..., 1]
    later = cv2.remap(following, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    before, after = _lengths(flow), _lengths(later)
    counted = inside & (np.maximum(before, after) >= _STILL_PX)
    return MotionChange(
        change=float(_lengths(later - flow)[counted].sum(dtype=np.float64)),
        motion=float((before + after)[counted].sum(dtype=np.float64)),
        moving=float(counted.mean()),
    )


def flow_magnitude(series: FlowSeries) -> Reading:
    """Compute motion in shorter sides per second; per frame: of each pair, not per second."""
    span_s = series.times_s[-1] - series.times_s[0]
    if span_s <= 0:
        return Reading(None, reason="All frames have the same time.")
    return Reading(sum(series.lengths) / span_s, per_frame=tuple(series.lengths))


def motion_smoothness(series: FlowSeries) -> Reading:
    """Compute `1 - sum of changes / sum of motion`, in [0, 1] by the triangle inequality.

    Per frame: how much motion changed from one pair to the next, relative to the motion of both,
    0 where nothing moved.
    """
    moving = float(np.mean([change.moving for change in series.changes]))
    if moving < _LEAST_MOVING:
        return Reading(
            None,
            reason=(
                f"{moving:.2%} of the picture moves by {_STILL_PX} pixels or more per frame at the "
                f"working size; below {_LEAST_MOVING:.1%} there is no motion to judge."
            ),
        )
    total = sum(change.motion for change in series.changes)
    raw = 1 - sum(change.change for change in series.changes) / total
    per_frame = tuple(c.change / c.motion if c.motion else 0.0 for c in series.changes)
    return Reading(min(max(raw, 0.0), 1.0), per_frame=per_frame)


def _lengths(flow: np.ndarray) -> np.ndarray:
    return np.hypot(flow[..., 0], flow[..., 1])


OPENCV_FLOW_MAGNITUDE = Dimension(
    name="opencv_flow_magnitude",
    group="motion",
    range=(0.0, float("inf")),
    higher_is_better=None,
    min_frames=2,
    description=(
        "Mean length of OpenCV's DIS flow over all pixels and pairs of consecutive frames, "
        "in shorter sides of the picture per second; neither resolution nor frame rate changes it. "
        "The camera's motion counts. Per frame: of each pair, in shorter sides per frame."
    ),
    source="this project; flow: T. Kroeger et al., Dense Inverse Search, ECCV 2016, as in OpenCV",
    cost="no network; OpenCV's flow between neighbours, at a reduced size",
    series=FlowSeries,
    compute=flow_magnitude,
)

OPENCV_MOTION_SMOOTHNESS = Dimension(
    name="opencv_motion_smoothness",
    group="motion",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=3,
    description=(
        "One minus the change of motion from one pair of frames to the next, relative to the "
        "motion, each pixel followed along OpenCV's DIS flow: 1 for constant velocity, 0 for "
        "motion that stops, starts or turns back with every frame. Pixels that stand still do not "
        "count, and a clip in which (almost) nothing moves has no number, so that standing still "
        "never looks smooth. A cut looks like a jolt. Per frame: relative change of each pair of "
        "pairs."
    ),
    source="this project; flow: T. Kroeger et al., Dense Inverse Search, ECCV 2016, as in OpenCV",
    cost="no network; OpenCV's flow between neighbours, at a reduced size",
    series=FlowSeries,
    compute=motion_smoothness,
)
