"""Policies that choose frames: frozen values with a stable name and a pure rule.

A policy gets the number of frames, their average rate and their times, and returns positions in
the source in non-decreasing order. Each position is below the number of frames. A source with
fewer frames than asked for gives each of them once, except with `Middle`, which repeats the last
one as VBench does; a model that needs an even number repeats frames in its own adapter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from critic_models.errors import ClipTooLarge, UnknownName


class Sampling(Protocol):
    """What every policy offers. Equal policies have equal names and choose equal frames."""

    @property
    def name(self) -> str:
        """Stable name, part of a score's fingerprint."""

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        """Choose frames.

        Args:
            num_frames: frames in the source, at least 1.
            fps: average rate of the source, in frames per second, above 0.
            times_s: float64 `[num_frames]`, presentation times in seconds.

        Returns:
            int64 `[n]` positions, non-decreasing, n at least 1.
        """


@dataclass(frozen=True)
class Uniform:
    """`num_frames` frames from the first to the last at even steps.

    The rule is `round(linspace(0, total - 1, n))` in float64, halves to even, as in Qwen3-VL's
    video processor. A shorter source gives each frame once.
    """

    num_frames: int

    def __post_init__(self) -> None:
        _require_positive(num_frames=self.num_frames)

    @property
    def name(self) -> str:
        return f"uniform-{self.num_frames}"

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        _require_positive(num_frames=num_frames)
        return _even_steps(num_frames, min(self.num_frames, num_frames))


@dataclass(frozen=True)
class Transitions:
    """Every step between `num_frames` even frames: first and second, second and third, and so on.

    A vision tower that reads frames two by two sees only every other step between even frames:
    what is dropped, repeated or exchanged in the steps between falls to the language model. Here
    each step is one temporal patch. The frames are those of `Uniform`; all but the first and the
    last are given twice, and a single frame once.
    """

    num_frames: int

    def __post_init__(self) -> None:
        _require_positive(num_frames=self.num_frames)

    @property
    def name(self) -> str:
        return f"transitions-{self.num_frames}"

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        _require_positive(num_frames=num_frames)
        even = _even_steps(num_frames, min(self.num_frames, num_frames))
        return even if len(even) < 2 else np.stack([even[:-1], even[1:]], 1).reshape(-1)


@dataclass(frozen=True)
class AtRate:
    """Frames at `fps` per second, their number bounded and brought to a multiple.

    The rule is qwen-vl-utils' `smart_nframes` (0.0.9 and later): the ideal number
    `total / source_fps * fps` is clamped to `[min_frames, max_frames]` and to the frames that
    exist, then rounded down to the multiple, and that many are taken at even steps. A source with
    fewer frames than the multiple, an error there, gives each frame once here.
    """

    fps: float = 2.0
    min_frames: int = 4
    max_frames: int = 768
    multiple: int = 2

    def __post_init__(self) -> None:
        _require_positive(
            fps=self.fps,
            min_frames=self.min_frames,
            max_frames=self.max_frames,
            multiple=self.multiple,
        )
        if max(self.min_frames, self.multiple) > self.max_frames:
            raise ValueError(
                f"max_frames {self.max_frames} must be at least min_frames {self.min_frames} "
                f"and the multiple {self.multiple}"
            )

    @property
    def name(self) -> str:
        suffix = "" if self.multiple == 2 else f"-x{self.multiple}"
        return f"rate-{float(self.fps)}-{self.min_frames}-{self.max_frames}{suffix}"

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        _require_positive(num_frames=num_frames, fps=fps)
        least = math.ceil(self.min_frames / self.multiple) * self.multiple
        most = self.max_frames // self.multiple * self.multiple
        wanted = min(max(num_frames / fps * self.fps, least), most, num_frames)
        count = math.floor(wanted / self.multiple) * self.multiple
        return _even_steps(num_frames, count or num_frames)


