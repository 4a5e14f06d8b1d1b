"""What captions can say of a shot, and what would surely be wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from critic_models.world.catalogue import (
    ACTIONS,
    COLOURS,
    DIRECTIONS,
    MOTION,
    NOUNS,
    NUMBERS,
    PHYSICS,
    RELATIONS,
    SCENES,
    Slot,
    alike,
)
from critic_models.world.shot import Shot

_SEEN_IN: dict[str, tuple[str, ...]] = {
    "above": ("on",),
    "on": ("above",),
    "below": ("under",),
    "under": ("below",),
    "behind": ("left of", "right of", "above"),
    "in front of": ("left of", "right of", "below"),
}
"""Relations that may be seen in another: what is nearer on the ground is lower in the frame."""

_TWO_WAYS = ("collide", "roll_off")
"""Actions in which something goes more ways than one, so that no direction is surely wrong."""

_OF_SOMETHING: dict[str, tuple[str, ...]] = {
    "push": ("enter", "leave", "move"),
    "take": ("enter", "leave", "move"),
    "squeeze": ("enter", "leave", "move"),
    "collide": ("enter", "leave"),
}
"""Actions that are true of something in the shot, if not of the subject: a hand comes in."""


@dataclass(frozen=True)
class Facts:
    """Values of slots; None where a shot has no value, or a defect has made it doubtful.

    Attributes:
        object, colour, count, direction, relation, action, scene: see `catalogue.Slot`.
        others: noun and colour of the other objects; the first is the one that the relation or
            the action is about.
        other_rests: whether the first of the others stays where it is.
    """

    object: str | None
    colour: str | None
    count: str | None
    direction: str | None
    relation: str | None
    action: str | None
    scene: str | None
    others: tuple[tuple[str, str], ...]
    other_rests: bool

    def value(self, slot: Slot) -> str | None:
        """Look up a slot."""
        value: str | None = getattr(self, slot)
        return value

    def knows(self, needed: str) -> bool:
        """Whether a slot has a value, or there is an `other` object."""
        return bool(self.others) if needed == "other" else getattr(self, needed) is not None


def facts_of(shot: Shot) -> Facts:
    """Collect what is true of a shot in spite of its defects."""
    premise = shot.premise
    staged = {name for name, _ in shot.severities}
    moved = staged & {*PHYSICS, *MOTION}
    reshaped = staged & {"subject_shape", "changed"}
    figures = [body.figure for body in shot.bodies if body.role == "bystander"]
    certain = not moved and premise.action not in _TWO_WAYS
    return Facts(
        object=None if reshaped else premise.noun,
        colour=None if staged & {"subject_colour", "changed"} else premise.colour,
        count=None if reshaped or staged & {"vanish", "appear"} else NUMBERS[premise.count - 1],
        direction=premise.direction if certain else None,
        relation=None if moved else premise.relation,
        action=None if moved else premise.action,
        scene=None if staged & {"background_drift", "background_switch"} else premise.scene,
        others=tuple((figure.noun, figure.colour) for figure in figures),
        other_rests=not ACTIONS[premise.action].company,
    )


def wrong_values(facts: Facts, slot: Slot, bound: bool) -> tuple[str, ...]:
    """Name the values of a slot that are surely wrong; none where its true value is unknown.

    Args:
        facts: of a shot.
        slot: which.
        bound: whether the caption says which object it speaks of. If not, what is true of any
            other object, or of a hand, is not wrong.
    """
    own = facts.value(slot)
    if own is None:
        return ()
    values = [value for value in _VALUES[slot] if not alike(slot, value, own)]
    if slot in ("object", "colour") and not bound:
        there = [other[slot == "colour"] for other in facts.others]
        values = [v for v in values if not any(alike(slot, v, each) for each in there)]
    if slot == "count":
        # Of three balls one may say that there is a ball.
        values = [value for value in values if value != NUMBERS[0]]
    if slot == "relation":
        values = [value for value in values if value not in _SEEN_IN.get(own, ())]
    if slot == "direction":
        values = [value for value in values if not _near(own, value)]
    if slot == "action":
        values = [value for value in values if _excluded(facts, own, value, bound)]
    return tuple(values)


def with_wrong(facts: Facts, slot: Slot, bound: bool, rng: np.random.Generator) -> Facts:
    """Copy facts with one slot made wrong; see `wrong_values`.

    Raises:
        ValueError: nothing is surely wrong there.
    """
    values = wrong_values(facts, slot, bound)
    if not values:
        raise ValueError(f"no value of {slot} is surely wrong for {facts}")
    wrong: dict[str, Any] = {slot: str(rng.choice(values))}
    return replace(facts, **wrong)


def _near(one: str, other: str) -> bool:
    """On the ground, what comes closer also goes down the frame."""
    return {one, other} in ({"closer", "down"}, {"away", "up"})


def _excluded(facts: Facts, own: str, other: str, bound: bool) -> bool:
    """Whether an action cannot be meant as well, and can be written with what is known."""
    if other in ACTIONS[own].also or own in ACTIONS[other].also:
        return False
    if not bound and other in ("rest", *_OF_SOMETHING.get(own, ())):
        return False
    needs_direction = other in ("move", "push") and facts.direction is None
    return not needs_direction and not (ACTIONS[other].company and not facts.others)


_VALUES: dict[Slot, tuple[str, ...]] = {
    "object": NOUNS,
    "colour": COLOURS,
    "count": NUMBERS,
    "direction": DIRECTIONS,
    "relation": RELATIONS,
    "action": tuple(ACTIONS),
    "scene": SCENES,
}
