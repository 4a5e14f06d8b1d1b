"""VBench's background consistency: how alike frames look to CLIP."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from critic_models.dimensions.consistency import consistency
from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import Evidence, NetworkDimension, Reader, every_frame
from critic_models.dimensions.preprocess import clip_square_of_floats

_SCALE = Scale(0.2615, 1.0)


def prepare(frames: np.ndarray) -> Tensor:
    """Cut the middle square of one frame, uint8 `[1, H, W, 3]`, resized as floats."""
    return clip_square_of_floats(frames)[0]


def update(network: Any, batch: Tensor) -> Tensor:
    """Read frames, `[B, 3, 224, 224]`, to features of unit length, `[B, 512]`."""
    return network(batch)


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute the mean of each frame's likeness to the one before and to the first."""
    return consistency(evidence.features, _SCALE)


BACKGROUND_CONSISTENCY = NetworkDimension(
    name="background_consistency",
    group="quality",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=2,
    description=(
        "How alike CLIP's features of frames are: of each frame the mean of its cosines with the "
        "frame before and with the first, negative ones counted as 0. A still clip has 1: read it "
        "beside dynamic_degree. Per frame: from the second on. Over clips: the mean of all frames. "
        "In float32 on every device; the reference takes float16 on a GPU."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/background_consistency.py)",
    scale=_SCALE,
    weights=("clip_vit_b_32",),
    cost="a ViT-B/32 forward a frame, 224 x 224",
    reader=Reader(network="clip_vit_b_32", units=every_frame, prepare=prepare, update=update),
    compute=compute,
)
