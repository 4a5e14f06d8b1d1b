"""The order in which a vision tower reads patches, and how their values are normalised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class PatchLayout:
    """Sizes of patches, all in pixels or frames of the resized clip.

    Rows are ordered `(t, block_h, block_w, in_h, in_w)`, a block being `merge_size` patches on each
    side; columns `(channel, frame, ph, pw)`.
    """

    patch_size: int
    temporal_patch_size: int
    merge_size: int

    def __post_init__(self) -> None:
        if min(self.patch_size, self.temporal_patch_size, self.merge_size) < 1:
            raise ValueError(f"sizes of patches must be at least 1: {self}")

    @property
    def block(self) -> int:
        """Pixels along a side of a block, of which every resized side is a multiple."""
        return self.patch_size * self.merge_size

    @property
    def columns(self) -> int:
        return 3 * self.temporal_patch_size * self.patch_size**2

    def temporal_patches(self, num_frames: int) -> int:
        """Temporal patches of a clip; the last is filled up with its last frame."""
        return -(-num_frames // self.temporal_patch_size)

    def rows(self, num_frames: int, size: tuple[int, int]) -> int:
        per_frame = (size[0] // self.patch_size) * (size[1] // self.patch_size)
        return self.temporal_patches(num_frames) * per_frame


def normalisation(
    mean: Sequence[float], std: Sequence[float], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what is subtracted from a level in [0, 255] and what divides it, float32 `[3]` each.

    Rescaling to [0, 1] is folded in, in the order of operations of the published processors.
    """
    centre = torch.tensor(mean, dtype=torch.float32, device=device).mul(255)
    spread = torch.tensor(std, dtype=torch.float32, device=device).mul(255)
    return centre, spread
