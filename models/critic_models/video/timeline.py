"""When frames are shown: from a container's timestamps, or from a constant rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from critic_models.errors import ClipUnreadable
from critic_models.video.limits import ClipLimits


@dataclass(frozen=True, eq=False)
class Timeline:
    """When each frame is shown.

    Attributes:
        times_s: float64 `[T]` in seconds, from 0, non-decreasing.
        duration_s: from the first frame to the end of the last, above 0.
        ticks: int64 `[T]`, the container's own timestamps that a decoded frame must repeat; None
            where the container has no timestamps of presentation.
    """

    times_s: np.ndarray
    duration_s: float
    ticks: np.ndarray | None = None

    @property
    def num_frames(self) -> int:
        return len(self.times_s)

    @property
    def fps(self) -> float:
        """Average rate in frames per second."""
        return self.num_frames / self.duration_s

    def check(self, limits: ClipLimits) -> None:
        """Check the number of frames and the duration against the limits, and that time moves.

        Raises:
            ClipTooLarge: `max_source_frames` or `max_duration_s` is exceeded.
            ClipUnreadable: the timestamps do not span any time.
        """
        limits.check("max_source_frames", self.num_frames)
        if not 0 < self.duration_s < float("inf"):
            raise ClipUnreadable(
                f"The {self.num_frames} frames span {self.duration_s} s: "
                "the timestamps of the clip cannot be used."
            )
        limits.check("max_duration_s", self.duration_s)


def timeline_from_ticks(
    shown: Sequence[tuple[int, int]], time_base: Fraction, rate: Fraction | None
) -> Timeline:
    """Build a timeline from timestamp and duration of each frame, in order of presentation.

    Args:
        shown: timestamp and duration of each frame in units of `time_base`; at least one. A
            duration that is not above 0 is unknown, and only the last one matters.
        time_base: seconds per tick.
        rate: the container's frame rate, for the duration of a lone frame without one.

    Raises:
        ClipUnreadable: the timestamps go backwards.
    """
    first, last = shown[0][0], shown[-1][0]
    times_s = [float((ticks - first) * time_base) for ticks, _ in shown]
    for position in range(1, len(times_s)):
        check_order(position, times_s[position - 1], times_s[position])
    final: Fraction | int = shown[-1][1]
    if final <= 0 and last > first:
        # The last frame stays as long as the others do on average.
        final = Fraction(last - first, len(shown) - 1)
    elif final <= 0:
        # A lone frame without a rate is a still picture, which is shown for one second.
        final = 1 / (Fraction(rate or 1) * time_base)
    return Timeline(
        np.array(times_s),
        float((last - first + final) * time_base),
        np.array([ticks for ticks, _ in shown], dtype=np.int64),
    )


def timeline_at_rate(num_frames: int, rate: Fraction | None) -> Timeline:
    """Build a timeline of frames that follow each other at a constant rate.

    Raises:
        ClipUnreadable: there is no rate.
    """
    rate = known_rate(rate)
    times_s = np.array([float(position / rate) for position in range(num_frames)])
    return Timeline(times_s, float(num_frames / rate))


def known_rate(rate: Fraction | None) -> Fraction:
    """Return the rate, or raise `ClipUnreadable` where there is none."""
    if not rate:
        raise ClipUnreadable("The clip has neither timestamps nor a frame rate.")
    return Fraction(rate)


def known_ticks(ticks: int | None) -> int:
    """Return the timestamp, or raise `ClipUnreadable` where there is none."""
    if ticks is None:
        raise ClipUnreadable("Some frames of the clip have no timestamp.")
    return ticks


def check_order(position: int, before_s: float, time_s: float) -> None:
    """Raise `ClipUnreadable` when a frame is shown before the one that precedes it."""
    if time_s < before_s:
        raise ClipUnreadable(
            f"Timestamps go backwards: frame {position} is at {time_s:.6g} s, "
            f"the one before it at {before_s:.6g} s."
        )
