"""Sizes of the Triton kernel's launches: one default and a table to sweep on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch

MIN_HEAD_DIM = 16
MAX_HEAD_DIM = 128


@dataclass(frozen=True)
class Tiles:
    """Sizes of one launch."""

    block_rows: int
    block_keys: int
    num_warps: int
    num_stages: int


_EXACT_TO_80 = (Tiles(16, 32, 4, 1),)
_EXACT_TO_128 = (Tiles(16, 16, 4, 1),)
_TO_80 = (
    Tiles(128, 64, 8, 3),
    Tiles(128, 64, 8, 2),
    Tiles(128, 128, 8, 2),
    Tiles(128, 32, 8, 4),
    Tiles(64, 64, 4, 3),
    Tiles(64, 64, 4, 2),
    Tiles(64, 32, 4, 4),
)
_TO_128 = (
    Tiles(128, 64, 8, 3),
    Tiles(128, 64, 8, 2),
    Tiles(128, 32, 8, 4),
    Tiles(64, 64, 8, 3),
    Tiles(64, 32, 4, 4),
)


def choose_tiles(dtype: torch.dtype, head_dim: int) -> Tiles:
    """Choose the sizes of a launch: one choice for all layouts, so that none changes a result."""
    return candidates(dtype, head_dim)[0]


def candidates(dtype: torch.dtype, head_dim: int) -> tuple[Tiles, ...]:
    """List sizes that compile for sm_90 without spilling registers, the default first.

    Of fp32 that holds for the head dimensions of the supported models: 48, 64, 72, 80 and 128. It
    runs at a fraction of the matrix rate whatever the tile; it is the exact path, not the fast one.
    """
    if dtype == torch.float32:
        return _EXACT_TO_80 if head_dim <= 80 else _EXACT_TO_128
    return _TO_80 if head_dim <= 80 else _TO_128


def split_head_dim(head_dim: int) -> tuple[int, int]:
    """Cut a head dimension into a power of two and a padded power of two, or nothing."""
    first = 1 << (head_dim.bit_length() - 1)
    rest = head_dim - first
    return first, 0 if rest == 0 else max(MIN_HEAD_DIM, 1 << (rest - 1).bit_length())
