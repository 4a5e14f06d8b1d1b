"""Reading files of rows record by record: bounded, and with a reason for each that cannot be read.

A file is never read in silence beyond what is wrong with it: every bad record is a `Reject`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from critic_models.errors import InputError
from critic_models.rows.row import RowError
from critic_models.rows.schema import parse_json

MAX_LINE_BYTES = 2**20
MAX_FILE_BYTES = 2**30

Record = tuple[int, Mapping[str, Any] | RowError]
"""Number of a record, from 1, and its content or what is wrong with it."""


def json_lines(path: Path) -> Iterator[Record]:
    """Yield the objects of a JSON-lines file; empty lines are skipped.

    Raises:
        InputError: where the file cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    with file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
                yield number, RowError(f"the line has more than {MAX_LINE_BYTES} bytes")
            elif line.strip():
                yield number, _object(line.removeprefix(b"\xef\xbb\xbf"))


def json_array(path: Path) -> Iterator[Record]:
    """Yield the objects of a file that holds one JSON array.

    Raises:
        InputError: where the file cannot be read, is too large, or is no array.
    """
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, list):
        raise InputError(f"{path} must hold a JSON array of objects")
    for number, item in enumerate(content, 1):
        yield number, item if isinstance(item, dict) else RowError("not a JSON object")


def json_records(path: Path) -> Iterator[Record]:
    """Yield the objects of a JSON array or a JSON-lines file, whichever it is."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return json_array(path) if start.startswith(b"[") else json_lines(path)


def csv_records(path: Path) -> Iterator[Record]:
    """Yield the records of a CSV file by column name.

    Raises:
        InputError: where the file cannot be read, or has no header or one column twice.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise InputError(f"{path} is not CSV: {error}") from error
    if not header or len(set(header)) != len(header):
        raise InputError(f"{path} needs a header line with distinct column names; found {header}")
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, RowError(f"not CSV: {error}")
            continue
        if len(cells) == len(header):
            yield number, dict(zip(header, cells, strict=True))
        elif cells:
            yield number, RowError(f"{len(cells)} cells under {len(header)} columns")


def text_lines(path: Path) -> list[str]:
    """Read the lines of a text file that are not empty, stripped."""
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def _object(line: bytes) -> Mapping[str, Any] | RowError:
    try:
        return parse_json(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return RowError(f"not UTF-8: {error}")
    except RowError as error:
        return error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path} has more than {MAX_FILE_BYTES} bytes; use JSON lines")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error}") from error
