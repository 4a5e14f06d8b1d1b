"""Which seeds, textures, colour values and phrasings belong to training, and which are held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

SplitName = Literal["train", "val", "test"]
Rgb = tuple[int, int, int]

COLOURS = ("red", "green", "blue", "yellow", "white", "purple")
SHAPES = ("circle", "square", "triangle")
DIRECTIONS = ("left", "right", "up", "down")

COLOUR_JITTER = 7
"""Half-width of the box around a colour centre from which values are drawn, of 255."""

_SEEN_COLOURS: dict[str, tuple[Rgb, ...]] = {
    "red": ((220, 40, 40), (190, 25, 35), (235, 70, 60)),
    "green": ((40, 190, 60), (30, 150, 45), (80, 205, 90)),
    "blue": ((50, 70, 220), (35, 50, 180), (70, 105, 235)),
    "yellow": ((230, 210, 40), (205, 185, 30), (240, 225, 85)),
    "white": ((240, 240, 240), (225, 225, 220), (245, 240, 225)),
    "purple": ((150, 50, 190), (120, 35, 160), (175, 80, 210)),
}
_HELD_OUT_COLOURS: dict[str, tuple[Rgb, ...]] = {
    "red": ((205, 55, 60), (240, 45, 75)),
    "green": ((55, 170, 80), (25, 210, 75)),
    "blue": ((55, 85, 200), (40, 90, 240)),
    "yellow": ((218, 198, 60), (245, 205, 60)),
    "white": ((224, 236, 252), (255, 255, 255)),
    "purple": ((135, 60, 175), (165, 45, 165)),
}
_SEEN_TEXTURES = ("fractal", "panels", "ramp", "waves")
_HELD_OUT_TEXTURES = ("cells", "strokes")

_SEEN_PHRASINGS = (
    "a {colour} {shape} moves {direction}",
    "a {colour} {shape} moving {direction}",
    "a {colour} {shape} is moving to the {direction}",
    "the {shape} is {colour} and moves {direction}",
    "{colour} {shape} going {direction}",
    "there is a {colour} {shape} going {direction}",
    "a {shape} that is {colour} goes {direction}",
    "a video of a {colour} {shape} that moves {direction}",
)
_HELD_OUT_PHRASINGS = (
    "the {colour} {shape} is going {direction}",
    "there is a {shape} that is {colour} and moving {direction}",
    "a video of a {colour} {shape} moving to the {direction}",
    "the {colour} {shape} goes {direction}",
)


@dataclass(frozen=True)
class Split:
    """A part of the world.

    Attributes:
        name: of the split.
        seed: first word of every seed; no two splits share one.
        textures: families of background.
        colours: centres of the RGB values inside each colour name.
        phrasings: caption templates that name all three slots.
    """

    name: SplitName
    seed: int
    textures: tuple[str, ...]
    colours: dict[str, tuple[Rgb, ...]]
    phrasings: tuple[str, ...]

    def rng(self, *words: int) -> np.random.Generator:
        """Make the generator of one item; equal words give equal numbers in any process."""
        return np.random.default_rng([self.seed, *words])


SPLITS: dict[SplitName, Split] = {
    "train": Split("train", 11, _SEEN_TEXTURES, _SEEN_COLOURS, _SEEN_PHRASINGS),
    "val": Split("val", 23, _SEEN_TEXTURES, _SEEN_COLOURS, _SEEN_PHRASINGS),
    "test": Split("test", 37, _HELD_OUT_TEXTURES, _HELD_OUT_COLOURS, _HELD_OUT_PHRASINGS),
}
