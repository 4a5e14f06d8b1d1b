"""VBench's subject consistency: how alike frames look to DINO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from critic_models.dimensions.consistency import consistency
from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import Evidence, NetworkDimension, Reader, every_frame
from critic_models.dimensions.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    normalise,
    resize,
    short_side_size,
    to_planes,
)

_SIDE = 224
_SCALE = Scale(0.1462, 1.0)


def prepare(frames: np.ndarray) -> Tensor:
    """Bring the shorter side of one frame, uint8 `[1, H, W, 3]`, to 224; nothing is cropped."""
    planes = to_planes(frames).float()
    size = short_side_size(planes.shape[-2], planes.shape[-1], _SIDE)
    return normalise(resize(planes, size, "bilinear"), IMAGENET_MEAN, IMAGENET_STD)[0]


def update(network: Any, batch: Tensor) -> Tensor:
    """Read frames, `[B, 3, h, w]`, to features of unit length, `[B, 768]`."""
    return torch.nn.functional.normalize(network(batch), dim=-1)


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute the mean of each frame's likeness to the one before and to the first."""
    return consistency(evidence.features, _SCALE)


SUBJECT_CONSISTENCY = NetworkDimension(
    name="subject_consistency",
    group="quality",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=2,
    description=(
        "How alike DINO's features of frames are: of each frame the mean of its cosines with the "
        "frame before and with the first, negative ones counted as 0. A still clip has 1: read it "
        "beside dynamic_degree. Per frame: from the second on. Over clips: the mean of all frames."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/subject_consistency.py)",
    scale=_SCALE,
    weights=("dino_vitb16",),
    cost="a ViT-B/16 forward a frame, 224 pixels on the shorter side",
    reader=Reader(network="dino_vitb16", units=every_frame, prepare=prepare, update=update),
    compute=compute,
)
