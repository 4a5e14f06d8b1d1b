"""VBench's imaging quality: MUSIQ's opinion of each frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import Evidence, NetworkDimension, Reader, every_frame
from critic_models.dimensions.preprocess import resize, to_planes

_LONGEST = 512
_SCALE = Scale(0.0, 1.0, unit=100.0)


def prepare(frames: np.ndarray) -> Tensor:
    """Bring the longer side of one frame, uint8 `[1, H, W, 3]`, down to 512 if it is above."""
    planes = to_planes(frames).float()
    height, width = planes.shape[-2:]
    if max(height, width) > _LONGEST:
        scale = _LONGEST / max(height, width)
        # Rounded down, both: a frame of 480 x 854 becomes 287 x 512.
        planes = resize(planes, (int(scale * height), int(scale * width)), "bilinear")
    return planes[0] / 255.0


def update(network: Any, batch: Tensor) -> Tensor:
    """Rate frames, `[B, 3, h, w]`, from 0 to 100, `[B]`."""
    return network(batch)


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute the mean over frames."""
    ratings = evidence.features.double()
    raw = float(ratings.mean())
    return Reading(raw, _SCALE.value(raw), tuple(ratings.tolist()))


IMAGING_QUALITY = NetworkDimension(
    name="imaging_quality",
    group="quality",
    range=(0.0, 100.0),
    higher_is_better=True,
    min_frames=1,
    description=(
        "MUSIQ's rating of each frame (trained on SPAQ), its longer side brought to 512 pixels if "
        "it is above. The raw number is on MUSIQ's scale, 0 to 100, as in VBench's results of "
        "single clips; the value is a hundredth of it, as in VBench's result over clips."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/imaging_quality.py)",
    scale=_SCALE,
    weights=("musiq_spaq",),
    cost="a MUSIQ forward a frame: 256 patches through 14 layers for 512 x 288",
    reader=Reader(network="musiq_spaq", units=every_frame, prepare=prepare, update=update),
    compute=compute,
)
