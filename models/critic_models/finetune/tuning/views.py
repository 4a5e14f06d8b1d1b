"""Several ways of looking at one clip, whose judgements are votes: frames, crops and wordings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from critic_models.types import Clip
from critic_models.video.load import ClipInput, load_clip
from critic_models.video.sampling import Sampling

LEAST_CROP = 0.85
"""Share of height and width that a crop keeps at least, so that what the prompt names stays in."""


@dataclass(frozen=True)
class View:
    """One way of looking.

    Attributes:
        phase: share of a sampling step, in [0, 1), by which frames are taken later.
        crop: share of height and of width that is kept, in (0, 1].
        place: where the kept part lies, `(down, right)` in [0, 1].
        wording: which of a criterion's wordings is asked.
    """

    phase: float = 0.0
    crop: float = 1.0
    place: tuple[float, float] = (0.0, 0.0)
    wording: int = 0


@dataclass(frozen=True)
class Shifted:
    """A policy whose frames are taken later by a share of its own step, up to the last frame."""

    policy: Sampling
    phase: float

    @property
    def name(self) -> str:
        return f"{self.policy.name}+{self.phase:g}"

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        chosen = self.policy.indices(num_frames, fps, times_s)
        if len(chosen) < 2:
            return chosen
        step = (chosen[-1] - chosen[0]) / (len(chosen) - 1)
        return np.minimum(chosen + int(self.phase * step), num_frames - 1)


def draw_views(count: int, num_wordings: int = 1, seed: int = 0) -> tuple[View, ...]:
    """Draw views; the first is the plain one, as served."""
    rng = np.random.default_rng(seed)
    drawn = [
        View(
            phase=float(rng.uniform(0.0, 1.0)),
            crop=float(rng.uniform(LEAST_CROP, 1.0)),
            place=(float(rng.uniform()), float(rng.uniform())),
            wording=int(rng.integers(num_wordings)),
        )
        for _ in range(count - 1)
    ]
    return (View(), *drawn)


def look(source: ClipInput, sampling: Sampling, view: View) -> Clip:
    """Load a clip as a view shows it.

    Raises:
        ClipError, OSError: as `load_clip`.
    """
    clip = load_clip(source, Shifted(sampling, view.phase) if view.phase else sampling)
    if view == replace(View(), wording=view.wording):
        return clip
    height, width = (max(1, round(side * view.crop)) for side in (clip.height, clip.width))
    top = round((clip.height - height) * view.place[0])
    left = round((clip.width - width) * view.place[1])
    frames = clip.frames[:, top : top + height, left : left + width]
    # Another identity: the engine packs equal clips once.
    seen = f"{clip.clip_id}:{view.phase}:{view.crop}:{view.place}"
    return replace(
        clip,
        frames=np.ascontiguousarray(frames),
        clip_id=hashlib.sha256(seen.encode()).hexdigest(),
    )


def wording_of(wordings: Sequence[str], view: View) -> str:
    """Name the criterion that a view asks, among those that are wordings of one."""
    return wordings[view.wording % len(wordings)]
