"""What shots are about: premises drawn at random, each of them possible."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from critic_models.world.catalogue import (
    ACTIONS,
    COLOURS,
    FLOOR_SCENES,
    NOUNS,
    RELATIONS,
    SCENES,
    alike,
)
from critic_models.world.compose import compose
from critic_models.world.shot import Premise, Shot
from critic_models.world.splits import Split

BASES = ("box", "cylinder")
"""What other things can stand on."""

_TOPS = tuple(n for n in NOUNS if not all(alike("object", n, base) for base in BASES))

_MOST_OBJECTS = 4
_RELATION_SHARE = 0.6
_GROUP_SHARES = {1: (1.0,), 3: (0.62, 0.24, 0.14), 4: (0.5, 0.22, 0.16, 0.12)}
_COMPANY_SHARES = (0.4, 0.35, 0.25)
_WEIGHTS = {"rest": 2.4, "move": 2.4, "fall": 1.5}


def sample_shot(
    rng: np.random.Generator,
    split: Split,
    actions: Sequence[str] = tuple(ACTIONS),
    scenes: Sequence[str] = SCENES,
) -> Shot:
    """Draw a shot without any fault.

    Args:
        rng: of all choices; equal states give equal shots in any process.
        split: whose looks, variants, colours and patterns are used.
        actions: to choose from.
        scenes: to choose from; an action that none of them allows is not chosen.

    Raises:
        ValueError: no action can happen in any scene.
    """
    return compose(sample_premise(rng, split, actions, scenes))


def sample_premise(
    rng: np.random.Generator,
    split: Split,
    actions: Sequence[str] = tuple(ACTIONS),
    scenes: Sequence[str] = SCENES,
) -> Premise:
    """Draw what a shot is about; arguments and errors as of `sample_shot`."""
    possible = [name for name in actions if set(ACTIONS[name].scenes) & set(scenes)]
    if not possible:
        raise ValueError(f"none of {tuple(actions)} can happen in any of {tuple(scenes)}")
    weights = np.asarray([_WEIGHTS.get(name, 1.0) for name in possible])
    name = str(rng.choice(possible, p=weights / weights.sum()))
    action = ACTIONS[name]
    scene = str(rng.choice([s for s in action.scenes if s in scenes]))
    shares = _GROUP_SHARES[action.most]
    count = 1 + int(rng.choice(len(shares), p=shares))
    relation = _relation(rng, scene) if name == "rest" and count == 1 else None
    nouns = {"under": BASES, "on": _TOPS}.get(relation or "", action.nouns)
    noun = str(rng.choice(nouns))
    colour = str(rng.choice(COLOURS))
    most = min(_MOST_OBJECTS - count, len(_COMPANY_SHARES) - 1)
    wanted = int(rng.choice(len(_COMPANY_SHARES), p=_COMPANY_SHARES))
    least = int(action.company or relation is not None)
    others: list[tuple[str, str]] = []
    for index in range(max(min(wanted, most), least)):
        partner = index == 0 and least
        allowed = BASES if relation == "on" else action.nouns if action.company else NOUNS
        other = _other(rng, [(noun, colour), *others], allowed if partner else NOUNS)
        others.append(other)
    return Premise(
        split=split.name,
        seed=int(rng.integers(2**53)),
        scene=scene,
        action=name,
        noun=noun,
        colour=colour,
        count=count,
        direction=_direction(rng, action.directions, scene),
        relation=relation,
        others=tuple(others),
    )


def _relation(rng: np.random.Generator, scene: str) -> str | None:
    if rng.random() > _RELATION_SHARE:
        return None
    return str(rng.choice(relations_in(scene)))


def relations_in(scene: str) -> tuple[str, ...]:
    """Name the relations that objects at rest can have in a scene."""
    grounded = ("on", "under", "behind", "in front of")
    barred = ("above", "below") if scene in FLOOR_SCENES else grounded
    return tuple(relation for relation in RELATIONS if relation not in barred)


def directions_in(directions: Sequence[str], scene: str) -> tuple[str, ...]:
    """Name the directions of an action that a scene allows: on the ground nothing flies."""
    barred = ("up", "down") if scene in FLOOR_SCENES else ()
    return tuple(direction for direction in directions if direction not in barred)


def is_possible(premise: Premise) -> bool:
    """Whether a shot can be made of a premise, and its objects told from each other."""
    action, others = ACTIONS[premise.action], premise.others
    objects = [(premise.noun, premise.colour), *others]
    distinct = not any(
        alike("object", one[0], two[0]) or alike("colour", one[1], two[1])
        for one, two in itertools.combinations(objects, 2)
    )
    ways = directions_in(action.directions, premise.scene)
    directed = premise.direction in ways if ways else premise.direction is None
    met = not action.company or bool(others and others[0][0] in action.nouns)
    return (
        premise.scene in action.scenes
        and premise.noun in action.nouns
        and premise.count <= action.most
        and premise.count + len(others) <= _MOST_OBJECTS
        and distinct
        and directed
        and met
        and (premise.relation is None or _relation_fits(premise))
    )


def _relation_fits(premise: Premise) -> bool:
    alone = premise.action == "rest" and premise.count == 1 and bool(premise.others)
    if not alone or premise.relation not in relations_in(premise.scene):
        return False
    base = {"on": premise.others[0][0], "under": premise.noun}.get(premise.relation or "")
    return base is None or base in BASES


def _direction(rng: np.random.Generator, directions: Sequence[str], scene: str) -> str | None:
    allowed = directions_in(directions, scene)
    return str(rng.choice(allowed)) if allowed else None


def _other(
    rng: np.random.Generator, taken: Sequence[tuple[str, str]], nouns: Sequence[str]
) -> tuple[str, str]:
    """Draw an object that can be taken for none of those that are there."""
    free = [n for n in nouns if not any(alike("object", n, other) for other, _ in taken)]
    colours = [c for c in COLOURS if not any(alike("colour", c, other) for _, other in taken)]
    return str(rng.choice(free)), str(rng.choice(colours))
