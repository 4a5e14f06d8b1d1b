"""Made-up detections and captions, for the dimensions that read a detector or a captioner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from critic_models.dimensions.detected import NUM_FRAMES, Detection

NAMES = ("car", "cat", "bench", "bird")
COLORS = ("red", "blue", "green", "grey")
# `covered` holds `red`, and `greenery` holds `green`.
WORDS = ("a covered", "a red", "the blue", "some greenery by a", "a grey", "a shiny")
PLACES = ("street", "beach", "streets full", "sandy beaches", "an indoor pool")
RELATIONS = (
    *("on the right of", "on the left of"),
    *("on the bottom of", "on the top of"),
)


@dataclass(frozen=True)
class DetectedCase:
    """One clip's worth of what was seen.

    Attributes:
        seed: decides all of it.
    """

    seed: int

    def detections(self) -> list[list[Detection]]:
        """Return what is in each frame; some frames hold nothing."""
        chance = np.random.default_rng(self.seed)
        return [
            [self._detection(chance) for _ in range(int(chance.integers(0, 5)))]
            for _ in range(NUM_FRAMES)
        ]

    def captions(self) -> list[str]:
        """Return a caption for each frame."""
        chance = np.random.default_rng(1000 + self.seed)
        return [f"people on {PLACES[i]}" for i in chance.integers(0, len(PLACES), NUM_FRAMES)]

    def info(self, name: str) -> dict[str, Any]:
        """Return what VBench's file says of the clip's prompt, for one dimension."""
        thing, other = NAMES[self.seed % 4], NAMES[(self.seed + 1) % 4]
        color = COLORS[self.seed % 4]
        relation = {
            "object_a": thing,
            "object_b": other,
            "relationship": RELATIONS[self.seed // 4 % 4],
        }
        auxiliary = {
            "object_class": {"object": thing},
            "multiple_objects": {"object": f"{thing} and {other}"},
            "color": {"color": color},
            "spatial_relationship": {"spatial_relationship": relation},
            "scene": {"scene": {"scene": ("street", "indoor pool", "beach")[self.seed % 3]}},
        }
        return {"prompt": f"a {color} {thing}", "auxiliary_info": auxiliary[name]}

    @staticmethod
    def _detection(chance: np.random.Generator) -> Detection:
        name = NAMES[chance.integers(0, len(NAMES))]
        # A coarse grid: boxes that touch, are equal, or are as far apart both ways, are common.
        left, top, width, height = (10.0 * each for each in chance.integers(1, 6, 4))
        said = f"{WORDS[chance.integers(0, len(WORDS))]} {name}"
        return Detection(name, (left, top, left + width, top + height), said)
