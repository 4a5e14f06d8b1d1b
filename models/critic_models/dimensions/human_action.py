"""VBench's human action: whether a classifier of actions sees the one that was asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import (
    Ask,
    ClipFacts,
    Evidence,
    NetworkDimension,
    Reader,
    Unit,
)
from critic_models.dimensions.networks.umt import NUM_FRAMES
from critic_models.dimensions.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    centre_crop,
    normalise,
    short_side_size,
    to_planes,
)
from critic_models.video.sampling import Middle

_SCALE = Scale(0.0, 1.0)
_SHORT, _SIDE = 256, 224
_CONSIDERED = 5
_LEAST = 0.85
_SUBJECT = "person is "


@cache
def actions() -> tuple[str, ...]:
    """Return the names of Kinetics-400's classes, in lower case, in the order of the logits."""
    names = Path(__file__).with_name("kinetics_400.txt").read_text(encoding="utf-8")
    return tuple(names.splitlines())


def units(facts: ClipFacts) -> list[Unit]:
    """Return the middle frames of 16 spans, together; the last is repeated in a short clip."""
    indices = Middle(NUM_FRAMES).indices(facts.num_frames, facts.fps, np.empty(0))
    return [tuple(indices.tolist())]


def prepare(frames: np.ndarray) -> Tensor:
    """Cut the middle squares, uint8 `[16, H, W, 3]`, resized by OpenCV as uint8."""
    height, width = short_side_size(frames.shape[1], frames.shape[2], _SHORT)
    if (height, width) != frames.shape[1:3]:
        frames = np.stack(
            [cv2.resize(f, (width, height), interpolation=cv2.INTER_LINEAR) for f in frames]
        )
    return normalise(centre_crop(to_planes(frames), _SIDE), IMAGENET_MEAN, IMAGENET_STD)


def update(network: Any, batch: Tensor) -> Tensor:
    """Read clips, `[B, 16, 3, 224, 224]`, to the logits of actions, `[B, 400]`."""
    return network(batch)


def action_of(ask: Ask, compat: Compat) -> str:
    """Return the action that was asked for.

    It is what `human_action` says, else what follows `person is` in the prompt. The reference reads
    it from the name of the file, where a hyphen or an underscore ends it.
    """
    action = str(ask.auxiliary.get("human_action") or ask.prompt or "").lower()
    if compat == "vbench":
        return action.split("-")[0].split(_SUBJECT)[-1].split("_")[0]
    return action.split(_SUBJECT)[-1].strip().rstrip(".")


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute whether the action is among the five likeliest, with at least 0.85.

    `continuous` is its own probability.
    """
    action = action_of(evidence.facts.ask, compat)
    if action not in actions():
        if compat == "vbench":
            return Reading(0.0, 0.0, continuous=0.0)
        return Reading(None, reason=f"{action!r} is no action of Kinetics-400.", weight=None)
    chances = evidence.features[0].sigmoid()
    best = chances.topk(_CONSIDERED)
    seen = {
        actions()[index]
        for chance, index in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        if round(chance, 4) >= _LEAST
    }
    raw = float(action in seen)
    own = float(chances[actions().index(action)])
    return Reading(raw, _SCALE.value(raw), continuous=own)


HUMAN_ACTION = NetworkDimension(
    name="human_action",
    group="semantic",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=1,
    description=(
        "Whether UMT, trained on Kinetics-400, has the action that was asked for among its five "
        "likeliest, with a probability of at least 0.85. Continuous: that action's probability."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/human_action.py)",
    scale=_SCALE,
    weights=("umt_l16_k400",),
    boolean=True,
    needs="prompt",
    differences=(
        "a hyphen or an underscore ends the action's name; corrected: neither does",
        "an action that Kinetics-400 lacks counts as not shown; corrected: it has no number",
    ),
    cost="one ViT-L/16 forward over 3,136 tokens a clip",
    reader=Reader(
        network="umt_l16_k400",
        units=units,
        prepare=prepare,
        update=update,
        max_batch_values=2 * 16 * 3 * 224 * 224,
    ),
    compute=compute,
)
