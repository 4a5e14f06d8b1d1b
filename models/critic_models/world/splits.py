"""Which looks, shapes, colours, patterns and phrasings are trained on, and which held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from critic_models.world.catalogue import Rgb
from critic_models.world.phrasings import HELD_OUT_PHRASINGS, SEEN_PHRASINGS

SplitName = Literal["train", "val", "test"]

_SEEN_VARIANTS = (0, 1, 2)
_HELD_OUT_VARIANTS = (3, 4)

COLOUR_JITTER = 6
"""Half-width of the box around a colour's centre from which values are drawn, of 255."""

_SEEN_COLOURS: dict[str, tuple[Rgb, ...]] = {
    "red": ((215, 35, 38), (182, 24, 32), (232, 62, 52)),
    "orange": ((240, 130, 25), (222, 108, 14), (248, 152, 52)),
    "yellow": ((236, 214, 45), (212, 192, 28), (248, 228, 92)),
    "green": ((42, 172, 62), (28, 132, 45), (88, 196, 82)),
    "blue": ((48, 78, 215), (32, 52, 172), (72, 118, 236)),
    "purple": ((142, 48, 182), (112, 34, 152), (166, 82, 206)),
    "pink": ((244, 132, 178), (234, 108, 160), (250, 162, 198)),
    "brown": ((118, 72, 38), (96, 56, 28), (138, 90, 56)),
    "white": ((238, 238, 236), (222, 222, 222), (246, 240, 226)),
    "black": ((34, 34, 36), (22, 22, 26), (48, 46, 46)),
}
_HELD_OUT_COLOURS: dict[str, tuple[Rgb, ...]] = {
    "red": ((200, 52, 60), (240, 36, 72)),
    "orange": ((228, 142, 48), (252, 122, 52)),
    "yellow": ((224, 202, 70), (250, 208, 34)),
    "green": ((60, 152, 86), (30, 200, 88)),
    "blue": ((58, 94, 190), (30, 96, 248)),
    "purple": ((128, 66, 172), (164, 46, 168)),
    "pink": ((232, 146, 160), (252, 120, 204)),
    "brown": ((108, 82, 58), (142, 74, 34)),
    "white": ((224, 236, 250), (254, 254, 254)),
    "black": ((30, 34, 52), (56, 50, 60)),
}
_SEEN_PATTERNS = ("plain", "stripes", "dots", "checks", "speckle")
_HELD_OUT_PATTERNS = ("zigzag", "bands")


_SEEN_LOOKS: dict[str, tuple[str, ...]] = {
    "room": ("room_planks", "room_carpet"),
    "table": ("table_wood", "table_chequered"),
    "field": ("field_hills", "field_clouds"),
    "desert": ("desert_dunes",),
    "wall": ("wall_bricks", "wall_plaster"),
    "forest": ("forest_leaves",),
    "lights": ("lights_discs",),
    "sea": ("sea_day",),
    "sky": ("sky_clouds", "sky_haze"),
}
_HELD_OUT_LOOKS: dict[str, tuple[str, ...]] = {
    "room": ("room_tiles",),
    "table": ("table_marble",),
    "field": ("field_crops",),
    "desert": ("desert_stones",),
    "wall": ("wall_stones",),
    "forest": ("forest_grass",),
    "lights": ("lights_rings",),
    "sea": ("sea_evening",),
    "sky": ("sky_streaks",),
}


@dataclass(frozen=True)
class Split:
    """A part of the world.

    Attributes:
        name: of the split.
        seed: first word of every seed; no two splits share one.
        looks: of each scene.
        variants: in which nouns are drawn.
        colours: centres of the RGB values inside each colour name.
        patterns: on the surface of objects.
        phrasings: templates of captions.
    """

    name: SplitName
    seed: int
    looks: dict[str, tuple[str, ...]]
    variants: tuple[int, ...]
    colours: dict[str, tuple[Rgb, ...]]
    patterns: tuple[str, ...]
    phrasings: tuple[str, ...]

    def rng(self, *words: int) -> np.random.Generator:
        """Make the generator of one item; equal words give equal numbers in any process."""
        return np.random.default_rng([self.seed, *words])


def _seen(name: SplitName, seed: int) -> Split:
    return Split(
        name, seed, _SEEN_LOOKS, _SEEN_VARIANTS, _SEEN_COLOURS, _SEEN_PATTERNS, SEEN_PHRASINGS
    )


SPLITS: dict[SplitName, Split] = {
    "train": _seen("train", 109),
    "val": _seen("val", 227),
    "test": Split(
        "test",
        349,
        _HELD_OUT_LOOKS,
        _HELD_OUT_VARIANTS,
        _HELD_OUT_COLOURS,
        _HELD_OUT_PATTERNS,
        HELD_OUT_PHRASINGS,
    ),
}
