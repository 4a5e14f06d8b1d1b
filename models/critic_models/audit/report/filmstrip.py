"""A clip as one row of its frames, a JPEG inside the page."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from critic_models.audit.report.markup import tag
from critic_models.types import Clip

_HEIGHT_PX = 96
_MAX_FRAMES = 8
_GAP_PX = 3
_QUALITY = 82


def filmstrip(clip: Clip, label: str) -> str:
    """Draw up to eight of the frames that the critic was given, from left to right.

    Args:
        label: what the clip is, for those who do not see it.
    """
    at = np.linspace(0, clip.num_frames - 1, min(_MAX_FRAMES, clip.num_frames)).round().astype(int)
    width = max(1, round(_HEIGHT_PX * clip.width / clip.height))
    size = (width, _HEIGHT_PX)
    frames = [cv2.resize(clip.frames[i], size, interpolation=cv2.INTER_AREA) for i in at]
    gap = np.full((_HEIGHT_PX, _GAP_PX, 3), 128, np.uint8)
    strip = np.hstack([part for frame in frames for part in (frame, gap)][:-1])
    bgr = cv2.cvtColor(strip, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return tag(
        "img",
        src="data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii"),
        alt=f"{len(at)} frames of {label}",
        width=strip.shape[1],
        height=_HEIGHT_PX,
        loading="lazy",
    )
