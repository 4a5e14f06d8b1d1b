"""Turn stored frames upright, as a container's display matrix asks."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from critic_models.errors import ClipUnreadable

_TOLERANCE = 0.02


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay out a picture: transpose first, then flip.

    Attributes:
        transpose: swap rows and columns.
        flip_rows: then turn it upside down.
        flip_columns: then mirror it left to right.
        degrees: clockwise turn of the picture's horizontal axis: 0, 90, 180 or 270.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    degrees: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the upright width and height of a frame stored with these."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """Return `frame` `[H, W, 3]` upright, as a view."""
        if self.transpose:
            frame = frame.swapaxes(0, 1)
        if self.flip_rows:
            frame = frame[::-1]
        if self.flip_columns:
            frame = frame[:, ::-1]
        return frame


UPRIGHT = Orientation()


def from_display_matrix(matrix: bytes) -> Orientation:
    """Read a display matrix: nine native int32, `[a b u; c d v; x y w]`.

    A stored point (p, q), p to the right and q down, is shown at (a p + c q, b p + d q), apart
    from the offset. Only quarter turns and mirrors keep a raster; a scale is ignored, because
    frames keep their stored pixels.

    Raises:
        ClipUnreadable: the matrix turns by something else than a multiple of 90 degrees.
    """
    if len(matrix) != 36:
        raise ClipUnreadable(f"The display matrix has {len(matrix)} bytes; it must have 36.")
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    straight, turned = min(abs(a), abs(d)), min(abs(b), abs(c))
    degrees = round(math.degrees(math.atan2(b, a))) % 360
    if straight > 0 and max(abs(b), abs(c)) <= _TOLERANCE * straight:
        return Orientation(False, d < 0, a < 0, 180 if a < 0 else 0)
    if turned > 0 and max(abs(a), abs(d)) <= _TOLERANCE * turned:
        return Orientation(True, b < 0, c < 0, 270 if b < 0 else 90)
    raise ClipUnreadable(
        f"The display matrix turns the picture by {degrees} degrees; "
        "only multiples of 90 can be applied.",
        rotation_degrees=degrees,
    )
