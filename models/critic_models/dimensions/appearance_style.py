"""VBench's appearance style: how near frames are to the words of a style, to CLIP."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import (
    ClipFacts,
    Evidence,
    NetworkDimension,
    Reader,
    every_frame,
)
from critic_models.dimensions.networks.clip import tokens_of
from critic_models.dimensions.preprocess import clip_square_of_pictures

_SCALE = Scale(0.0009, 0.2855)
_CONTEXT = 77


def prepare(frames: np.ndarray) -> Tensor:
    """Cut the middle square of one frame, uint8 `[1, H, W, 3]`, resized as a picture."""
    return clip_square_of_pictures(frames)[0]


def update(network: Any, batch: Tensor) -> Tensor:
    """Read frames, `[B, 3, 224, 224]`, to features of unit length, `[B, 512]`."""
    return network(batch)


def words(facts: ClipFacts) -> str:
    """Return the style, such as `Van Gogh style`."""
    return str(facts.ask.known("appearance_style"))


def read_words(network: Any, style: str) -> Tensor:
    """Return the style's feature of unit length, and after it the scale of CLIP's cosines."""
    feature = network.read_tokens(tokens_of(style, _CONTEXT))
    return torch.cat([feature, network.scale.view(1).to(feature)])


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute the mean cosine of frames and style."""
    assert evidence.text is not None  # noqa: S101 (the reader has words)
    cosines = (evidence.features @ evidence.text[:-1]).double()
    if compat == "vbench":
        cosines = cosines * float(evidence.text[-1]) / 100
    raw = float(cosines.mean())
    return Reading(raw, _SCALE.value(raw), tuple(cosines.tolist()), weight=float(len(cosines)))


APPEARANCE_STYLE = NetworkDimension(
    name="appearance_style",
    group="semantic",
    range=(-1.0, 1.0),
    higher_is_better=True,
    min_frames=1,
    description=(
        "The mean cosine of CLIP ViT-B/32's features of frames with that of the words of a style. "
        "Over clips: the mean of all frames."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/appearance_style.py)",
    scale=_SCALE,
    weights=("clip_vit_b_32",),
    needs="appearance_style",
    differences=(
        "the cosine is multiplied by CLIP's logit scale over 100, which is 1 only with OpenAI's "
        "weights; corrected: the cosine",
    ),
    cost="a ViT-B/32 forward a frame, 224 x 224",
    reader=Reader(
        network="clip_vit_b_32",
        units=every_frame,
        prepare=prepare,
        update=update,
        words=words,
        read_words=read_words,
    ),
    compute=compute,
)
