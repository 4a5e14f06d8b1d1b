"""The folder of checkpoints: what is there, bringing what is not, and telling whether it is right.

Nothing is downloaded unless `fetch` is called. A download is written beside its place and moved
there when it is whole, so that a file that is there is a file that arrived.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from critic_models.dimensions.weights.registry import WEIGHTS, WeightsFile
from critic_models.errors import CheckpointError, UnknownName

DIRECTORY_VARIABLE = "CRITIC_WEIGHTS_DIR"
_CHUNK = 1 << 20
_TIMEOUT_S = 60.0

State = Literal["missing", "present", "verified", "recorded", "damaged"]


class WeightsMissing(CheckpointError):
    """A file is not on disk; `details` has its name, path and how to get it."""

    code = "weights_missing"


def weights_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder: `CRITIC_WEIGHTS_DIR`, else `critic/weights` in the user's cache."""
    chosen = os.environ if environment is None else environment
    if own := chosen.get(DIRECTORY_VARIABLE):
        return Path(own)
    cache = chosen.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "critic" / "weights"


@dataclass(frozen=True)
class Check:
    """What was found of one file.

    Attributes:
        weights: the file.
        path: its place.
        state: `verified` against the publisher's SHA-256, `recorded`: as it was when it was
            downloaded, `present`: there is nothing to compare with, `damaged`: not what it should
            be.
        sha256: of what is there; None where nothing is.
        expected: what it was compared with.
    """

    weights: WeightsFile
    path: Path
    state: State
    sha256: str | None
    expected: str | None


@dataclass(frozen=True)
class WeightStore:
    """A folder of checkpoints.

    Args:
        folder: may be absent until something is fetched.
        known: the files there can be.
    """

    folder: Path
    known: Mapping[str, WeightsFile] = field(default_factory=lambda: WEIGHTS)

    def named(self, name: str) -> WeightsFile:
        """Return the facts of a file.

        Raises:
            UnknownName: there is no such file.
        """
        if name not in self.known:
            raise UnknownName(
                f"No weights {name!r}; there are {', '.join(self.known)}.",
                unknown=[name],
                known=list(self.known),
            )
        return self.known[name]

    def path(self, name: str) -> Path:
        """Return the place of a file, whether it is there or not."""
        return self.folder / self.named(name).file

    def require(self, name: str) -> Path:
        """Return the place of a file that is there.

        Raises:
            WeightsMissing: it is not.
        """
        weights, path = self.named(name), self.path(name)
        if not path.is_file():
            raise WeightsMissing(
                f"The file {weights.file} ({weights.what}; {weights.licence}) is not in "
                f"{self.folder}: run `critic weights fetch {name}`, or put it there yourself from "
                f"{weights.url}.",
                weights=name,
                path=str(path),
                url=weights.url,
            )
        return path

    def check(self, name: str) -> Check:
        """Hash a file that is there, and compare it with what is known of it."""
        weights, path = self.named(name), self.path(name)
        if not path.is_file():
            return Check(weights, path, "missing", None, weights.sha256)
        found = sha256_of(path)
        expected = weights.sha256 or self._recorded(name)
        if expected is None:
            state: State = "present"
        elif found != expected:
            state = "damaged"
        else:
            state = "recorded" if weights.sha256 is None else "verified"
        return Check(weights, path, state, found, expected)

    def fetch(self, name: str, on_bytes: Callable[[int, int | None], None] | None = None) -> Check:
        """Download a file, check it, and put it in its place; one that is right stays.

        Args:
            name: of the file.
            on_bytes: told the bytes so far and, where the server says it, the total.

        Raises:
            CheckpointError: it cannot be downloaded, or is not what its SHA-256 says.
        """
        weights, path = self.named(name), self.path(name)
        present = self.check(name)
        if present.state not in ("missing", "damaged"):
            return present
        self.folder.mkdir(parents=True, exist_ok=True)
        with _partial(path) as part:
            _download(weights, part, on_bytes or (lambda done, total: None))
            found = sha256_of(part)
            if weights.sha256 is not None and found != weights.sha256:
                raise CheckpointError(
                    f"{weights.url} gave a file whose SHA-256 is {found}, not {weights.sha256}.",
                    weights=name,
                )
            self._record_path(name).write_text(f"{found}  {weights.file}\n", encoding="ascii")
            part.replace(path)
        return self.check(name)

    def _record_path(self, name: str) -> Path:
        path = self.path(name)
        return path.with_name(path.name + ".sha256")

    def _recorded(self, name: str) -> str | None:
        record = self._record_path(name)
        if not record.is_file():
            return None
        words = record.read_text(encoding="ascii", errors="replace").split()
        return words[0] if words else None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _download(
    weights: WeightsFile, part: Path, on_bytes: Callable[[int, int | None], None]
) -> None:
    archive = part if weights.member is None else part.with_suffix(".archive")
    try:
        request = urllib.request.Request(weights.url, headers={"User-Agent": "critic-service"})  # noqa: S310 (the registry's own https addresses)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as source:  # noqa: S310
            length = source.headers.get("Content-Length")
            with archive.open("wb") as target:
                _copy(source, target, int(length) if length else None, on_bytes)
        if weights.member is not None:
            _extract(archive, weights.member, part)
    except (OSError, urllib.error.URLError, zipfile.BadZipFile, KeyError) as error:
        raise CheckpointError(
            f"{weights.file} could not be fetched from {weights.url}: {error}. Put it into the "
            f"folder yourself where this machine has no network.",
            weights=weights.name,
        ) from error
    finally:
        if archive != part:
            archive.unlink(missing_ok=True)


def _extract(archive: Path, name: str, part: Path) -> None:
    with (
        zipfile.ZipFile(archive) as files,
        files.open(name) as member,
        part.open("wb") as target,
    ):
        shutil.copyfileobj(member, target, _CHUNK)


def _copy(
    source: BinaryIO,
    target: BinaryIO,
    total: int | None,
    on_bytes: Callable[[int, int | None], None],
) -> None:
    done = 0
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        done += len(chunk)
        on_bytes(done, total)
    if total is not None and done != total:
        raise OSError(f"{done} of {total} bytes arrived")
