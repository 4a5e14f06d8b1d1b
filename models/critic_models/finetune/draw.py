"""What training films: clips in pairs that differ in one respect, and what is known of each.

A pair shares one shot wherever it can, so that what the critic learns from its order is the
difference and not the scenery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from critic_models.world import (
    CRITERIA,
    FILMED,
    OVERALL,
    SLOTS,
    Clip,
    Facts,
    Shot,
    Split,
    Take,
    facts_of,
    make_take,
    sample_clip_pair,
    sample_shot,
    suits,
)
from critic_models.world.catalogue import BACKGROUND, MOTION, PHYSICS, SUBJECT
from critic_models.world.pairs import sample_suited
from critic_models.world.spoil import clash

_DEFECT_WEIGHTS = {"physical_plausibility": 4.0, "subject_consistency": 2.0, "frame_order": 1.5}
"""Of criteria by which a pair differs, against 1; the slow ones to be learned are drawn more."""

_CLEAN_SHARE = 0.6
_LEAST_GAP = 0.25
_DEFECT_RATE = 0.2
"""Chance of every defect of recording in a clip. Most clips have several: what a clip can teach
grows with them, and its cost does not."""

_FAMILY_RATES = (
    (SUBJECT, 0.25),
    (BACKGROUND, 0.25),
    (MOTION, 0.12),
    (PHYSICS, 0.35),
)
"""Chance of one defect of each family of staged ones, where one suits the shot."""

_HIDING = ("shuffle", "freeze", "drop")
"""Defects that may hide what a clip shows."""

_FREEZE_HIDES = 0.5


@dataclass(frozen=True)
class Drawn:
    """Two takes.

    Attributes:
        takes: the first is the better one, where either is.
        criterion: by which they differ, if it is one of quality.
        caption: true of the first and wrong of the second, if they differ in what they show.
        slot: in which, then.
    """

    takes: tuple[Take, Take]
    criterion: str | None = None
    caption: str | None = None
    slot: str | None = None


def draw_pair(rng: np.random.Generator, split: Split, shares: tuple[float, float]) -> Drawn:
    """Draw a pair: of quality, of what is shown, or of two clips that have nothing in common.

    Args:
        rng: of all choices.
        split: of the world.
        shares: of the first two kinds.
    """
    kind = rng.random()
    if kind < shares[0]:
        return _quality_pair(rng, split)
    if kind < sum(shares):
        slot = SLOTS[int(rng.integers(len(SLOTS)))]
        pair = sample_clip_pair(slot, rng, split)
        shots = (pair.better.shot, pair.worse.shot)
        drawn = {name: 0.0 for name in FILMED if rng.random() < _DEFECT_RATE}
        besides = {
            name: float(rng.uniform(0.1, 1.0))
            for name in drawn
            if name not in _HIDING and all(suits(name, shot) for shot in shots)
        }
        seed = int(rng.integers(2**53))
        better, worse = (make_take(shot, besides, seed) for shot in shots)
        return Drawn((better, worse), None, pair.caption, slot)
    one, other = (_spoiled(sample_shot(rng, split), rng) for _ in range(2))
    return Drawn((one, other))


def _spoiled(shot: Shot, rng: np.random.Generator) -> Take:
    return make_take(shot, _besides(shot, None, rng), int(rng.integers(2**53)))


def _quality_pair(rng: np.random.Generator, split: Split) -> Drawn:
    names = list(CRITERIA)
    weights = np.asarray([_DEFECT_WEIGHTS.get(name, 1.0) for name in names])
    criterion = str(rng.choice(names, p=weights / weights.sum()))
    defect = str(rng.choice(CRITERIA[criterion]))
    shot, seed = sample_suited(defect, rng, split), int(rng.integers(2**53))
    low = 0.0 if rng.random() < _CLEAN_SHARE else float(rng.uniform(0.05, 1.0 - _LEAST_GAP))
    high = float(rng.uniform(max(0.1, low + _LEAST_GAP * (low > 0)), 1.0))
    if defect == "stillness" and rng.random() < 0.5:
        low, high = 0.0, 1.0
    besides = _besides(shot, defect, rng)
    takes = tuple(make_take(shot, {**besides, defect: severity}, seed) for severity in (low, high))
    return Drawn((takes[0], takes[1]), criterion)


def _besides(shot: Shot, defect: str | None, rng: np.random.Generator) -> dict[str, float]:
    """Draw defects that go with a shot, and with the one by which a pair differs."""
    drawn = [
        name
        for name in FILMED
        if rng.random() < _DEFECT_RATE and name != defect and suits(name, shot)
    ]
    given = [] if defect is None else [defect]
    for family, rate in _FAMILY_RATES:
        possible = [name for name in family if suits(name, shot)]
        if possible and defect not in family and rng.random() < rate:
            name = str(rng.choice(possible))
            drawn += [] if clash([*given, *drawn, name]) else [name]
    return {name: float(rng.uniform(0.1, 1.0)) for name in drawn}


def overall_of(criterion: str) -> str | None:
    """Name the criterion that sums up another, if there is one."""
    return next(
        (o for o, defects in OVERALL.items() if set(CRITERIA[criterion]) & {*defects}), None
    )


def known_facts(clip: Clip) -> Facts:
    """Collect what is true of a clip in spite of all its defects, those of delivery included."""
    facts = facts_of(clip.shot)
    take = clip.take
    if take.severity("shuffle") or take.severity("freeze") > _FREEZE_HIDES:
        facts = replace(facts, direction=None, action=None)
    return facts
