"""Files of rows, in the project's own schema or a published one, to checked rows and rejects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from critic_models.errors import InputError
from critic_models.rows import lift, video_reward, vision_reward
from critic_models.rows.files import json_lines, text_lines
from critic_models.rows.row import Origin, Reject, Row, RowError, RowSet
from critic_models.rows.schema import parse_row

RowFormat = Literal["rows", "lift", "video_reward", "vision_reward_qa", "vision_reward_pairs"]
FORMATS: tuple[str, ...] = get_args(RowFormat)

MAX_ROWS = 5_000_000


@dataclass(frozen=True)
class Source:
    """A file of rows.

    Attributes:
        path: of the file.
        format: how it is written; `README.md` beside this module has all of them.
        clips_root: folder that relative paths of clips start from, and outside of which no clip
            may lie; the file's own folder where it is None.
        criteria: criterion by column, aspect or field of a published format, where it is not to be
            the reader's own.
        questions: file with one question a line, for VisionReward's `meta_result`.
    """

    path: Path
    format: RowFormat = "rows"
    clips_root: Path | None = None
    criteria: Mapping[str, str] = field(default_factory=dict)
    questions: Path | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"no format {self.format!r} of rows; there are {', '.join(FORMATS)}")


def read_rows(sources: Sequence[Source]) -> RowSet:
    """Read all rows of some files, in order.

    Raises:
        InputError: where a file as a whole cannot be read, or there are too many rows. What is
            wrong with one row makes that row a reject.
    """
    rows: list[Row] = []
    rejects: list[Reject] = []
    for source in sources:
        for record in _read(source):
            if isinstance(record, Reject):
                rejects.append(record)
            else:
                rows.append(record)
            if len(rows) + len(rejects) > MAX_ROWS:
                raise InputError(f"more than {MAX_ROWS} rows")
    return RowSet(tuple(rows), tuple(rejects))


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write rejects as JSON lines: file, number of the record, reason."""
    with path.open("w", encoding="utf-8") as file:
        for reject in rejects:
            row = {"file": reject.file, "number": reject.number, "reason": reject.reason}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _read(source: Source) -> Iterator[Row | Reject]:
    path = source.path
    root = str(source.clips_root if source.clips_root is not None else path.parent)
    if source.format == "lift":
        return lift.read_lift(path, root, source.criteria or lift.CRITERIA)
    if source.format == "video_reward":
        return video_reward.read_video_reward(path, root, source.criteria or video_reward.CRITERIA)
    if source.format == "vision_reward_qa":
        questions = text_lines(source.questions) if source.questions else ()
        return vision_reward.read_vision_reward_qa(path, root, questions)
    if source.format == "vision_reward_pairs":
        criteria = source.criteria or vision_reward.CRITERIA
        if len(criteria) != 1:
            raise InputError("vision_reward_pairs takes one field and its criterion")
        return vision_reward.read_vision_reward_pairs(path, root, criteria)
    return _own(path, root)


def _own(path: Path, root: str) -> Iterator[Row | Reject]:
    for number, record in json_lines(path):
        try:
            if isinstance(record, RowError):
                raise record
            yield parse_row(record, root, Origin(str(path), number))
        except RowError as error:
            yield Reject(str(path), number, error.message)
