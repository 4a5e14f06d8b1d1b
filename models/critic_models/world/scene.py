"""A scene: everything there is to know about one clip, before any pixel is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from critic_models.world.splits import COLOUR_JITTER, COLOURS, DIRECTIONS, SHAPES, Split

UNITS = 128.0
"""Lengths are in units of 1/128 of the frame's shorter side."""

_STEP = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}


@dataclass(frozen=True)
class Scene:
    """One object that moves in a straight line over a textured background.

    Attributes:
        texture: family of the background.
        texture_seed: of its random numbers.
        pan: how far the camera moves over the clip, `(x, y)` in units.
        colour, shape, direction: the slots of a caption.
        rgb: the value that stands for the colour name.
        radius: of the object, in units.
        centre: of the object at half time, `(x, y)` in units from the middle of the frame.
        travel: how far it moves over the clip, in units.
    """

    texture: str
    texture_seed: int
    pan: tuple[float, float]
    colour: str
    shape: str
    direction: str
    rgb: tuple[int, int, int]
    radius: float
    centre: tuple[float, float]
    travel: float

    @property
    def slots(self) -> dict[str, str]:
        return {"colour": self.colour, "shape": self.shape, "direction": self.direction}

    def object_path(self, num_frames: int) -> np.ndarray:
        """Centres of the object, float64 `[num_frames, 2]`, `(x, y)` in units from the middle."""
        step = np.asarray(_STEP[self.direction]) * self.travel
        return np.asarray(self.centre) + np.linspace(-0.5, 0.5, num_frames)[:, None] * step

    def camera_path(self, num_frames: int) -> np.ndarray:
        """Where the camera looks, float64 `[num_frames, 2]`, `(x, y)` in units."""
        return np.linspace(-0.5, 0.5, num_frames)[:, None] * np.asarray(self.pan)


def sample_scene(rng: np.random.Generator, split: Split) -> Scene:
    """Draw a scene of a split; a pure function of the generator's state.

    Half of the scenes have a camera that pans; what moves in the caption is the object on screen.
    """
    colour = str(rng.choice(COLOURS))
    centres = split.colours[colour]
    value = np.asarray(centres[int(rng.integers(len(centres)))])
    value = value + rng.integers(-COLOUR_JITTER, COLOUR_JITTER + 1, 3)
    red, green, blue = (int(v) for v in np.clip(value, 0, 255))
    pan = rng.uniform(-20.0, 20.0, 2) * int(rng.integers(2))
    return Scene(
        texture=str(rng.choice(split.textures)),
        texture_seed=int(rng.integers(2**31)),
        pan=(float(pan[0]), float(pan[1])),
        colour=colour,
        shape=str(rng.choice(SHAPES)),
        direction=str(rng.choice(DIRECTIONS)),
        rgb=(red, green, blue),
        radius=float(rng.uniform(13.0, 24.0)),
        centre=(float(rng.uniform(-18.0, 18.0)), float(rng.uniform(-18.0, 18.0))),
        travel=float(rng.uniform(28.0, 60.0)),
    )
