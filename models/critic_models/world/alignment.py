"""Pairs for the alignment of text and clip, wrong in one slot: of the caption, or of the clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from critic_models.world.captions import (
    contrasted_slots,
    sample_caption,
    sample_contrast,
    slots_in,
)
from critic_models.world.catalogue import ACTIONS, NUMBERS, Slot
from critic_models.world.compose import compose
from critic_models.world.facts import facts_of, wrong_values
from critic_models.world.sample import directions_in, is_possible, sample_shot
from critic_models.world.shot import Premise, Shot
from critic_models.world.splits import Split
from critic_models.world.takes import Take

_ACTIONS_WITH: dict[Slot, tuple[str, ...]] = {"relation": ("rest",), "direction": ("move", "push")}
_TRIES = 64


@dataclass(frozen=True)
class CaptionPair:
    """A take with a caption that is true, and one that is wrong in one slot."""

    slot: Slot
    take: Take
    true: str
    wrong: str


@dataclass(frozen=True)
class ClipPair:
    """A caption with a take that shows it, and one that differs in one slot."""

    slot: Slot
    caption: str
    better: Take
    worse: Take


def sample_caption_pair(slot: Slot, rng: np.random.Generator, split: Split) -> CaptionPair:
    """Draw a clean take and two captions of it."""
    shot = _shot_with(slot, rng, split)
    true, wrong = sample_contrast(facts_of(shot), slot, split.phrasings, rng)
    return CaptionPair(slot, Take(shot), true, wrong)


def sample_clip_pair(slot: Slot, rng: np.random.Generator, split: Split) -> ClipPair:
    """Draw a caption and two clean takes; the one for which it is wrong is otherwise alike.

    Neither take shows what is true of the other: what does not show "behind" may still show the
    "left of" that the caption says, and where three balls are, there is a ball.
    """
    for _ in range(_TRIES):
        shot = _shot_with(slot, rng, split)
        facts = facts_of(shot)
        others = _recast(shot.premise, slot, wrong_values(facts, slot, bound=True), rng)
        naming = [phrasing for phrasing in split.phrasings if slot in slots_in(phrasing, facts)]
        if not others:
            continue
        worse = compose(others[int(rng.integers(len(others)))])
        if facts.value(slot) in wrong_values(facts_of(worse), slot, bound=True):
            return ClipPair(slot, sample_caption(facts, naming, rng), Take(shot), Take(worse))
    raise ValueError(f"no shot of {split.name} in {_TRIES} can be recast in its {slot}")


def _shot_with(slot: Slot, rng: np.random.Generator, split: Split) -> Shot:
    for _ in range(_TRIES):
        shot = sample_shot(rng, split, _ACTIONS_WITH.get(slot, tuple(ACTIONS)))
        if slot in contrasted_slots(facts_of(shot), split.phrasings):
            return shot
    raise ValueError(f"no shot of {split.name} in {_TRIES} has a {slot} to be wrong in")


def _recast(
    premise: Premise, slot: Slot, values: tuple[str, ...], rng: np.random.Generator
) -> list[Premise]:
    """Write premises with another value of a slot, those that are possible."""
    changed = []
    for value in values:
        if slot == "count":
            other = replace(premise, count=NUMBERS.index(value) + 1)
        elif slot == "object":
            other = replace(premise, noun=value)
        elif slot == "action":
            ways = directions_in(ACTIONS[value].directions, premise.scene)
            direction = str(rng.choice(ways)) if ways else None
            other = replace(premise, action=value, direction=direction)
        else:
            changes: dict[str, Any] = {slot: value}
            other = replace(premise, **changes)
        if is_possible(other):
            changed.append(other)
    return changed
