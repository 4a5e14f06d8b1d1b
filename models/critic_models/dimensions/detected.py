"""VBench's five dimensions that read what a detector or a captioner says of 16 frames.

The detector or captioner is the caller's: VBench's own are GRiT and Tag2Text. With those, these are
VBench's numbers; with others they are other numbers, and must not carry VBench's names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from critic_models.dimensions.dimension import Compat, Facts, Reading, no_score, to_score
from critic_models.dimensions.networked import Ask
from critic_models.types import Clip, DimensionScore
from critic_models.video.sampling import Middle

NUM_FRAMES = 16
_LARGE, _WORKING = 768, 720


@dataclass(frozen=True)
class Detection:
    """One thing in one frame.

    Attributes:
        name: its class.
        box: left, top, right and bottom, in pixels.
        caption: what is said of it; empty where the detector says nothing.
    """

    name: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    caption: str = ""


Detections = Sequence[Detection]


class Detector(Protocol):
    """Finds things."""

    def __call__(self, frames: np.ndarray) -> Sequence[Detections]:
        """Return what is in each of the frames, `[N, H, W, 3]` RGB, 0 to 255, best first."""


class Captioner(Protocol):
    """Describes frames."""

    def __call__(self, frames: np.ndarray) -> Sequence[str]:
        """Return a caption for each of the frames, uint8 `[N, H, W, 3]` RGB."""


See = Literal["objects", "captioned objects", "captions"]


@dataclass(frozen=True, kw_only=True)
class DetectedDimension(Facts):
    """A dimension that reads what was seen in frames.

    Attributes:
        sees: what must be seen: a detector's `objects`, a dense captioner's `captioned objects`,
            or `captions` of whole frames.
        compute: what is made of it; pure. It is given one entry a frame, what is known of the clip,
            and the mode.
    """

    sees: See
    compute: Callable[[Sequence[Any], Ask, Compat], Reading]


def sampled_frames(clip: Clip) -> np.ndarray:
    """Return the middle frames of 16 spans, uint8 `[16, H, W, 3]`; the last may be repeated."""
    indices = Middle(NUM_FRAMES).indices(clip.num_frames, clip.source_fps, clip.times_s)
    return clip.frames[indices]


def working_size(height: int, width: int) -> tuple[int, int]:
    """Return the size that detectors see: a shorter side above 768 pixels becomes 720."""
    if min(height, width) <= _LARGE:
        return height, width
    scale = _WORKING / min(height, width)
    return int(scale * height), int(scale * width)


def frames_for(sees: See, clip: Clip) -> np.ndarray:
    """Return the frames that a detector or captioner sees, as VBench hands them over.

    Detectors get float32, resized with antialiasing; dense captioners uint8, resized by OpenCV;
    captioners the frames as they are.
    """
    frames = sampled_frames(clip)
    size = working_size(clip.height, clip.width)
    if sees == "captions":
        return frames
    if sees == "captioned objects":
        if size == frames.shape[1:3]:
            return frames
        turned = (size[1], size[0])
        return np.stack([cv2.resize(f, turned, interpolation=cv2.INTER_LINEAR) for f in frames])
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    if size != frames.shape[1:3]:
        planes = F.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)
    return planes.permute(0, 2, 3, 1).contiguous().numpy()


def measure_detected(
    clip: Clip,
    ask: Ask,
    dimensions: Sequence[DetectedDimension],
    see: Detector | Captioner,
    compat: Compat = "corrected",
) -> dict[str, DimensionScore]:
    """Measure a clip on dimensions that see alike, looking at it once.

    Args:
        clip: decoded with `AllFrames`.
        ask: what is known of it.
        dimensions: all with the same `sees`.
        see: the detector or captioner.
        compat: `vbench` for the reference's numbers, defects included.

    Raises:
        ValueError: the dimensions see different things, or `see` left out a frame.
    """
    kinds = {dimension.sees for dimension in dimensions}
    if len(kinds) != 1:
        raise ValueError(f"one way of seeing at a time, not {sorted(kinds)}")
    askable = [d for d in dimensions if d.needs is None or ask.known(d.needs)]
    scores = {
        d.name: no_score(d.name, clip.num_frames, f"The clip's {d.needs} is needed.")
        for d in dimensions
    }
    if askable:
        seen = see(frames_for(askable[0].sees, clip))
        if len(seen) != NUM_FRAMES:
            raise ValueError(f"{len(seen)} frames were seen, not {NUM_FRAMES}")
        for each in askable:
            scores[each.name] = to_score(each, each.compute(seen, ask, compat), clip.num_frames)
    return scores
