"""VBench's static filter: which clips are still enough for temporal flickering to be read of them.

VBench copies such clips aside before it measures flicker; it is not one of the 16 dimensions.
"""

from __future__ import annotations

import itertools
from typing import Any

from torch import Tensor

from critic_models.dimensions.dimension import Compat, Reading
from critic_models.dimensions.dynamic_degree import LEAST_SIDE, fastest, flow_reader, pair_flow
from critic_models.dimensions.networked import ClipFacts, Evidence, NetworkDimension, Unit

_FASTEST = 0.02


def units(facts: ClipFacts) -> list[Unit]:
    """Return each pair of neighbours, then the first and the last frame both ways."""
    last = facts.num_frames - 1
    return [*itertools.pairwise(range(facts.num_frames)), (0, last), (last, 0)]


def update(network: Any, batch: Tensor) -> Tensor:
    """Return how far the fastest pixels of pairs, uint8 `[B, 2, 3, H, W]`, move: `[B]`, pixels."""
    return fastest(pair_flow(network, batch), _FASTEST)


def compute(evidence: Evidence, compat: Compat) -> Reading:
    """Compute whether a clip is still.

    `continuous` is the length that decides, over its threshold; the clip is still where it is 1 or
    less.
    """
    lengths = evidence.features.double()
    facts = evidence.facts
    threshold = 3.0 * (min(facts.height, facts.width) / 256.0)
    allowed = round(2 * (facts.num_frames / 16.0))
    across_allowed = threshold * allowed * 2
    if compat == "corrected":
        across_allowed = threshold * max(allowed, 1) * 2
    neighbours, across = lengths[:-2].sort(descending=True).values, float(lengths[-2:].max())
    # As many pairs as are allowed may move; the next one decides.
    deciding = float(neighbours[allowed]) if allowed < len(neighbours) else 0.0
    if across_allowed > 0:
        over_ends = across / across_allowed
    else:
        over_ends = float("inf") if across > 0 else 0.0
    continuous = max(deciding / threshold, over_ends)
    return Reading(float(continuous <= 1), None, tuple(lengths.tolist()), continuous=continuous)


STATIC_FILTER = NetworkDimension(
    name="static_filter",
    group="motion",
    range=(0.0, 1.0),
    higher_is_better=None,
    min_frames=2,
    description=(
        "Whether a clip is still enough for temporal_flickering: 1 where at most about an eighth "
        "of the pairs of neighbours move more than 3 pixels per 256 of the shorter side in the "
        "fastest fiftieth of the pixels, by RAFT's flow, and the first and the last frame are not "
        "far apart. Per frame: that length of each pair in pixels, then of the first and the last "
        "frame both ways. Continuous: the length that decides, over its threshold."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/cli/static_filter.py)",
    weights=("raft_things",),
    boolean=True,
    differences=(
        "with up to four frames the first and the last may not differ at all, so hardly any clip "
        "is still; corrected: as with five",
    ),
    cost="RAFT with 20 steps for every pair of neighbours, at full resolution",
    reader=flow_reader(units, update),
    compute=compute,
    least_side=LEAST_SIDE,
)
