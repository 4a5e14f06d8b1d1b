"""The canvas that a backdrop is drawn on, and noise that is fixed to the world.

A backdrop is a function of world coordinates, so that it looks alike whatever part of it is
drawn and however finely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

_LATTICE = 128
_CUBIC_ABOVE_PX = 7.0
_TURN = 1.9
"""Radians between octaves, so that their lattices do not show."""

_VARIANCE = 0.42
"""Of interpolated unit noise, on average."""

Colour = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Ground:
    """A part of the world, in pixels.

    Attributes:
        left, top: world coordinates of the corner, in units.
        pixel: side of a pixel, in units.
        width, height: in pixels.
        horizon: where ground begins, in units.
        seed: of everything random in the backdrop.
    """

    left: float
    top: float
    pixel: float
    width: int
    height: int
    horizon: float
    seed: int

    @cached_property
    def x(self) -> np.ndarray:
        """World coordinates of columns, float32 `[1, w]`."""
        steps = np.arange(self.width, dtype=np.float32)
        return (self.left + (steps + 0.5) * self.pixel)[None].astype(np.float32)

    @cached_property
    def y(self) -> np.ndarray:
        """World coordinates of rows, float32 `[h, 1]`."""
        steps = np.arange(self.height, dtype=np.float32)
        return (self.top + (steps + 0.5) * self.pixel)[:, None].astype(np.float32)

    @cached_property
    def _lattice(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 1])
        return rng.standard_normal((_LATTICE, _LATTICE), dtype=np.float32)

    def rng(self, stream: int = 0) -> np.random.Generator:
        """Make the generator of one group of choices, equal for every part of the world."""
        return np.random.default_rng([self.seed, 2, stream])

    def split(self) -> tuple[Ground, Ground]:
        """Cut at the horizon into what is above and what is below; either may have no rows."""
        above = round((self.horizon - self.top) / self.pixel)
        above = min(max(above, 0), self.height)
        upper = self._part(self.top, above)
        return upper, self._part(self.top + above * self.pixel, self.height - above)

    def _part(self, top: float, height: int) -> Ground:
        part = Ground(self.left, top, self.pixel, self.width, height, self.horizon, self.seed)
        # One lattice serves both: drawing it costs more than any octave.
        part.__dict__["_lattice"] = self._lattice
        return part

    def noise(
        self,
        cell: float,
        octaves: int = 5,
        gain: float = 0.55,
        stretch: tuple[float, float] = (1.0, 1.0),
        stream: int = 0,
    ) -> np.ndarray:
        """Sum octaves of value noise; about zero mean and unit deviation.

        Octaves finer than a pixel are left out: they would only alias.

        Args:
            cell: size of the coarsest cells, in units.
            octaves: each half as large as the one before.
            gain: amplitude of each octave by that of the one before.
            stretch: factors of the cells' width and height; turned only where both are 1.
            stream: which noise; equal streams give equal noise.

        Returns:
            float32 `[h, w]`.
        """
        total = np.zeros((self.height, self.width), np.float32)
        if not total.size:
            return total
        offsets = np.random.default_rng([self.seed, 3, stream]).uniform(0, _LATTICE, (octaves, 2))
        power, amplitude = 0.0, 1.0
        for octave, offset in enumerate(offsets):
            size = cell / 2**octave
            power += amplitude * amplitude * _VARIANCE
            if size * min(stretch) >= 0.7 * self.pixel:
                turn = _TURN * octave if stretch == (1.0, 1.0) else 0.0
                layer = self._octave(size, turn, stretch, offset)
                cv2.scaleAdd(layer, amplitude, total, dst=total)
            amplitude *= gain
        return total * np.float32(1.0 / math.sqrt(power))

    def _octave(
        self, size: float, turn: float, stretch: tuple[float, float], offset: np.ndarray
    ) -> np.ndarray:
        along, across = self.pixel / (size * stretch[0]), self.pixel / (size * stretch[1])
        cos, sin = math.cos(turn), math.sin(turn)
        x, y = self.left / self.pixel + 0.5, self.top / self.pixel + 0.5
        matrix = np.asarray(
            [
                [cos * along, -sin * across, cos * along * x - sin * across * y + offset[0]],
                [sin * along, cos * across, sin * along * x + cos * across * y + offset[1]],
            ]
        )
        smooth = 1.0 / max(along, across) > _CUBIC_ABOVE_PX
        flags = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
        return cv2.warpAffine(
            self._lattice,
            matrix,
            (self.width, self.height),
            flags=flags | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_WRAP,
        )

    def noise_at(self, u: np.ndarray, v: np.ndarray, octaves: int, stream: int) -> np.ndarray:
        """Sum octaves of noise at float32 coordinates `[h, w]` in cells, as `noise`."""
        total = np.zeros(u.shape, np.float32)
        if not total.size:
            return total
        offsets = np.random.default_rng([self.seed, 4, stream]).uniform(0, _LATTICE, (octaves, 2))
        power = 0.0
        for octave, (right, down) in enumerate(offsets):
            layer = cv2.remap(
                self._lattice,
                u * np.float32(2**octave) + np.float32(right),
                v * np.float32(2**octave) + np.float32(down),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_WRAP,
            )
            cv2.scaleAdd(layer, 0.6**octave, total, dst=total)
            power += 0.36**octave * _VARIANCE
        return total * np.float32(1.0 / math.sqrt(power))

    def depth(self) -> np.ndarray:
        """How far away the ground of each row is: 1 at the foot of the frame; float32 `[h, 1]`."""
        return (64.0 - self.horizon + 6.0) / np.maximum(self.y - self.horizon + 6.0, 3.0)


def paint(values: np.ndarray, *stops: Colour) -> np.ndarray:
    """Map values to colours.

    Args:
        values: float32 `[h, w]`; -1.5 is the first stop and 1.5 the last.
        stops: RGB of 255, evenly spread.

    Returns:
        uint8 `[h, w, 3]`.
    """
    if not values.size:
        return np.empty((*values.shape, 3), np.uint8)
    # convertScaleAbs folds what is negative back; adding keeps it at zero.
    index = cv2.add(values * np.float32(85.0), 127.5, dtype=cv2.CV_8U)
    at = np.linspace(0, 255, len(stops))
    table = np.stack(
        [np.interp(np.arange(256), at, [stop[c] for stop in stops]) for c in range(3)], -1
    )
    return cv2.LUT(cv2.merge([index] * 3), np.round(table).astype(np.uint8)[None])


def shade(image: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Multiply uint8 `[h, w, 3]` by float `[h, w]`."""
    if not image.size:
        return image
    scaled = cv2.convertScaleAbs(factor, alpha=128.0)
    return cv2.multiply(image, cv2.merge([scaled] * 3), scale=1 / 128)


def over(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Lay one picture over another where `share`, float `[h, w]`, is 1."""
    if not below.size:
        return below
    weight = cv2.merge([cv2.convertScaleAbs(share, alpha=255.0)] * 3)
    kept = cv2.multiply(below, cv2.bitwise_not(weight), scale=1 / 255)
    return cv2.add(kept, cv2.multiply(above, weight, scale=1 / 255))


def vary(rng: np.random.Generator, colour: Colour, by: float = 14.0) -> Colour:
    """Draw a colour near another."""
    light = rng.uniform(-by, by)
    shifted = [c + light + rng.uniform(-by, by) / 2 for c in colour]
    red, green, blue = (float(c) for c in np.clip(shifted, 6, 246))
    return red, green, blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue
