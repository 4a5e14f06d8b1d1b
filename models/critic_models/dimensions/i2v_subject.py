"""VBench-I2V's subject: how alike frames are to the picture that the clip was made from, to DINO.

The other two of VBench-I2V need networks that are not here: DreamSim (i2v_background) and CoTracker
(camera_motion).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import (
    ClipFacts,
    Evidence,
    NetworkDimension,
    Reader,
    every_frame,
)
from critic_models.dimensions.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    centre_crop,
    normalise,
    short_side_size,
    to_planes,
)
from critic_models.dimensions.subject_consistency import update

_SHORT, _SIDE = 256, 224
_NEAREST, _MEAN_STEP, _LEAST_STEP = 0.4, 0.3, 0.3
_SCALE = Scale(0.1462, 1.0)


def prepare(frames: np.ndarray) -> Tensor:
    """Cut the middle square of one frame, uint8 `[1, H, W, 3]`, resized as floats, antialiased."""
    planes = to_planes(frames).float()
    size = short_side_size(planes.shape[-2], planes.shape[-1], _SHORT)
    if size != planes.shape[-2:]:
        planes = F.interpolate(planes, size, mode="bicubic", align_corners=False, antialias=True)
    return normalise(centre_crop(planes, _SIDE), IMAGENET_MEAN, IMAGENET_STD)[0]


def prepare_picture(picture: np.ndarray) -> Tensor:
    """Cut the middle square of the picture, uint8 `[H, W, 3]`, resized by PIL: `[3, 224, 224]`."""
    height, width = short_side_size(picture.shape[0], picture.shape[1], _SHORT)
    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
    square = centre_crop(to_planes(np.array(resized)), _SIDE)
    return normalise(square, IMAGENET_MEAN, IMAGENET_STD)


def picture_of(facts: ClipFacts) -> np.ndarray | None:
    """Return the picture that the clip was made from."""
    return facts.ask.image


def read_picture(network: Any, picture: np.ndarray) -> Tensor:
    """Return the picture's feature of unit length, `[768]`."""
    where = next(iter(network.parameters())).device
    return update(network, prepare_picture(picture)[None].to(where))[0]


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute `0.4 nearest + 0.3 mean step + 0.3 least step`, all cosines counted as 0 if below.

    Nearest is the frame most alike to the picture; a step is a frame's likeness to the one before.
    """
    assert evidence.text is not None  # noqa: S101 (the reader has a picture)
    features = evidence.features
    to_picture = (features @ evidence.text).clamp_min(0).double()
    steps = (features[1:] * features[:-1]).sum(-1).clamp_min(0).double()
    raw = float(_NEAREST * to_picture.max() + _MEAN_STEP * steps.mean() + _LEAST_STEP * steps.min())
    return Reading(raw, _SCALE.value(raw), tuple(to_picture.tolist()))


I2V_SUBJECT = NetworkDimension(
    name="i2v_subject",
    group="quality",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=2,
    description=(
        "How alike DINO's features of frames are to those of the picture that the clip was made "
        "from: 0.4 times the nearest frame's cosine, and 0.3 times the mean and the least cosine "
        "of a frame with the one before. Per frame: the cosine with the picture. VBench-I2V cuts "
        "pictures to the clip's ratio beforehand; do so."
    ),
    source="VBench-I2V (Vchitect/VBench at 45e79ec, vbench2_beta_i2v/i2v_subject.py)",
    weights=("dino_vitb16",),
    needs="image",
    cost="a ViT-B/16 forward a frame, 224 x 224",
    reader=Reader(
        network="dino_vitb16",
        units=every_frame,
        prepare=prepare,
        update=update,
        words=picture_of,
        read_words=read_picture,
    ),
    compute=compute,
)
