"""How the two launches are cut into programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from critic_kernels.frame_patches.layout import PatchLayout

# The second and third axis of a CUDA grid hold 65,535; the second launch has 3 planes a frame.
MAX_FRAMES = 21_000


@dataclass(frozen=True)
class Tile:
    """What one program computes: `rows` x `columns` pixels, powers of two, by `num_warps` warps.

    `columns` is at least 16.
    """

    rows: int
    columns: int
    num_warps: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}w{self.num_warps}"


# Candidates for each launch, the first being what is used; all compile for sm_90a without spills.
ROW_TILES = (Tile(16, 64, 4), Tile(8, 64, 4), Tile(16, 64, 8), Tile(16, 32, 2), Tile(16, 128, 8))
PATCH_TILES = (Tile(32, 128, 4), Tile(32, 64, 4), Tile(16, 64, 4), Tile(8, 128, 4), Tile(32, 64, 2))


def row_grid(
    shapes: Sequence[tuple[int, int, int]], sizes: Sequence[tuple[int, int]], tile: Tile
) -> tuple[int, int, int]:
    """Tiles of a frame, frames and clips: enough for the largest; those that others lack end."""
    tiles = max(
        _tiles(height, out_width, tile)
        for (_, height, _), (_, out_width) in zip(shapes, sizes, strict=True)
    )
    return tiles, max(frames for frames, _, _ in shapes), len(shapes)


def patch_grid(
    shapes: Sequence[tuple[int, int, int]],
    sizes: Sequence[tuple[int, int]],
    layout: PatchLayout,
    tile: Tile,
) -> tuple[int, int, int]:
    """The same for the second launch: tiles of a plane, planes of whole temporal patches, clips."""
    tiles = max(_tiles(height, width, tile) for height, width in sizes)
    patches = max(layout.temporal_patches(frames) for frames, _, _ in shapes)
    return tiles, 3 * patches * layout.temporal_patch_size, len(shapes)


def _tiles(height: int, width: int, tile: Tile) -> int:
    return -(-height // tile.rows) * -(-width // tile.columns)
