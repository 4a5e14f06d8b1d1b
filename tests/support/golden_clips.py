"""Clips that goldens are made of: integer arithmetic alone, so every version draws the same pixels.

Their hashes are in the goldens, so a clip that changed is noticed before a score is compared. High
contrast, odd sizes, an even and an odd number of frames, three frame rates.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from critic_models.types import Clip
from critic_models.video.frames import from_array
from critic_models.video.sampling import AllFrames

CELL = 7


@dataclass(frozen=True)
class GoldenClip:
    """One clip.

    Attributes:
        name: in the goldens.
        num_frames, height, width, fps: of the clip.
        step: pixels down and right that the background moves with every frame.
    """

    name: str
    num_frames: int
    height: int
    width: int
    fps: float
    step: tuple[int, int]

    def frames(self) -> np.ndarray:
        """Draw the clip, uint8 `[T, H, W, 3]`."""
        seed = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "little")
        chance = np.random.default_rng(seed)
        ground = _cells(chance, self.height, self.width)
        thing = _cells(chance, self.height // 2, self.width // 3)
        frames = []
        for index in range(self.num_frames):
            frame = np.roll(ground, (index * self.step[0], index * self.step[1]), (0, 1))
            top, left = self.height // 4 - index, self.width // 5 + 3 * index
            frame[top : top + thing.shape[0], left : left + thing.shape[1]] = thing
            # Every frame is a little darker than the one before, and the channels by turns.
            frame = frame.astype(np.int64) * (20 - index) // 20
            frame[..., index % 3] = frame[..., index % 3] * 9 // 10
            frames.append(frame.astype(np.uint8))
        return np.stack(frames)

    def clip(self) -> Clip:
        """Draw it as a clip that holds all its frames."""
        return from_array(self.frames(), self.fps, AllFrames())

    def digest(self) -> str:
        """Return the SHA-256 of its pixels."""
        return hashlib.sha256(self.frames().tobytes()).hexdigest()


def _cells(chance: np.random.Generator, height: int, width: int) -> np.ndarray:
    shape = (-(-height // CELL), -(-width // CELL), 3)
    small = chance.integers(0, 256, shape, dtype=np.int64)
    large = small.repeat(CELL, 0).repeat(CELL, 1)[:height, :width]
    # A slope inside the cells, so that a shift of less than a cell is seen as well.
    rows, columns = np.mgrid[0:height, 0:width]
    return np.clip(large + (rows * 3 + columns * 5)[..., None] % CELL * 6 - 18, 0, 255)


GOLDEN_CLIPS = {
    each.name: each
    for each in (
        GoldenClip("odd", 5, 133, 171, 24.0, (1, 3)),
        GoldenClip("even", 4, 171, 133, 8.0, (3, 1)),
        GoldenClip("two", 2, 130, 203, 30.0, (0, 9)),
        GoldenClip("three", 3, 203, 130, 8.0, (11, 2)),
        GoldenClip("nine", 9, 129, 160, 24.0, (0, 0)),
        GoldenClip("large", 2, 307, 605, 8.0, (2, 2)),
    )
}
