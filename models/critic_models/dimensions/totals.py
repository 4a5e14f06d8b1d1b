"""VBench's totals: what its `scripts/cal_final_score.py` makes of the 16 dimensions.

The script takes a missing dimension for a raw 0, which normalises to numbers as low as -2.42; here
a total is there only where all its members are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.dimensions.dimension import Facts, Group
from critic_models.types import DimensionScore

QUALITY_WEIGHT = 4.0
SEMANTIC_WEIGHT = 1.0


@dataclass(frozen=True)
class Totals:
    """VBench's three totals, nominally in [0, 1] and not clamped.

    Attributes:
        quality: of the seven dimensions of quality; None where one is missing.
        semantic: of the nine dimensions of meaning; None where one is missing.
        total: `(4 * quality + semantic) / 5`; None where either is.
        missing: the dimensions that are.
    """

    quality: float | None
    semantic: float | None
    total: float | None
    missing: tuple[str, ...]


def over_clips(name: str, scores: Sequence[DimensionScore]) -> float | None:
    """Return a dimension's number over clips, on the scale of VBench's overall results.

    It is the mean weighted as VBench's run on one device weights it: by frames for the two
    consistencies and appearance style, by clips for the others; color leaves out clips in which the
    object was not seen. Clips without a number are left out: name them beside the result.

    Returns:
        The mean; None where no clip has a number.
    """
    facts = CATALOGUE[name]
    counted = [(s.raw, s.weight) for s in scores if s.raw is not None and s.weight is not None]
    weight = math.fsum(w for _, w in counted)
    if weight <= 0:
        return None
    unit = facts.scale.unit if facts.scale else 1.0
    return math.fsum(raw * w for raw, w in counted) / weight / unit


def totals(overall: Mapping[str, float | None]) -> Totals:
    """Combine the numbers over clips.

    Args:
        overall: by dimension, as `over_clips` gives them; others are ignored.
    """
    missing = tuple(facts.name for facts in _members() if _finite(overall.get(facts.name)) is None)
    quality, semantic = _group("quality", overall), _group("semantic", overall)
    total = None
    if quality is not None and semantic is not None:
        total = (quality * QUALITY_WEIGHT + semantic * SEMANTIC_WEIGHT) / (
            QUALITY_WEIGHT + SEMANTIC_WEIGHT
        )
    return Totals(quality, semantic, total, missing)


def _group(group: Group, overall: Mapping[str, float | None]) -> float | None:
    members = [facts for facts in _members() if facts.group == group]
    total = weights = 0.0
    for facts in members:
        number = _finite(overall.get(facts.name))
        if number is None or facts.scale is None:
            return None
        # Numbers over clips are already in the unit of the range.
        total += facts.scale.value(number * facts.scale.unit) * facts.scale.weight
        weights += facts.scale.weight
    return total / weights


def _members() -> list[Facts]:
    return [facts for facts in CATALOGUE.values() if facts.scale is not None]


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
