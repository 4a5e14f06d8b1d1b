"""The file of results: rows are appended as they come, and what a killed run left is gone on with.

A row is one write of one line, so a process that dies leaves whole lines and at most one torn one
at the end, which is cut off when the file is opened again. `flush` makes rows safe from a machine
that dies, and is called by itself every few seconds. When all is measured the rows are sorted and
joined, a line a clip, so that the file does not say in which order clips came or how often the run
was killed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from critic_models.errors import CriticError, InputError
from critic_models.evaluation.rows import BadRow, Row

RESULTS_FILE = "results.jsonl"
FLUSH_EVERY_S = 5.0


class InUse(CriticError):
    """Another process writes into the folder."""

    code = "folder_in_use"
    retryable = True


class Results:
    """The results of one folder, held by one process at a time.

    Args:
        folder: is made where it is not there.
        flush_every_s: seconds of rows that may be lost with the machine, and are measured again.

    Raises:
        InUse: another process has the folder.
        BadRow: a line before the last is no row: this file was not written here.
    """

    def __init__(self, folder: Path, flush_every_s: float = FLUSH_EVERY_S) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / RESULTS_FILE
        self._flush_every_s = flush_every_s
        self._lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise InUse(f"another process writes its results into {folder}") from error
        try:
            self.repaired_bytes = repair(self._path)
            self.rows = read_results(self._path) if self._path.exists() else {}
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except BaseException:
            os.close(self._lock)
            raise
        self._flushed_s = time.monotonic()

    def append(self, row: Row) -> None:
        """Add a row; it outlives this process from here on."""
        _write_all(self._file, row.to_line())
        known = self.rows.get(row.clip)
        self.rows[row.clip] = row if known is None else known.joined(row)
        if time.monotonic() - self._flushed_s >= self._flush_every_s:
            self.flush()

    def flush(self) -> None:
        """Make all rows outlive the machine."""
        os.fsync(self._file)
        self._flushed_s = time.monotonic()

    def clear(self) -> None:
        """Throw all rows away."""
        os.ftruncate(self._file, 0)
        self.flush()
        self.rows = {}

    def settle(self) -> None:
        """Bring the file to its final form: a line a clip, in the order of the keys."""
        content = b"".join(self.rows[key].to_line() for key in sorted(self.rows))
        self.flush()
        if content != self._path.read_bytes():
            write_whole(self._path, content)
            os.close(self._file)
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def close(self) -> None:
        """Flush, and let others have the folder."""
        self.flush()
        os.close(self._file)
        os.close(self._lock)

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_results(path: Path) -> dict[str, Row]:
    """Read a file of results by clip; what several rows say of one clip is joined.

    A last line that has no end is left out, for a run may be writing it.

    Raises:
        BadRow: a line is no row.
        OSError: the file cannot be read.
    """
    rows: dict[str, Row] = {}
    for number, (line, _) in enumerate(_whole_lines(path), 1):
        try:
            row = Row.from_line(line)
        except BadRow as error:
            raise BadRow(f"{path}, line {number}: {error.message}") from error
        known = rows.get(row.clip)
        rows[row.clip] = row if known is None else known.joined(row)
    return rows


def repair(path: Path) -> int:
    """Cut off what a process that was killed, or a machine that died, left of a last line.

    Returns:
        The bytes that were cut off.
    """
    if not path.exists():
        return 0
    size = path.stat().st_size
    starts = [0]
    for _, end in _whole_lines(path):
        starts.append(end)
    whole = starts[-1]
    if whole == size and len(starts) > 1 and not _is_row(path, starts[-2], whole):
        whole = starts[-2]
    if whole != size:
        with path.open("r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())
    return size - whole


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by one that is whole, whatever happens meanwhile.

    Raises:
        InputError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _whole_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield lines that end, with the position after each."""
    position = 0
    with path.open("rb") as file:
        for line in file:
            position += len(line)
            if line.endswith(b"\n"):
                yield line, position


def _is_row(path: Path, start: int, end: int) -> bool:
    with path.open("rb") as file:
        file.seek(start)
        try:
            Row.from_line(file.read(end - start))
        except BadRow:
            return False
    return True


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
