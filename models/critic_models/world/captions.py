"""Captions of a scene: true ones, and ones that are wrong in exactly one slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from critic_models.world.splits import COLOURS, DIRECTIONS, SHAPES

Slot = Literal["colour", "shape", "direction"]
SLOTS: tuple[Slot, ...] = get_args(Slot)
VALUES: dict[Slot, tuple[str, ...]] = {
    "colour": COLOURS,
    "shape": SHAPES,
    "direction": DIRECTIONS,
}

PARTIAL_PHRASINGS: dict[Slot, tuple[str, ...]] = {
    "colour": ("something {colour}", "the {shape} is {colour}", "a {colour} {shape}"),
    "shape": ("a {shape}", "there is a {shape}", "a {colour} {shape}"),
    "direction": (
        "something moves {direction}",
        "something moving {direction}",
        "the {shape} is going {direction}",
        "a {shape} moves {direction}",
    ),
}
"""Captions that say less; each names at least its slot. For training only."""


def write_caption(slots: Mapping[str, str], phrasing: str) -> str:
    """Fill a phrasing such as `a {colour} {shape} moves {direction}`."""
    return phrasing.format(**slots)


def with_wrong(slots: Mapping[str, str], slot: Slot, rng: np.random.Generator) -> dict[str, str]:
    """Copy the slots with one replaced by another value of its kind."""
    others = [value for value in VALUES[slot] if value != slots[slot]]
    return {**slots, slot: str(rng.choice(others))}


def punctuate(caption: str, rng: np.random.Generator) -> str:
    """Write a caption as a sentence now and then: a capital letter, a full stop, or both."""
    if rng.random() < 0.2:
        caption = caption[0].upper() + caption[1:]
    return caption + "." if rng.random() < 0.2 else caption
