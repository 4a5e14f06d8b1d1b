"""What people ask for, and how prompts for it are written: well, badly, and put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.common.footage import WORDS_WITH, WORDS_WITHOUT, Subject

MANNERS = ("{}", "show {}", "a video of {}", "i want to see {}", "please make {}", "{} please")
PLACES = {"move": "in front of a wall", "fall": "in a room", "collide": "in a room"}
PHRASES = (*WORDS_WITH.values(), *WORDS_WITHOUT.values())
_WRONG = {"red": "blue", "blue": "red"}
_PREAMBLE, _VAGUE = "the video shows", "something happens"
_WRONG_SHARE, _PREAMBLE_SHARE, _VAGUE_SHARE = 0.1, 0.25, 0.15


@dataclass(frozen=True)
class Query:
    """A user's words, and the position of what they ask for."""

    text: str
    subject: int


def queries_of(subjects: Sequence[Subject]) -> list[Query]:
    """Ask for each subject in each manner."""
    return [
        Query(manner.format(subject.prompt), index)
        for manner in MANNERS
        for index, subject in enumerate(subjects)
    ]


def write_prompt(subject: Subject, rng: np.random.Generator) -> str:
    """Write a prompt as an untaught writer does.

    Some begin with what a prompt should not begin with, some forget what was asked for, a few have
    the wrong colour, which no check of words sees; and all praise or spoil the light and the camera
    at random.
    """
    words = _VAGUE if rng.random() < _VAGUE_SHARE else subject.prompt
    if rng.random() < _WRONG_SHARE:
        words = words.replace(subject.colour, _WRONG[subject.colour])
    if rng.random() < _PREAMBLE_SHARE:
        words = f"{_PREAMBLE} {words}"
    said = rng.choice(PHRASES, size=int(rng.integers(0, 3)), replace=False)
    return ", ".join([f"{words} {PLACES[subject.action]}", *map(str, said)])


def refine(subject: Subject, prompt: str) -> str:
    """Put a prompt right: what was asked for, where it happens, and what else the prompt said.

    A rule in place of the language model that VPO asks.
    """
    kept = [phrase for phrase in PHRASES if phrase in prompt]
    return ", ".join([f"{subject.prompt} {PLACES[subject.action]}", *kept])


def vocabulary(subjects: Sequence[Subject]) -> str:
    """Return a text with every word that queries and prompts can have."""
    colours = " ".join([*_WRONG, *_WRONG.values()])
    asked = " ".join(query.text for query in queries_of(subjects))
    return " , ".join([asked, *PLACES.values(), *PHRASES, colours, _PREAMBLE, _VAGUE])
