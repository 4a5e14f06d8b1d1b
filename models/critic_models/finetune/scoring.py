"""Rendered clips through the serving path: what a user of the exported critic would get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.errors import CriticError
from critic_models.judging import Judge
from critic_models.types import Clip, Score
from critic_models.video.encode import encode_mp4
from critic_models.video.load import load_clip

_CLIPS_AT_ONCE = 16
_FPS = 8.0


@dataclass(frozen=True)
class Presentation:
    """How a rendered scene reaches the critic.

    Attributes:
        name: for people.
        size: height and width of the frames.
        num_frames: of the clip; the critic samples its own number of them.
        crf: of the H.264 encoding that the clip passes through; None for frames as rendered.
    """

    name: str
    size: tuple[int, int]
    num_frames: int
    crf: int | None

    def clip(self, judge: Judge, frames: np.ndarray) -> Clip:
        """Present frames, uint8 `[T, H, W, 3]`, as a clip that the critic's sampling chose."""
        if self.crf is not None:
            return load_clip(encode_mp4(frames, _FPS, self.crf), judge.sampling)
        return load_clip(frames, judge.sampling, fps=_FPS)


RENDERED = Presentation("frames as rendered, 128×128", (128, 128), 8, None)
ENCODED = Presentation("256×256, 24 frames, H.264 at crf 18", (256, 256), 24, 18)


def score_clips(
    judge: Judge,
    clips: Sequence[Clip],
    prompts: Sequence[str | None],
    criteria: Sequence[str],
) -> Iterator[dict[str, Score]]:
    """Score clips on some criteria, in order.

    Raises:
        CriticError: where a clip could not be judged.
    """
    for first in range(0, len(clips), _CLIPS_AT_ONCE):
        run = slice(first, first + _CLIPS_AT_ONCE)
        items = [
            judge.pointwise(judge.prepare(clip), prompt, criteria)
            for clip, prompt in zip(clips[run], prompts[run], strict=True)
        ]
        for answers in judge.run(items):
            if isinstance(answers, CriticError):
                raise answers
            yield judge.scores(answers)


def raw_scores(
    judge: Judge,
    clips: Sequence[Clip],
    prompts: Sequence[str | None],
    criteria: Sequence[str],
) -> dict[str, np.ndarray]:
    """Score clips; raw scores by criterion, float64 `[N]`, NaN where there was no answer."""
    rows = list(score_clips(judge, clips, prompts, criteria))
    return {
        name: np.asarray([_or_nan(row[name].raw) for row in rows], np.float64) for name in criteria
    }


def _or_nan(raw: float | None) -> float:
    return float("nan") if raw is None else raw
