"""A labelled set from JSON lines: a user's own pairs and grades.

    {"a": "x.mp4", "b": "y.mp4", "prompt": "…", "criterion": "visual_quality", "preference": "b"}
    {"clip": "x.mp4", "prompt": "…", "criterion": "sharpness", "grade": 0.75}

Paths are relative to the file of the rows. `prompt` may be left out where the criterion needs none.
Rows of one prompt are one group, for clips made from one prompt resemble each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from critic_models.audit.labelled import LabelledGrade, LabelledPair, LabelledSet, Shown, Source
from critic_models.errors import InputError
from critic_models.judging import Judge
from critic_models.types import Clip, Side
from critic_models.video.load import load_clip

KIND = "row"
_PAIR_FIELDS = frozenset({"a", "b", "prompt", "criterion", "preference"})
_GRADE_FIELDS = frozenset({"clip", "prompt", "criterion", "grade"})
_MAX_BYTES = 256 * 2**20


def rows_set(path: Path, criteria: Mapping[str, bool]) -> LabelledSet:
    """Read the set.

    Args:
        path: UTF-8 text with one JSON object a line; empty lines are passed over.
        criteria: of the critic, and whether each needs a prompt.

    Raises:
        InputError: naming the line and what is wrong with it; or where there are no rows.
        OSError: where the file cannot be read.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES} bytes")
    pairs: list[LabelledPair] = []
    grades: list[LabelledGrade] = []
    sources: dict[str, Source] = {}
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            label = _read_row(line, criteria, number)
            shown = [label.a, label.b] if isinstance(label, LabelledPair) else [label.shown]
            for each in shown:
                sources[each.clip] = _source(path.parent, each.clip)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error.message}") from error
        if isinstance(label, LabelledPair):
            pairs.append(label)
        else:
            grades.append(label)
    if not sources:
        raise InputError(f"{path} has no rows")
    ties = sum(pair.preference == "tie" for pair in pairs)
    return LabelledSet(
        name=path.name,
        description=(
            f"Rows of {path}: {len(pairs)} pairs, {ties} of them ties, and {len(grades)} grades, "
            f"over {len(sources)} clips."
        ),
        sources=sources,
        pairs=tuple(pairs),
        grades=tuple(grades),
        grades_are_absolute=True,
    )


def _read_row(line: str, criteria: Mapping[str, bool], number: int) -> LabelledPair | LabelledGrade:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError("a row is a JSON object")
    is_pair = "clip" not in row and "grade" not in row
    allowed = _PAIR_FIELDS if is_pair else _GRADE_FIELDS
    missing, unknown = allowed - {"prompt"} - set(row), set(row) - allowed
    if missing or unknown:
        wrong = [*(f"no {name!r}" for name in sorted(missing)), *map(_unknown, sorted(unknown))]
        raise InputError(
            f"{', '.join(wrong)}; a pair has {', '.join(sorted(_PAIR_FIELDS))}, a graded clip "
            f"{', '.join(sorted(_GRADE_FIELDS))}"
        )
    criterion = _text(row, "criterion")
    if criterion not in criteria:
        raise InputError(f"no criterion {criterion!r}; the critic has {', '.join(criteria)}")
    prompt = None if row.get("prompt") is None else _text(row, "prompt")
    if prompt is None and criteria[criterion]:
        raise InputError(f"{criterion} judges a clip against its prompt; the row has none")
    group = prompt if prompt is not None else f"line {number}"
    if is_pair:
        preference = row["preference"]
        if preference not in get_args(Side):
            raise InputError(f"preference is a, b or tie, not {preference!r}")
        a, b = (Shown(_text(row, side), prompt) for side in ("a", "b"))
        return LabelledPair(a, b, criterion, preference, KIND, group)
    shown = Shown(_text(row, "clip"), prompt)
    return LabelledGrade(shown, criterion, _grade(row["grade"]), KIND, group, group)


def _unknown(name: str) -> str:
    return f"unknown {name!r}"


def _text(row: Mapping[str, Any], name: str) -> str:
    text = row[name]
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{name} is text, not {text!r}")
    return text


def _grade(grade: Any) -> float:
    if isinstance(grade, bool) or not isinstance(grade, int | float):
        raise InputError(f"grade is a number, not {grade!r}")
    if not (math.isfinite(grade) and 0 <= grade <= 1):
        raise InputError(f"grade is in [0, 1], not {grade}")
    return float(grade)


def _source(folder: Path, clip: str) -> Source:
    path = folder / clip
    try:
        is_file = path.is_file()
    except OSError as error:
        raise InputError(f"{clip[:80]!r} is no path: {error.strerror}") from error
    if not is_file:
        raise InputError(f"{path} is not a file")

    def open_clip(judge: Judge) -> Clip:
        return load_clip(path, judge.sampling)

    return open_clip
