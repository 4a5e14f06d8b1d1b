"""A take: a shot with its defects, staged and filmed. What training and evaluation read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from critic_models.world.catalogue import (
    CRITERIA,
    DEFECTS,
    DOUBTFUL,
    FAMILIES,
    FILMED,
    MOTION_CRITERIA,
    OVERALL,
    STAGED,
    defects_of,
)
from critic_models.world.recording import Recorded, jitter_offsets, record
from critic_models.world.render import render_shot
from critic_models.world.sample import sample_shot
from critic_models.world.shot import Shot
from critic_models.world.splits import Split
from critic_models.world.spoil import clash, spoil, suits
from critic_models.world.truth import Truth, draw_owners


@dataclass(frozen=True)
class Take:
    """Everything that decides a clip, but its size and its number of frames.

    Attributes:
        shot: without any defect.
        severities: by defect, those above 0.
        seed: of everything random in the defects.
    """

    shot: Shot
    severities: tuple[tuple[str, float], ...] = ()
    seed: int = 0

    def severity(self, defect: str) -> float:
        """How severe a defect is; 0 where there is none."""
        return dict(self.severities).get(defect, 0.0)

    def damage(self, criterion: str) -> float:
        """How far a criterion is lowered, in [0, 1]: `1 - prod(1 - severity)` of its defects.

        A clip that stands still has no motion to speak for it, by whatever criterion of motion.
        """
        if criterion == "motion_presence" and not self.shot.moves:
            return 1.0
        defects = {*defects_of(criterion)}
        if criterion in MOTION_CRITERIA:
            defects.add("stillness")
        return 1.0 - math.prod(1.0 - self.severity(defect) for defect in sorted(defects))

    @property
    def clear_criteria(self) -> tuple[str, ...]:
        """The criteria for which `damage` is the right judgement; see `catalogue.DOUBTFUL`."""
        present = {name for name, _ in self.severities}
        still = self.severity("stillness")
        unclear = {name for name, doubts in DOUBTFUL.items() if present & set(doubts)}
        if not self.shot.moves:
            unclear |= {*MOTION_CRITERIA} - {"motion_presence"}
        if 0.0 < still < 1.0:
            unclear.add("motion_continuity")
        return tuple(name for name in (*CRITERIA, *OVERALL) if name not in unclear)


@dataclass(frozen=True, eq=False)
class Clip:
    """A take as filmed.

    Attributes:
        take: what was filmed.
        shot: with its staged defects.
        frames: uint8 `[T, H, W, 3]`.
        truth: of every frame in the order in which they were taken; `recorded.sources` says which
            of them is shown when.
        recorded: what recording did to every frame.
    """

    take: Take
    shot: Shot
    frames: np.ndarray
    truth: Truth
    recorded: Recorded

    def owners(self, size: tuple[int, int]) -> np.ndarray:
        """Draw coarse masks of the frames as shown; uint8 `[T, h, w]`, see `draw_owners`."""
        return draw_owners(self.shot, self.truth, size)[self.recorded.sources]


def make_take(shot: Shot, severities: Mapping[str, float], seed: int) -> Take:
    """Put defects on a shot.

    Raises:
        ValueError: for an unknown defect, one that does not suit the shot, or a severity outside
            [0, 1].
    """
    for name, severity in severities.items():
        if name not in DEFECTS:
            raise ValueError(f"no defect {name!r}; there are: {', '.join(DEFECTS)}")
        if not 0.0 <= severity <= 1.0:
            raise ValueError(f"severity of {name} must be in [0, 1]; found {severity}")
        if severity and not suits(name, shot):
            raise ValueError(f"{name} does not suit the action {shot.premise.action!r}")
    chosen = tuple((name, float(severities[name])) for name in DEFECTS if severities.get(name))
    return Take(shot, chosen, seed)


def sample_take(rng: np.random.Generator, split: Split, rate: float) -> Take:
    """Draw a take with several defects at once, as training sees them.

    Args:
        rng: of all choices.
        split: of the world.
        rate: chance of each defect of recording, and of one of each family of staged ones; each
            at a severity uniform in [0.1, 1].
    """
    shot = sample_shot(rng, split)
    drawn = [name for name in FILMED if suits(name, shot) and rng.random() < rate]
    for family in FAMILIES:
        possible = [name for name in family if suits(name, shot)]
        if possible and rng.random() < rate:
            name = str(rng.choice(possible))
            drawn += [] if clash([*drawn, name]) else [name]
    severities = {name: float(rng.uniform(0.1, 1.0)) for name in drawn}
    return make_take(shot, severities, int(rng.integers(2**53)))


def film(take: Take, size: tuple[int, int], num_frames: int) -> Clip:
    """Film a take: stage it, render it, record it; in the order of a real camera chain.

    Args:
        take: what to film; it looks alike at every size and number of frames.
        size: height and width in pixels.
        num_frames: at even steps over the clip.
    """
    shot = spoil(take.shot, {k: v for k, v in take.severities if k in STAGED}, take.seed)
    shake = jitter_offsets(take.severity("jitter"), num_frames, take.seed)
    rendered = render_shot(shot, size, num_frames, shake)
    filmed = {name: severity for name, severity in take.severities if name in FILMED}
    recorded = record(rendered.frames, filmed, take.seed, shake)
    return Clip(take, shot, recorded.frames, rendered.truth, recorded)
