"""A small slice of the rendered world, with captions and known defects: what generators learn from.

A ball of one of a few colours moves, falls or collides in front of one of a few backdrops, in clips
of 8 frames of 32 x 32. Some clips are filmed with flicker or a shaking camera, and half of the
captions say so or say that there is none, as captions of real footage do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from critic_models.world import Premise, compose, film, make_take

NUM_FRAMES, SIDE, FPS = 8, 32, 8.0
DEFECTS = ("flicker", "jitter")
WORDS_WITH = {"flicker": "flickering light", "jitter": "a shaking camera"}
WORDS_WITHOUT = {"flicker": "even light", "jitter": "a steady camera"}
_SCENES = {"move": "wall", "fall": "room", "collide": "room"}
_BACKDROPS = 6
_LEAST_SEVERITY = 0.4
_SAID = 0.5


@dataclass(frozen=True)
class Subject:
    """What a clip is about; its prompt is what a user would ask for."""

    colour: str
    action: str
    direction: str | None = None

    @property
    def prompt(self) -> str:
        """Return the user's words."""
        if self.action == "fall":
            return f"a {self.colour} ball falls"
        if self.action == "collide":
            return f"a {self.colour} ball hits a white ball"
        return f"a {self.colour} ball moves {self.direction}"


MOVING = tuple(Subject(c, "move", d) for c in ("red", "blue") for d in ("left", "right"))
DYNAMIC = (
    *(Subject(c, "fall") for c in ("red", "blue")),
    *(Subject(c, "collide", "right") for c in ("red", "blue")),
)
"""Falling and colliding objects, the kind of scene that binary feedback helped most."""


@dataclass(frozen=True)
class Footage:
    """Clips with what is known of them.

    Attributes:
        frames: uint8 `[N, T, H, W, 3]`.
        subjects: position of each clip's subject.
        captions: what the generator reads.
        severities: float `[N, D]` by `DEFECTS`.
    """

    frames: np.ndarray
    subjects: np.ndarray
    captions: tuple[str, ...]
    severities: np.ndarray


def shoot(
    subjects: Sequence[Subject], count: int, seed: int, defect_rate: float = 0.5, side: int = SIDE
) -> Footage:
    """Film clips of subjects in turn.

    Args:
        subjects: of the clips.
        count: of clips.
        seed: of everything random; equal seeds give equal clips.
        defect_rate: share of clips that have each defect, independently.
        side: of the frames, in pixels.
    """
    rng = np.random.default_rng(seed)
    frames, captions, severities = [], [], []
    for index in range(count):
        subject = subjects[index % len(subjects)]
        severity = {
            name: float(rng.uniform(_LEAST_SEVERITY, 1.0))
            for name in DEFECTS
            if rng.random() < defect_rate
        }
        shot = compose(_premise(subject, int(rng.integers(_BACKDROPS))))
        take = make_take(shot, severity, int(rng.integers(2**31)))
        frames.append(film(take, (side, side), NUM_FRAMES).frames)
        captions.append(", ".join([subject.prompt, *_said(severity, rng)]))
        severities.append([severity.get(name, 0.0) for name in DEFECTS])
    order = np.arange(count) % len(subjects)
    return Footage(np.stack(frames), order, tuple(captions), np.asarray(severities))


def _premise(subject: Subject, backdrop: int) -> Premise:
    return Premise(
        split="train",
        seed=backdrop,
        scene=_SCENES[subject.action],
        action=subject.action,
        noun="ball",
        colour=subject.colour,
        direction=subject.direction,
        others=(("ball", "white"),) if subject.action == "collide" else (),
    )


def _said(severity: dict[str, float], rng: np.random.Generator) -> Iterator[str]:
    for name in DEFECTS:
        if rng.random() < _SAID:
            yield (WORDS_WITH if name in severity else WORDS_WITHOUT)[name]