@dataclass(frozen=True)
class Middle:
    """The middle frame of each of `num_frames` equal spans, as VBench's `get_frame_indices`.

    With fewer source frames than spans every frame is taken and the last is repeated, so the
    result always has `num_frames` positions.
    """

    num_frames: int

    def __post_init__(self) -> None:
        _require_positive(num_frames=self.num_frames)

    @property
    def name(self) -> str:
        return f"middle-{self.num_frames}"

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        _require_positive(num_frames=num_frames)
        spans = min(self.num_frames, num_frames)
        edges = np.linspace(0, num_frames, spans + 1).astype(np.int64)
        middles = (edges[:-1] + edges[1:] - 1) // 2
        return np.pad(middles, (0, self.num_frames - spans), mode="edge")


@dataclass(frozen=True)
class AllFrames:
    """Every frame. A source with more than `max_frames` is refused, never cut."""

    max_frames: int | None = None

    def __post_init__(self) -> None:
        if self.max_frames is not None:
            _require_positive(max_frames=self.max_frames)

    @property
    def name(self) -> str:
        return "all"

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        _require_positive(num_frames=num_frames)
        if self.max_frames is not None and num_frames > self.max_frames:
            raise ClipTooLarge(
                f"The clip has {num_frames} frames; "
                f"this policy takes all of at most {self.max_frames}.",
                limit="max_frames",
                allowed=self.max_frames,
                found=num_frames,
            )
        return np.arange(num_frames, dtype=np.int64)


def sampling_from_name(name: str) -> Sampling:
    """Build the policy that has this name.

    Raises:
        UnknownName: no policy has such a name; `details["forms"]` lists the forms that exist.
    """
    for pattern, build in _FORMS:
        match = re.fullmatch(pattern, name, re.ASCII)
        if match is None:
            continue
        try:
            return build(*match.groups())
        except ValueError as error:
            raise UnknownName(f"No sampling policy {name!r}: {error}.", forms=_EXAMPLES) from error
    raise UnknownName(
        f"No sampling policy {name!r}; the forms are {', '.join(_EXAMPLES)}.", forms=_EXAMPLES
    )


def _at_rate(fps: str, least: str, most: str, multiple: str | None) -> AtRate:
    return AtRate(float(fps), int(least), int(most), int(multiple or 2))


_FORMS: tuple[tuple[str, Callable[..., Sampling]], ...] = (
    (r"uniform-(\d{1,9})", lambda count: Uniform(int(count))),
    (r"transitions-(\d{1,9})", lambda count: Transitions(int(count))),
    (r"middle-(\d{1,9})", lambda count: Middle(int(count))),
    (r"rate-(\d{1,9}(?:\.\d{1,9})?)-(\d{1,9})-(\d{1,9})(?:-x(\d{1,9}))?", _at_rate),
    (r"all", AllFrames),
)
_EXAMPLES = [
    "uniform-8",
    "transitions-8",
    "middle-16",
    "rate-2.0-4-768",
    "rate-2.0-4-768-x4",
    "all",
]


def chosen_indices(
    policy: Sampling, num_frames: int, fps: float, times_s: np.ndarray
) -> np.ndarray:
    """Return what `policy` chooses, int64 `[n]`, having checked that it keeps its promise.

    Raises:
        ValueError: the policy returned no position, one outside the source, or an unordered list.
    """
    indices = np.asarray(policy.indices(num_frames, fps, times_s), dtype=np.int64)
    if (
        indices.ndim != 1
        or len(indices) == 0
        or indices[0] < 0
        or indices[-1] >= num_frames
        or np.any(np.diff(indices) < 0)
    ):
        raise ValueError(f"{policy.name} chose {indices} from {num_frames} frames")
    return indices


def _even_steps(num_frames: int, count: int) -> np.ndarray:
    return np.linspace(0, num_frames - 1, count).round().astype(np.int64)


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be above 0, got {value}")
