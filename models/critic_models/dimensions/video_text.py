"""VBench's temporal style and overall consistency: how near a clip is to its prompt, to ViCLIP.

The two are one number; VBench measures them on different prompts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import ClipFacts, Evidence, NetworkDimension, Reader, Unit
from critic_models.dimensions.networks.clip import tokens_of
from critic_models.dimensions.networks.viclip import CONTEXT
from critic_models.dimensions.preprocess import clip_square_of_bytes
from critic_models.video.sampling import Middle

_SCALE = Scale(0.0, 0.364)
_NUM_FRAMES = 8


def units(facts: ClipFacts) -> list[Unit]:
    """Return the middle frames of eight spans, together; the last is repeated in a short clip."""
    indices = Middle(_NUM_FRAMES).indices(facts.num_frames, facts.fps, np.empty(0))
    return [tuple(indices.tolist())]


def prepare(frames: np.ndarray) -> Tensor:
    """Cut the middle squares, uint8 `[8, H, W, 3]`, resized as uint8."""
    return clip_square_of_bytes(frames)


def update(network: Any, batch: Tensor) -> Tensor:
    """Read clips, `[B, 8, 3, 224, 224]`, to features of unit length, `[B, 768]`."""
    return torch.nn.functional.normalize(network(batch), dim=-1)


def words(facts: ClipFacts) -> str:
    """Return the prompt."""
    return str(facts.ask.prompt)


def read_words(network: Any, prompt: str) -> Tensor:
    """Return the prompt's feature of unit length; its first 32 tokens count."""
    feature = network.read_tokens(tokens_of(prompt, CONTEXT))
    return torch.nn.functional.normalize(feature, dim=-1)


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute the cosine of clip and prompt."""
    assert evidence.text is not None  # noqa: S101 (the reader has words)
    raw = float(evidence.features[0] @ evidence.text)
    return Reading(raw, _SCALE.value(raw))


_READER = Reader(
    network="viclip_l_14",
    units=units,
    prepare=prepare,
    update=update,
    words=words,
    read_words=read_words,
)


def _dimension(name: str, what: str) -> NetworkDimension:
    return NetworkDimension(
        name=name,
        group="semantic",
        range=(-1.0, 1.0),
        higher_is_better=True,
        min_frames=1,
        description=(
            f"The cosine of ViCLIP's features of the clip, eight frames, and of its prompt, 32 "
            f"tokens; {what}."
        ),
        source=f"VBench (Vchitect/VBench at 45e79ec, vbench/{name}.py)",
        scale=_SCALE,
        weights=("viclip_l_14",),
        needs="prompt",
        cost="one ViT-L/14 forward over 2,049 tokens a clip",
        reader=_READER,
        compute=compute,
    )


TEMPORAL_STYLE = _dimension("temporal_style", "for prompts that name a motion of the camera")
OVERALL_CONSISTENCY = _dimension("overall_consistency", "for prompts of any kind")
