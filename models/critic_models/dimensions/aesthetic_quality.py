"""VBench's aesthetic quality: LAION's rating of each frame."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from critic_models.dimensions.background_consistency import prepare
from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import Evidence, NetworkDimension, Reader, every_frame

_SCALE = Scale(0.0, 1.0)


def update(network: Any, batch: Tensor) -> Tensor:
    """Rate frames, `[B, 3, 224, 224]`, from about 1 to 10, `[B]`."""
    return network(batch)


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute a tenth of the mean over frames."""
    ratings = evidence.features.double() / 10
    raw = float(ratings.mean())
    return Reading(raw, _SCALE.value(raw), tuple(ratings.tolist()))


AESTHETIC_QUALITY = NetworkDimension(
    name="aesthetic_quality",
    group="quality",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=1,
    description=(
        "LAION's aesthetic rating of each frame over 10: a linear function of CLIP ViT-L/14's "
        "feature of the middle square. The rating is not bounded; good pictures have about 0.6."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/aesthetic_quality.py)",
    scale=_SCALE,
    weights=("clip_vit_l_14", "laion_aesthetic_l_14"),
    cost="a ViT-L/14 forward a frame, 224 x 224",
    reader=Reader(network="laion_aesthetic", units=every_frame, prepare=prepare, update=update),
    compute=compute,
)
