"""What a vision tower derives from the grids of its clips, computed on the host before the forward.

Left alone, transformers computes these tables on the device and reads some of them back, and the
host waits for the device each time. Handed in under their keywords they are taken as they are, so
that nothing in the tower reads a value back; a test runs it on the meta device, which has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from critic_kernels import SegmentLayout
from transformers import vision_utils

Grid = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class VisionInputs:
    """All of a tower's input but the pixels.

    Attributes:
        grids: `(t, h, w)` of each clip, before merging.
        tables: tensors that depend on the grids alone, by the tower's keyword.
        longest: the longest segment of each kind, by the tower's keyword.
        layouts: which patches see which, by the number of segments, as attention is told only
            lengths. Attention never crosses temporal patches. A tower with windows has a second
            layout; were the two numbers equal, every window would be a whole temporal patch and
            the layouts the same.
    """

    grids: tuple[Grid, ...]
    tables: dict[str, torch.Tensor]
    longest: dict[str, int]
    layouts: dict[int, SegmentLayout]

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> VisionInputs:
        """Return the same with every table moved to where the tower runs."""
        return replace(self, tables={name: move(table) for name, table in self.tables.items()})

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments of the tower's forward, beside the patches."""
        grid_thw = torch.tensor(self.grids, dtype=torch.int64)
        return {
            "grid_thw": grid_thw,
            "layouts": self.layouts,
            **self.tables,
            **self.longest,
        }


def vision_inputs(visual: Any, grids: Sequence[Grid]) -> VisionInputs:
    """Compute the tables of a tower for some clips, on the host.

    Args:
        visual: the vision tower of one of the supported networks.
        grids: `(t, h, w)` of each clip, before merging.
    """
    config = visual.config
    grid_thw = torch.tensor(grids, dtype=torch.int64)
    merge: int = config.spatial_merge_size
    tables = {"position_ids": vision_utils.get_vision_position_ids(grid_thw, merge)}
    bounds = {"": vision_utils.get_vision_cu_seqlens(grid_thw)}
    if getattr(config, "window_size", None):
        tables["window_index"], bounds["window_"] = vision_utils.get_vision_window_index(
            grid_thw, merge, config.window_size, config.patch_size
        )
    if hasattr(visual, "num_grid_per_side"):
        tables["interp_indices"], tables["interp_weights"] = (
            vision_utils.get_vision_interpolation_indices_and_weights(
                grid_thw,
                num_grid_per_side=visual.num_grid_per_side,
                mode=visual.interpolation_mode,
                align_corners=visual.interpolation_align_corners,
                spatial_merge_size=merge,
            )
        )
    longest, layouts = {}, {}
    for kind, ends in bounds.items():
        lengths = ends.diff().tolist()
        tables[f"cu_{kind}seqlens"] = ends
        longest[f"max_{kind}seqlen"] = max(lengths)
        layouts[len(lengths)] = SegmentLayout.packed(lengths)
    return VisionInputs(tuple(grids), tables, longest, layouts)
