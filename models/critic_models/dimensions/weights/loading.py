"""Reading checkpoints without running anything that is in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from critic_models.errors import CheckpointError

# Published checkpoints hold a few numbers that numpy made, such as a best score, beside tensors.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    _SCALAR,
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.float32)),
    type(np.dtype(np.int64)),
]


def read_tensors(path: Path, within: str | None = None) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint.

    Args:
        path: a safetensors file, or one that `torch.save` wrote.
        within: the key that holds them, where the file holds more.

    Returns:
        Tensors on the CPU, by name, without a leading `module.`.

    Raises:
        CheckpointError: it is not such a file, holds objects that loading it would have to run, or
            lacks the key.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise _refused(path, f"it is not a safetensors file: {error}") from error
    found = _load(path)
    if within is not None:
        if not isinstance(found, Mapping) or within not in found:
            raise _refused(path, f"it has no {within!r}")
        found = found[within]
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise _refused(path, "it is not a mapping from names to tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in found.items()}


def _load(path: Path) -> Any:
    if _is_script(path):
        raise _refused(path, "it is a TorchScript archive, which carries code; take safetensors")
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _refused(path, f"torch does not load it safely: {first}") from error


def _is_script(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())


def fill(
    network: nn.Module, tensors: Mapping[str, Tensor], path: Path, optional: Collection[str] = ()
) -> nn.Module:
    """Put tensors into a network, every one into its place, and make it ready to be read.

    Args:
        network: receives them.
        tensors: by name.
        path: of the checkpoint, for the error.
        optional: names that the checkpoint may lack; the network's own values stay.

    Raises:
        CheckpointError: names or shapes differ.
    """
    wanted = network.state_dict()
    lacking = sorted(wanted.keys() - tensors.keys() - set(optional))
    extra = sorted(tensors.keys() - wanted.keys())
    shapes = sorted(
        n for n in wanted.keys() & tensors.keys() if wanted[n].shape != tensors[n].shape
    )
    faults = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for names, what in ((lacking, "lacking"), (extra, "unknown"), (shapes, "of another shape"))
        if names
    ]
    if faults:
        raise _refused(path, f"tensors are {'; '.join(faults)}")
    network.load_state_dict({**wanted, **tensors})
    return network.eval().requires_grad_(False)


def _refused(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path.name} cannot be used: {why}.", path=str(path))
