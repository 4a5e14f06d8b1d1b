"""Positions of prompt tokens for the language model's rotary embedding, with their version named.

transformers changed where text continues after a video (4.x: after the largest of the three
coordinates; 5.x: after the larger spatial extent), and some critics were trained with plain
sequential positions. Scores depend on it, so the version is part of a critic's specification.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from critic_models.vlm.families import Family
from critic_models.vlm.prompts import Prefix, VisualGrid

PositionVersion = Literal["mrope-v4", "mrope-hf5", "sequential"]
POSITION_VERSIONS: tuple[str, ...] = get_args(PositionVersion)


def prefix_positions(
    prefix: Prefix, family: Family, version: PositionVersion, tokens_per_second: float
) -> tuple[np.ndarray, int]:
    """Compute positions of a prefix.

    Args:
        tokens_per_second: of the vision configuration; used where the family times its positions.

    Returns:
        int64 `[3, P]` (temporal, height, width) and the position at which a branch starts.
    """
    length = len(prefix.ids)
    if version == "sequential":
        return np.tile(np.arange(length), (3, 1)), length
    positions = np.empty((3, length), dtype=np.int64)
    groups = iter(_visual_groups(prefix.grids, family, tokens_per_second))
    row, current = 0, 0
    while row < length:
        if not prefix.is_visual[row]:
            positions[:, row] = current
            row, current = row + 1, current + 1
            continue
        group, extent = next(groups)
        positions[:, row : row + group.shape[1]] = group + current
        row += group.shape[1]
        current += extent if version == "mrope-hf5" else int(group.max()) + 1
    return positions, current


def branch_positions(start: int, length: int) -> np.ndarray:
    """Compute positions of a branch, int64 `[3, Q]`: every branch starts where the prefix ended."""
    return np.tile(np.arange(start, start + length), (3, 1))


def _visual_groups(
    grids: tuple[VisualGrid, ...], family: Family, tokens_per_second: float
) -> list[tuple[np.ndarray, int]]:
    """Coordinates of every run of visual tokens, from zero, and the run's spatial extent."""
    groups = []
    for grid in grids:
        extent = max(grid.height, grid.width)
        if family.timestamps:
            groups += [(_lattice(np.zeros(1), grid), extent)] * grid.temporal
        else:
            step = tokens_per_second * grid.seconds_per_patch if family.timed_positions else 1.0
            groups.append((_lattice(np.arange(grid.temporal) * step, grid), extent))
    return groups


def _lattice(times: np.ndarray, grid: VisualGrid) -> np.ndarray:
    axes = (times.astype(np.int64), np.arange(grid.height), np.arange(grid.width))
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
