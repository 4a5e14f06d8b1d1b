"""Captions of a shot: true ones, and ones that are wrong in exactly one slot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from string import Formatter

import numpy as np

from critic_models.world.catalogue import NUMBERS, SLOTS, Slot
from critic_models.world.facts import Facts, with_wrong, wrong_values
from critic_models.world.phrasings import PLACES, PLURALS, SLOTS_OF, WORDINGS


def write_caption(facts: Facts, phrasing: str, wording: int = 0) -> str:
    """Fill a phrasing.

    Args:
        facts: that have a value for all that the phrasing needs; see `fits`.
        phrasing: a template of `phrasings`.
        wording: which way of writing the action.
    """
    return phrasing.format(**{name: _FIELDS[name](facts, wording) for name in _fields(phrasing)})


@cache
def _fields(phrasing: str) -> tuple[str, ...]:
    """Name the fields of a template, each once."""
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(phrasing) if name))


def slots_in(phrasing: str, facts: Facts) -> tuple[str, ...]:
    """Name what a phrasing says of these facts: slots, and `other`."""
    return _slots(phrasing, facts.action)


@cache
def _slots(phrasing: str, action: str | None) -> tuple[str, ...]:
    named = [slot for field in _fields(phrasing) for slot in SLOTS_OF[field]]
    if "action" in named and action is not None:
        text = WORDINGS[action][0][0]
        named += ["direction"] * ("{direction}" in text) + ["other"] * ("{other}" in text)
    return tuple(dict.fromkeys(named))


def fits(phrasing: str, facts: Facts) -> bool:
    """Whether all that a phrasing says is known, and is what it says."""
    stays = "stays" in phrasing
    if stays and not facts.other_rests:
        return False
    return all(facts.knows(needed) for needed in slots_in(phrasing, facts))


def is_bound(phrasing: str, facts: Facts) -> bool:
    """Whether a phrasing says which object it speaks of."""
    named = slots_in(phrasing, facts)
    return "object" in named and ("colour" in named or not facts.others)


def sample_caption(facts: Facts, phrasings: Sequence[str], rng: np.random.Generator) -> str:
    """Write a true caption.

    Raises:
        ValueError: too little is known for any of the phrasings.
    """
    suitable = [phrasing for phrasing in phrasings if fits(phrasing, facts)]
    if not suitable:
        raise ValueError(f"no phrasing has words for {facts}")
    return write_caption(facts, str(rng.choice(suitable)), int(rng.integers(2)))


def sample_contrast(
    facts: Facts, slot: Slot, phrasings: Sequence[str], rng: np.random.Generator
) -> tuple[str, str]:
    """Write a true caption, and the same with one slot surely wrong.

    Raises:
        ValueError: no phrasing names the slot so that it could be surely wrong.
    """
    suitable = [phrasing for phrasing in phrasings if _can_be_wrong(phrasing, facts, slot)]
    if not suitable:
        raise ValueError(f"no phrasing can be wrong in the {slot} of {facts}")
    phrasing, wording = str(rng.choice(suitable)), int(rng.integers(2))
    wrong = with_wrong(facts, slot, is_bound(phrasing, facts), rng)
    return write_caption(facts, phrasing, wording), write_caption(wrong, phrasing, wording)


def contrasted_slots(facts: Facts, phrasings: Sequence[str]) -> tuple[Slot, ...]:
    """Name the slots in which a caption of these facts can be made wrong."""
    return tuple(
        slot for slot in SLOTS if any(_can_be_wrong(each, facts, slot) for each in phrasings)
    )


def _can_be_wrong(phrasing: str, facts: Facts, slot: Slot) -> bool:
    if not fits(phrasing, facts) or slot not in slots_in(phrasing, facts):
        return False
    return bool(wrong_values(facts, slot, is_bound(phrasing, facts)))


def punctuate(caption: str, rng: np.random.Generator) -> str:
    """Write a caption as a sentence now and then: a capital letter, a full stop, or both."""
    if rng.random() < 0.2:
        caption = caption[0].upper() + caption[1:]
    return caption + "." if rng.random() < 0.2 else caption


def _noun_phrase(count: str | None, colour: str | None, noun: str | None) -> str:
    if count in (None, NUMBERS[0]):
        words = f"{colour} {noun}" if colour else str(noun)
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    nouns = PLURALS[str(noun)]
    return f"{count} {colour} {nouns}" if colour else f"{count} {nouns}"


def _other(facts: Facts, coloured: bool) -> str:
    if not facts.others:
        return "nothing"
    noun, colour = facts.others[0]
    return _noun_phrase(NUMBERS[0], colour if coloured else None, noun)


def _action(facts: Facts, form: int, wording: int) -> str:
    words = WORDINGS[str(facts.action)]
    text = words[wording % len(words)][form]
    return text.format(direction=facts.direction, other=_other(facts, coloured=True))


def _several(facts: Facts) -> bool:
    return facts.count not in (None, NUMBERS[0])


_FIELDS = {
    "subject": lambda facts, _: _noun_phrase(facts.count, facts.colour, facts.object),
    "things": lambda facts, _: _noun_phrase(facts.count, None, facts.object),
    "there": lambda facts, _: "there are" if _several(facts) else "there is",
    "be": lambda facts, _: "are" if _several(facts) else "is",
    "colour": lambda facts, _: facts.colour,
    "acts": lambda facts, wording: _action(facts, 1 if _several(facts) else 0, wording),
    "acting": lambda facts, wording: _action(facts, 2, wording),
    "acts_alone": lambda facts, wording: _action(facts, 0, wording),
    "direction": lambda facts, _: facts.direction,
    "relation": lambda facts, _: facts.relation,
    "other": lambda facts, _: _other(facts, coloured=True),
    "other_things": lambda facts, _: _other(facts, coloured=False),
    "place": lambda facts, _: PLACES[str(facts.scene)],
}
