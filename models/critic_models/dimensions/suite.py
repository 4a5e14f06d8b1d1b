"""Measure network dimensions by name, with the weights of a folder."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from critic_models.dimensions.catalogue import NETWORK_DIMENSIONS
from critic_models.dimensions.dimension import Compat
from critic_models.dimensions.networks.loading import load_network
from critic_models.dimensions.runner import NetworkRunner
from critic_models.dimensions.weights.store import WeightStore, weights_dir
from critic_models.errors import UnknownName


def network_runner(
    names: Sequence[str],
    store: WeightStore | None = None,
    device: str | torch.device = "cpu",
    compat: Compat = "corrected",
) -> NetworkRunner:
    """Return what measures dimensions of `NETWORK_DIMENSIONS`; nothing is loaded yet.

    A dimension whose weights are not there gives no number, and its reason names the file.

    Args:
        names: of the dimensions, each once.
        store: the weights; those of `weights_dir()` if None.
        device: where networks run.
        compat: `vbench` for the reference's numbers, defects included.

    Raises:
        UnknownName: a name is no network dimension.
    """
    unknown = sorted(set(names) - set(NETWORK_DIMENSIONS))
    if unknown:
        raise UnknownName(
            f"No network dimension {', '.join(map(repr, unknown))}; "
            f"there are {', '.join(NETWORK_DIMENSIONS)}.",
            unknown=unknown,
            known=list(NETWORK_DIMENSIONS),
        )
    folder = store or WeightStore(weights_dir())
    place = torch.device(device)
    return NetworkRunner(
        [NETWORK_DIMENSIONS[name] for name in dict.fromkeys(names)],
        lambda name: load_network(name, folder, place),
        place,
        compat,
    )
