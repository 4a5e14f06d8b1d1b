"""What the readers of encoded files have in common: a timeline, and frames in order."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import numpy as np

from critic_models.video.limits import Deadline
from critic_models.video.timeline import Timeline


class UnexpectedFramesError(Exception):
    """The decoder gave other frames than the container's packets promised."""


class SourceFrame(Protocol):
    """A decoded frame that is not yet RGB."""

    @property
    def time_s(self) -> float:
        """Seconds from the first frame."""

    def rgb(self) -> np.ndarray:
        """Convert to uint8 `[H, W, 3]`, upright; may be a view that dies with the frame."""


class FrameSource(Protocol):
    """A reader of one encoded file."""

    @property
    def codec(self) -> str: ...

    @property
    def header_size(self) -> tuple[int, int]:
        """Width and height in pixels as the header has them, before any turn."""

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel divided by its height; 1.0 where the file does not say."""

    @property
    def rotation_degrees(self) -> int:
        """Clockwise turn that was applied; known once a frame was read."""

    @property
    def claimed_frames(self) -> int | None:
        """Frames that the header promises, exactly or from duration and rate; None if neither."""

    def packet_timeline(self, deadline: Deadline) -> Timeline:
        """Read the timeline without decoding pixels."""

    def decoded_timeline(self, deadline: Deadline) -> Timeline:
        """Read the timeline by decoding every frame, without converting any."""

    def frames(self, deadline: Deadline, expected: Timeline | None) -> Generator[SourceFrame]:
        """Yield every frame in order of presentation.

        Raises:
            UnexpectedFramesError: `expected` is given and the frames are not those.
            ClipUnreadable: a frame is damaged or missing.
        """
