"""LiFT's conversations: a graded answer with its reason, about one of three aspects of a clip.

A record is `{"video": path, "conversations": [{"from": "human", "value": …}, {"from": "gpt",
"value": …}]}`. The human's text is a video mark, the caption, and a request that names the aspect;
the answer begins with Good, Normal or Bad, and a reason follows. LiFT's own reader takes an answer
that it cannot parse for Good; here it is a reject.

Source: arXiv 2412.04814 and the data files of CodeGoat24/LiFT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from critic_models.rows.files import json_records
from critic_models.rows.row import Origin, PointRow, Reject, Row, RowError
from critic_models.rows.schema import MAX_PROMPT_CHARS, MAX_REASON_CHARS, clip_path

CRITERIA = {
    "semantic consistency": "text_alignment",
    "fidelity": "visual_quality",
    "motion": "temporal_quality",
}
"""Criterion by the aspect that a request names."""

_REQUEST = re.compile(r"please identify the (?P<aspect>[^.]{1,80}?) issues\b", re.IGNORECASE)
_ANSWER = re.compile(r"\s*(?P<grade>good|normal|bad)\b[\s.,:;!-]*(?P<reason>.*)", re.I | re.S)


def read_lift(
    path: Path, root: str, criteria: Mapping[str, str] = CRITERIA
) -> Iterator[Row | Reject]:
    """Read a JSON array or JSON lines of conversations.

    Raises:
        InputError: where the file as a whole cannot be read.
    """
    for number, record in json_records(path):
        if isinstance(record, RowError):
            yield Reject(str(path), number, record.message)
            continue
        try:
            clip = clip_path(record.get("video"), "video", root)
            turns = _turns(record.get("conversations"))
        except RowError as error:
            yield Reject(str(path), number, error.message)
            continue
        for request, answer in turns:
            try:
                yield _row(clip, request, answer, criteria, Origin(str(path), number))
            except RowError as error:
                yield Reject(str(path), number, error.message)


def _turns(conversation: Any) -> list[tuple[str, str]]:
    if not isinstance(conversation, Sequence) or len(conversation) < 2 or len(conversation) % 2:
        raise RowError("conversations must be requests and answers in turn")
    texts = []
    for position, turn in enumerate(conversation):
        speaker = ("human", "gpt")[position % 2]
        if not isinstance(turn, Mapping) or turn.get("from") != speaker:
            raise RowError(f"turn {position + 1} of conversations must be from {speaker}")
        if not isinstance(turn.get("value"), str):
            raise RowError(f"turn {position + 1} of conversations has no text")
        texts.append(turn["value"])
    return list(zip(texts[::2], texts[1::2], strict=True))


def _row(
    clip: str, request: str, answer: str, criteria: Mapping[str, str], origin: Origin
) -> PointRow:
    asked = list(_REQUEST.finditer(request))
    if not asked:
        raise RowError("the request names no aspect (it should say: identify the … issues)")
    aspect = asked[-1]["aspect"].strip().lower()
    if aspect not in criteria:
        raise RowError(f"no criterion for the aspect {aspect!r}; there are {sorted(criteria)}")
    judged = _ANSWER.fullmatch(answer)
    if judged is None:
        raise RowError(f"the answer begins with neither Good, Normal nor Bad: {answer[:40]!r}")
    prompt = request[: asked[-1].start()].replace("<video>", "").strip()
    reason = judged["reason"].strip()
    if len(prompt) > MAX_PROMPT_CHARS or len(reason) > MAX_REASON_CHARS:
        raise RowError("caption or reason is too long")
    return PointRow(
        clip=clip,
        criterion=criteria[aspect],
        label=judged["grade"].capitalize(),
        prompt=prompt or None,
        reason=reason,
        origin=origin,
    )
