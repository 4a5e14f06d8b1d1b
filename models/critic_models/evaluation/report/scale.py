"""How far along its range a number over clips is: what a radar can draw."""

from __future__ import annotations

import math

from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.evaluation.rows import CRITERION_PREFIX


def reach(name: str, number: float) -> float | None:
    """Return how far a number is from the worst to the best that there is, cut to [0, 1].

    VBench's dimensions have VBench's range, criteria [0, 1], others their own where it is bounded
    and more of it is better; None elsewhere.
    """
    if name.startswith(CRITERION_PREFIX):
        return min(1.0, max(0.0, number))
    facts = CATALOGUE.get(name)
    if facts is None:
        return None
    if facts.scale is not None:
        value = facts.scale.value(number * facts.scale.unit)
    elif facts.higher_is_better and all(math.isfinite(end) for end in facts.range):
        least, greatest = facts.range
        value = (number - least) / (greatest - least)
    else:
        return None
    return min(1.0, max(0.0, value))


def higher_is_better(name: str) -> bool | None:
    """Tell which end is the better one; None where neither is."""
    if name.startswith(CRITERION_PREFIX):
        return True
    return CATALOGUE[name].higher_is_better if name in CATALOGUE else None
