"""The clips of stored items: files named by the hash of their bytes, each there once."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from critic_service.intake import Part

_NAME = re.compile(r"[0-9a-f]{64}")


class ClipFiles:
    """A folder of clips.

    Args:
        folder: is made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Keep bytes, and return the name to ask for them."""
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        if not path.exists():
            # A file has its name only when it is whole.
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(data)
            os.replace(file.name, path)
        return name

    def part(self, name: str) -> Part:
        """Return the bytes of that name as a part beside a request.

        Raises:
            OSError: they are not there.
        """
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(f"{name!r} names no clip")
        return Part.of_file(self._folder / name)

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete every other file of the folder."""
        wanted = set(names)
        for path in self._folder.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def drop(self, names: Iterable[str]) -> None:
        """Delete these files."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)
