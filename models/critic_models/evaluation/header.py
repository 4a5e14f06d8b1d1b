"""`run.json`: what a folder of results was measured with, so that nothing else is added to it."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from critic_models.dimensions.dimension import Compat
from critic_models.dimensions.weights.store import WeightStore, sha256_of
from critic_models.errors import InputError
from critic_models.evaluation.manifest import read_list_file
from critic_models.evaluation.results import write_whole

HEADER_FILE = "run.json"
FORMAT = 1
_PACKAGES = ("critic-service", "av", "numpy", "opencv-python-headless", "torch")


@dataclass(frozen=True)
class Header:
    """What numbers depend on, besides the clips.

    Attributes:
        root: folder of the clips.
        names: all that was asked of them so far.
        compat: see `critic_models.dimensions.dimension.Compat`; None where it decided nothing.
        devices: kind of device that networks ran on, `cpu` or `cuda`; None where none did.
        versions: of packages.
        weights: SHA-256 of each file that a network was filled from.
        critic: fingerprint of the critic that judged criteria; None where none did.
    """

    root: str
    names: tuple[str, ...]
    compat: Compat | None
    devices: str | None
    versions: Mapping[str, str]
    weights: Mapping[str, str] = field(default_factory=dict)
    critic: Mapping[str, Any] | None = None

    def differs_from(self, other: Header) -> list[str]:
        """Name what two runs were measured with that is not the same, where both needed it."""
        differ = [
            name
            for name in ("compat", "devices", "versions", "critic")
            if None not in (own := getattr(self, name), theirs := getattr(other, name))
            and own != theirs
        ]
        return differ + [
            f"weights {name}"
            for name in sorted(self.weights.keys() & other.weights.keys())
            if self.weights[name] != other.weights[name]
        ]

    def after(self, earlier: Header) -> Header:
        """Return the header of a folder that has earlier results.

        Raises:
            InputError: they were measured with something else, and cannot stand beside new ones.
        """
        if differ := self.differs_from(earlier):
            raise InputError(
                f"the folder's results were measured with another {', '.join(differ)}; use another "
                "folder, or --no-resume to throw them away"
            )
        return Header(
            self.root,
            tuple(dict.fromkeys((*earlier.names, *self.names))),
            self.compat or earlier.compat,
            self.devices or earlier.devices,
            self.versions,
            {**earlier.weights, **self.weights},
            self.critic or earlier.critic,
        )

    def write(self, folder: Path) -> None:
        """Write the header into a folder of results."""
        content = {
            "format": FORMAT,
            "root": self.root,
            "names": list(self.names),
            "compat": self.compat,
            "devices": self.devices,
            "versions": dict(self.versions),
            "weights": dict(self.weights),
            "critic": None if self.critic is None else dict(self.critic),
        }
        write_whole(folder / HEADER_FILE, json.dumps(content, indent=2).encode("ascii") + b"\n")


def read_header(folder: Path) -> Header | None:
    """Read the header of a folder of results; None where there is none.

    Raises:
        InputError: it is of another format.
    """
    path = folder / HEADER_FILE
    if not path.is_file():
        return None
    content = read_list_file(path)
    try:
        if content["format"] != FORMAT:
            raise InputError(f"{path} has format {content['format']}; {FORMAT} is read")
        return Header(
            content["root"],
            tuple(content["names"]),
            content["compat"],
            content["devices"],
            content["versions"],
            content["weights"],
            content["critic"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no header of an evaluation: {error!r}") from error


def versions() -> dict[str, str]:
    """Return the versions of the packages that numbers depend on."""
    return {name: _version(name) for name in _PACKAGES}


def weights_of(names: Sequence[str], store: WeightStore) -> dict[str, str]:
    """Hash the files that dimensions are measured with; all must be there.

    Args:
        names: of weights.
    """
    return {name: sha256_of(store.require(name)) for name in sorted(set(names))}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
