"""Captions of the rendered world: true ones, and ones that are surely wrong in one slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.audit.labelled import LabelledGrade, LabelledPair, Paraphrases, Shown
from critic_models.audit.labelling import ALIGNMENT
from critic_models.audit.world_shots import Filmed, presentation_of
from critic_models.world import (
    SLOTS,
    Facts,
    Slot,
    Split,
    facts_of,
    sample_clip_pair,
    sample_contrast,
    write_caption,
)
from critic_models.world.captions import fits

REPHRASED = "rephrased"
OWN_CAPTION = "each its own caption"
_CAPTION = "caption"
_SHOTS = 31


@dataclass(frozen=True)
class Captioned:
    """A clip with captions.

    Attributes:
        clip: its prompt is true.
        wrong: the same caption, or one as likely, with one slot wrong.
        phrasings: other ways to say what is true of it, after the prompt itself.
    """

    clip: Filmed
    wrong: str
    phrasings: tuple[str, ...]


@dataclass(frozen=True)
class Twins:
    """Two clips that differ in one slot, so that the caption of each is wrong for the other."""

    slot: Slot
    one: Captioned
    other: Captioned

    @property
    def both(self) -> tuple[Captioned, Captioned]:
        return (self.one, self.other)


def caption_twins(split: Split, count: int) -> list[Twins]:
    """Draw `count` pairs of clips for every slot."""
    twins = []
    for place in range(count):
        for slot in SLOTS:
            rng = split.rng(_SHOTS, SLOTS.index(slot), place)
            pair = sample_clip_pair(slot, rng, split)
            group = f"{slot} {place}"
            presentation = presentation_of(place + SLOTS.index(slot))
            one, other = (
                _captioned(slot, Filmed(f"{group} {name}", group, take, presentation), split, rng)
                for name, take in (("a", pair.better), ("b", pair.worse))
            )
            twins.append(Twins(slot, one, other))
    return twins


def caption_pairs(twins: Sequence[Twins]) -> list[LabelledPair]:
    """Set every caption against a wrong one, and against the other clip; a third are ties.

    Of two clips with each its own caption neither is better.
    """
    pairs = []
    for each in twins:
        for here, there in (each.both, each.both[::-1]):
            shown, group = here.clip.shown, here.clip.group
            wrong = Shown(here.clip.key, here.wrong)
            elsewhere = Shown(there.clip.key, here.clip.prompt)
            pairs += [
                LabelledPair(shown, wrong, ALIGNMENT, "a", f"wrong {each.slot}", group),
                LabelledPair(shown, elsewhere, ALIGNMENT, "a", f"other {each.slot}", group),
            ]
        one, other, group = each.one.clip, each.other.clip, each.one.clip.group
        again = Shown(one.key, each.one.phrasings[1])
        pairs += [
            LabelledPair(one.shown, again, ALIGNMENT, "tie", REPHRASED, group),
            LabelledPair(one.shown, other.shown, ALIGNMENT, "tie", OWN_CAPTION, group),
        ]
    return pairs


def caption_grades(twins: Sequence[Twins]) -> list[LabelledGrade]:
    """Grade the true caption of every clip 1, and the wrong one 0."""
    return [
        LabelledGrade(shown, ALIGNMENT, grade, _CAPTION, None, each.clip.group)
        for pair in twins
        for each in pair.both
        for shown, grade in ((each.clip.shown, 1.0), (Shown(each.clip.key, each.wrong), 0.0))
    ]


def caption_paraphrases(twins: Sequence[Twins]) -> list[Paraphrases]:
    """List the true captions of one clip of each pair."""
    return [
        Paraphrases(each.one.clip.key, each.one.phrasings, ALIGNMENT, each.one.clip.group)
        for each in twins
    ]


def _captioned(slot: Slot, clip: Filmed, split: Split, rng: np.random.Generator) -> Captioned:
    facts = facts_of(clip.take.shot)
    true, wrong = sample_contrast(facts, slot, split.phrasings, rng)
    shown = Filmed(clip.key, clip.group, clip.take, clip.presentation, true)
    return Captioned(shown, wrong, _phrasings(facts, split, true))


def _phrasings(facts: Facts, split: Split, caption: str) -> tuple[str, ...]:
    ways = [
        write_caption(facts, phrasing, index % 2)
        for index, phrasing in enumerate(split.phrasings)
        if fits(phrasing, facts)
    ]
    sentence = f"{caption[0].upper()}{caption[1:]}."
    return tuple(dict.fromkeys([caption, *ways, sentence]))
