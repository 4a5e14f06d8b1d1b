"""VideoReward's CSV: two clips of one prompt, compared in visual quality, motion and alignment.

Columns `path_A`, `path_B`, `prompt`, and one for each aspect (`VQ`, `MQ`, `TA`, `Overall`) that
says A, B or same; an empty cell was not judged. Other columns (rates and numbers of frames) are in
the clips themselves and not read. VideoGen-RewardBench has the same columns.

Source: arXiv 2501.13918 and the data guide of KwaiVGI/VideoAlign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from critic_models.errors import InputError
from critic_models.rows.files import csv_records
from critic_models.rows.row import Origin, PairRow, Preference3, Reject, Row, RowError
from critic_models.rows.schema import MAX_PROMPT_CHARS, clip_path, text_or_none

CRITERIA = {"VQ": "visual_quality", "MQ": "temporal_quality", "TA": "text_alignment"}
"""Criterion by column; name `Overall` here to read it too."""

_A, _TIE, _B = Preference3(1, 0, 0), Preference3(0, 1, 0), Preference3(0, 0, 1)
_WORDS = {"a": _A, "a_win": _A, "same": _TIE, "tie": _TIE, "b": _B, "b_win": _B}


def read_video_reward(
    path: Path, root: str, criteria: Mapping[str, str] = CRITERIA
) -> Iterator[Row | Reject]:
    """Read the file; one row for every aspect that was judged.

    Raises:
        InputError: where the file as a whole cannot be read, or lacks a column.
    """
    for number, record in csv_records(path):
        if isinstance(record, RowError):
            yield Reject(str(path), number, record.message)
            continue
        missing = {"path_A", "path_B", "prompt", *criteria} - set(record)
        if missing:
            raise InputError(f"{path} lacks the columns {sorted(missing)}; found {sorted(record)}")
        try:
            a = clip_path(record["path_A"], "path_A", root)
            b = clip_path(record["path_B"], "path_B", root)
            if a == b:
                raise RowError("path_A and path_B are the same clip")
            prompt = text_or_none(record, "prompt", MAX_PROMPT_CHARS)
            judged = {column: record[column].strip() for column in criteria}
            if not any(judged.values()):
                raise RowError(f"none of {sorted(criteria)} was judged")
        except RowError as error:
            yield Reject(str(path), number, error.message)
            continue
        for column, word in judged.items():
            preference = _WORDS.get(word.lower())
            if preference is not None:
                yield PairRow(
                    a=a,
                    b=b,
                    criterion=criteria[column],
                    preference=preference,
                    prompt=prompt,
                    origin=Origin(str(path), number),
                )
            elif word:
                yield Reject(
                    str(path), number, f"{column} must be A, B or same; found {word[:40]!r}"
                )
