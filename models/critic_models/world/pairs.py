"""Pairs of takes that differ in one criterion, ties, and ladders of severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from critic_models.world.catalogue import DEFECTS, INDIFFERENT, defects_of
from critic_models.world.sample import sample_shot
from critic_models.world.shot import Shot
from critic_models.world.splits import Split
from critic_models.world.spoil import settings_for, suits
from critic_models.world.takes import Take, make_take

STEPS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_LEAST_GAP = 0.25
_CLEAN_SHARE = 0.6
_TRIES = 64


@dataclass(frozen=True)
class Pair:
    """Two takes that differ in one criterion only.

    Attributes:
        criterion: by which they are compared.
        defect: in which they differ, or are equal.
        better, worse: the takes; equally good where it is a tie.
        tie: whether they are.
    """

    criterion: str
    defect: str
    better: Take
    worse: Take
    tie: bool = False


def sample_pair(
    criterion: str, rng: np.random.Generator, split: Split, defect: str | None = None
) -> Pair:
    """Draw a pair of which one take is better.

    The better one is free of the defect, or has less of it.

    Args:
        criterion: a key of `CRITERIA` or `OVERALL`.
        rng: of all choices.
        split: of the world.
        defect: in which they differ; drawn from those of the criterion where it is None.

    Raises:
        ValueError: for an unknown criterion, or a defect that does not lower it.
    """
    defect = _defect_of(criterion, defect, rng)
    shot, seed = sample_suited(defect, rng, split), int(rng.integers(2**53))
    low = 0.0 if rng.random() < _CLEAN_SHARE else float(rng.uniform(0.05, 1.0 - _LEAST_GAP))
    high = float(rng.uniform(max(0.1, low + _LEAST_GAP * (low > 0)), 1.0))
    return Pair(
        criterion,
        defect,
        make_take(shot, {defect: low}, seed),
        make_take(shot, {defect: high}, seed),
    )


def sample_tie(
    criterion: str, rng: np.random.Generator, split: Split, defect: str | None = None
) -> Pair:
    """Draw a pair of equally good takes: equally severe, and different otherwise.

    Either the defect is of the same severity with other random numbers, or one of the takes has
    another defect, about which the criterion has nothing to say. Arguments and errors as of
    `sample_pair`.
    """
    defect = _defect_of(criterion, defect, rng)
    severity = 0.0 if rng.random() < 0.5 else float(rng.uniform(0.1, 1.0))
    seed, other_seed = (int(s) for s in rng.integers(2**53, size=2))
    besides = str(rng.choice(INDIFFERENT[criterion]))
    strength = float(rng.uniform(0.2, 0.7))
    again = bool(rng.random() < 0.5) and severity > 0.0
    shot = sample_suited(defect, rng, split, besides=None if again else besides)
    one = make_take(shot, {defect: severity}, seed)
    if again:
        return Pair(criterion, defect, one, replace(one, seed=other_seed), tie=True)
    other = make_take(shot, {defect: severity, besides: strength}, seed)
    return Pair(
        criterion, defect, *((one, other) if rng.random() < 0.5 else (other, one)), tie=True
    )


def sample_static_pair(rng: np.random.Generator, split: Split) -> Pair:
    """Draw a moving take and its static twin: the same, frozen at one moment."""
    shot = sample_suited("stillness", rng, split)
    seed = int(rng.integers(2**53))
    return Pair(
        "motion_presence",
        "stillness",
        Take(shot, (), seed),
        make_take(shot, {"stillness": 1.0}, seed),
    )


def sample_ladder(
    defect: str, rng: np.random.Generator, split: Split, steps: Sequence[float] = STEPS
) -> tuple[Take, ...]:
    """Draw one shot with a defect in rising severities and the same random numbers."""
    shot, seed = sample_suited(defect, rng, split), int(rng.integers(2**53))
    return tuple(make_take(shot, {defect: severity}, seed) for severity in steps)


def sample_suited(
    defect: str, rng: np.random.Generator, split: Split, besides: str | None = None
) -> Shot:
    """Draw a shot that can have a defect, and another one besides.

    Raises:
        ValueError: for a defect that does not exist.
    """
    if defect not in DEFECTS:
        raise ValueError(f"no defect {defect!r}; there are: {', '.join(DEFECTS)}")
    for _ in range(_TRIES):
        shot = sample_shot(rng, split, *settings_for(defect))
        if suits(defect, shot) and (besides is None or suits(besides, shot)):
            return shot
    raise ValueError(f"no shot of {split.name} in {_TRIES} can have {defect} and {besides}")


def _defect_of(criterion: str, defect: str | None, rng: np.random.Generator) -> str:
    possible = defects_of(criterion)
    if defect is None:
        return str(rng.choice(possible))
    if defect not in possible:
        raise ValueError(f"{defect} does not lower {criterion}; {', '.join(possible)} do")
    return defect
