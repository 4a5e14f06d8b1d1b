"""VBench's dynamic degree: whether anything moves far, by RAFT's flow.

About eight frames a second are looked at. Of each pair the flow of the fastest twentieth of the
pixels is taken; a clip is dynamic where enough pairs exceed a threshold that grows with the frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import ClipFacts, Evidence, NetworkDimension, Reader, Unit
from critic_models.dimensions.preprocess import pad_to_multiple, to_planes

_SCALE = Scale(0.0, 1.0, weight=0.5)
_SAMPLED_FPS = 8
_FASTEST = 0.05
_MULTIPLE = 8
_NUM_STEPS = 20


LEAST_SIDE = 121
"""Below that RAFT's coarsest correlation is one pixel wide, and the reference's flow no number."""


def sampled(facts: ClipFacts) -> list[int]:
    """Return the positions of the frames that are looked at."""
    return list(range(0, facts.num_frames, max(1, round(facts.fps / _SAMPLED_FPS))))


def units(facts: ClipFacts) -> list[Unit]:
    """Return each pair of sampled frames that follow one another."""
    return list(itertools.pairwise(sampled(facts)))


def prepare(frames: np.ndarray) -> Tensor:
    """Return a pair of frames, uint8 `[2, H, W, 3]`, as uint8 `[2, 3, H, W]`."""
    return to_planes(frames)


def update(network: Any, batch: Tensor) -> Tensor:
    """Return how far the fastest pixels of pairs move.

    Args:
        network: RAFT.
        batch: uint8 `[B, 2, 3, H, W]`.

    Returns:
        `[B]`, in pixels.
    """
    return fastest(pair_flow(network, batch), _FASTEST)


def pair_flow(network: Any, batch: Tensor) -> Tensor:
    """Return the flow of pairs, uint8 `[B, 2, 3, H, W]`, at their padded size: `[B, 2, h, w]`."""
    padded, _ = pad_to_multiple(batch.flatten(0, 1).float(), _MULTIPLE)
    pairs = padded.unflatten(0, (-1, 2))
    return network(pairs[:, 0], pairs[:, 1], _NUM_STEPS)


def fastest(flow: Tensor, share: float) -> Tensor:
    """Return the mean length of the longest `share` of the vectors of flows `[B, 2, h, w]`."""
    lengths = flow.square().sum(1).sqrt().flatten(1)
    counted = int(lengths.shape[1] * share)
    return lengths.topk(counted, dim=1).values.double().mean(1)


def flow_reader(
    units: Callable[[ClipFacts], Sequence[Unit]], update: Callable[[Any, Tensor], Tensor]
) -> Reader:
    """Read pairs of frames with RAFT; see `Reader` for the arguments."""
    return Reader(
        network="raft_things",
        units=units,
        prepare=prepare,
        update=update,
        max_batch_values=4 * 2 * 3 * 256 * 256,
    )


def threshold(facts: ClipFacts) -> float:
    """Return the length above which a pair moves, in pixels."""
    return 6.0 * (min(facts.height, facts.width) / 256.0)


def pairs_needed(num_sampled: int) -> int:
    """Return how many pairs must move; Python rounds a half to even, and so does VBench."""
    return round(4 * (num_sampled / 16.0))


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute whether enough pairs move.

    `continuous` is the length that decides, over the threshold: that of the n-th fastest pair where
    n must move. The clip is dynamic exactly where it is above 1 (with two sampled frames and
    `compat="vbench"`, always).
    """
    num_sampled = len(sampled(evidence.facts))
    if num_sampled < 2:
        if compat == "vbench":
            return Reading(0.0, 0.0, (), continuous=0.0)
        return Reading(
            None,
            reason="At about 8 frames a second one frame is left of the clip; two are needed.",
        )
    lengths = evidence.features.double()
    needed = pairs_needed(num_sampled)
    deciding = lengths.sort(descending=True).values[max(needed, 1) - 1]
    continuous = float(deciding) / threshold(evidence.facts)
    moves = continuous > 1 or (needed == 0 and compat == "vbench")
    raw = float(moves)
    return Reading(raw, _SCALE.value(raw), tuple(lengths.tolist()), continuous=continuous)


DYNAMIC_DEGREE = NetworkDimension(
    name="dynamic_degree",
    group="quality",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=2,
    description=(
        "Whether anything moves: 1 where in about a quarter of the pairs of frames, 8 a second, "
        "the fastest twentieth of the pixels moves more than 6 pixels per 256 of the shorter side, "
        "by RAFT's flow. The camera's motion counts. Per frame: of each pair, that length in "
        "pixels. Continuous: the length that decides, over the threshold."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/dynamic_degree.py)",
    scale=_SCALE,
    weights=("raft_things",),
    boolean=True,
    differences=(
        "with two sampled frames no pair has to move, so a still clip is dynamic; corrected: one "
        "must",
        "with one sampled frame the clip is static; corrected: it has no number",
    ),
    cost="RAFT with 20 steps a pair, eight pairs a second of clip, at full resolution",
    reader=flow_reader(units, update),
    compute=compute,
    least_side=LEAST_SIDE,
)
