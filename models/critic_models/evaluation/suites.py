"""What can be asked for by one word, and what of it cannot be measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from critic_models.dimensions.catalogue import CATALOGUE, NETWORK_DIMENSIONS
from critic_models.dimensions.measure import DIMENSIONS
from critic_models.dimensions.weights.store import WeightsMissing, WeightStore
from critic_models.errors import UnknownName
from critic_models.evaluation.run import is_vbench

Suite = Literal["default", "vbench"]

SUITES: Mapping[Suite, tuple[str, ...]] = MappingProxyType(
    {
        "default": tuple(DIMENSIONS),
        "vbench": tuple(name for name in CATALOGUE if is_vbench(name)),
    }
)
"""`default` runs everywhere; `vbench` is VBench's sixteen."""


def known_dimensions(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each once.

    Raises:
        UnknownName: a name is in no catalogue.
    """
    if unknown := [name for name in names if name not in CATALOGUE]:
        raise UnknownName(
            f"No dimension {', '.join(map(repr, unknown))}; there are {', '.join(CATALOGUE)}.",
            unknown=unknown,
            known=list(CATALOGUE),
        )
    return tuple(dict.fromkeys(names))


def unavailable(names: Sequence[str], store: WeightStore) -> dict[str, str]:
    """Return why dimensions cannot be measured on any clip here, before any clip is read."""
    reasons = {}
    for name in names:
        if name in NETWORK_DIMENSIONS:
            try:
                for weights in NETWORK_DIMENSIONS[name].weights:
                    store.require(weights)
            except WeightsMissing as error:
                reasons[name] = error.message
        elif name not in DIMENSIONS:
            reasons[name] = (
                "It is computed from what a model says of the clip that is not part of this "
                "command: a detector, a captioner, or a critic's answers."
            )
    return reasons
