"""VBench's motion smoothness: how well AMT guesses every second frame from its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import ClipFacts, Evidence, NetworkDimension, Reader, Unit
from critic_models.dimensions.preprocess import pad_to_multiple, to_planes

_SCALE = Scale(0.706, 0.9975)
_MULTIPLE = 16


def units(facts: ClipFacts) -> list[Unit]:
    """Return each odd frame between its neighbours; a last frame with one neighbour is unused."""
    return [(i, i + 1, i + 2) for i in range(0, facts.num_frames - 2, 2)]


def prepare(frames: np.ndarray) -> Tensor:
    """Return three frames, uint8 `[3, H, W, 3]`, as uint8 `[3, 3, H, W]`."""
    return to_planes(frames)


def update(network: Any, batch: Tensor) -> Tensor:
    """Return how far guessed frames are from the real ones.

    Args:
        network: AMT.
        batch: uint8 `[B, 3, 3, H, W]`, the real frame in the middle.

    Returns:
        `[B]`, the mean difference in gray levels.
    """
    outer = batch[:, ::2].flatten(0, 1).float()
    padded, (top, left) = pad_to_multiple(outer, _MULTIPLE)
    pairs = (padded / 255.0).unflatten(0, (-1, 2))
    guessed = network(pairs[:, 0], pairs[:, 1])
    height, width = batch.shape[-2:]
    guessed = guessed[..., top : top + height, left : left + width]
    # Truncated, as the reference does on the way to uint8, not rounded.
    levels = (guessed * 255.0).clamp(0, 255).floor()
    return (levels - batch[:, 1].float()).abs().double().mean((1, 2, 3))


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute `(255 - mean difference) / 255`."""
    differences = evidence.features.double()
    raw = (255.0 - float(differences.mean())) / 255.0
    return Reading(raw, _SCALE.value(raw), tuple(differences.tolist()))


MOTION_SMOOTHNESS = NetworkDimension(
    name="motion_smoothness",
    group="quality",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=3,
    description=(
        "One minus the mean difference over 255 between every second frame and AMT-S's guess of "
        "it from the frames around it. A still clip has 1: read it beside dynamic_degree. With an "
        "even number of frames the last is unused. Per frame: the difference of each guessed "
        "frame, in gray levels."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/motion_smoothness.py)",
    scale=_SCALE,
    weights=("amt_s",),
    cost="an AMT-S forward for every second frame, at full resolution",
    reader=Reader(
        network="amt_s",
        units=units,
        prepare=prepare,
        update=update,
        max_batch_values=4 * 3 * 3 * 256 * 256,
    ),
    compute=compute,
    # Below that the coarsest correlation is one pixel wide, and the reference's guess not a number.
    least_side=113,
)
