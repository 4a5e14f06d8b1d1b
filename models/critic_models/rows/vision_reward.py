"""VisionReward's checklists and regression pairs, as JSON lines.

Checklists come in three spellings: `qa_list` of `{question, answer}`; VPO's `QA` of `{q,
response}`; and the data set's own `meta_result` and `meta_mask`, two lists by question, which need
the list of questions beside them (a result of 1 is yes where the mask is 1; other questions were
not asked). Only a plain yes or no is an answer: VPO's reader takes any other text for "no".

Regression pairs are `{video1_path, video2_path, prompt, standard_answer}`. The data card does not
spell the answers; the words read here are listed in `PAIR_WORDS`, and any other is a reject.

Source: arXiv 2412.21059, the card of VisionRewardDB-Video, thu-coai/VPO.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from critic_models.rows.files import json_records
from critic_models.rows.row import (
    ChecklistRow,
    Origin,
    PairRow,
    Preference3,
    Reject,
    Row,
    RowError,
)
from critic_models.rows.schema import (
    MAX_NAME_CHARS,
    MAX_PROMPT_CHARS,
    MAX_QUESTIONS,
    clip_path,
    text_or_none,
    yes_share,
)
from critic_models.vlm.criteria import PROMPT_SLOT

PROMPT_MARK = "[[prompt]]"
"""Where VisionReward's questions hold the prompt."""

CRITERIA = {"standard_answer": "overall_quality"}
"""Criterion of the regression pairs."""

_A, _TIE, _B = Preference3(1, 0, 0), Preference3(0, 1, 0), Preference3(0, 0, 1)
PAIR_WORDS = {
    **dict.fromkeys(("a", "video1", "video_1", "video 1", "first"), _A),
    **dict.fromkeys(("b", "video2", "video_2", "video 2", "second"), _B),
    **dict.fromkeys(("tie", "same", "equal"), _TIE),
}


def read_vision_reward_qa(
    path: Path, root: str, questions: Sequence[str] = ()
) -> Iterator[Row | Reject]:
    """Read checklists.

    Args:
        questions: texts by position, for records that have `meta_result` and `meta_mask`.

    Raises:
        InputError: where the file as a whole cannot be read.
    """
    for number, record in json_records(path):
        try:
            if isinstance(record, RowError):
                raise record
            clip = clip_path(record.get("video_path"), "video_path", root)
            # An optimised prompt is judged against what the user had asked for.
            name = "query" if "query" in record else "prompt"
            prompt = text_or_none(record, name, MAX_PROMPT_CHARS)
            answers = _answers(record, prompt, questions)
        except RowError as error:
            yield Reject(str(path), number, error.message)
            continue
        yield ChecklistRow(
            clip=clip, answers=answers, prompt=prompt, origin=Origin(str(path), number)
        )


def read_vision_reward_pairs(
    path: Path, root: str, criteria: Mapping[str, str] = CRITERIA
) -> Iterator[Row | Reject]:
    """Read regression pairs.

    Raises:
        InputError: where the file as a whole cannot be read.
    """
    ((field, criterion),) = criteria.items()
    for number, record in json_records(path):
        try:
            if isinstance(record, RowError):
                raise record
            a = clip_path(record.get("video1_path"), "video1_path", root)
            b = clip_path(record.get("video2_path"), "video2_path", root)
            if a == b:
                raise RowError("video1_path and video2_path are the same clip")
            prompt = text_or_none(record, "prompt", MAX_PROMPT_CHARS)
            preference = PAIR_WORDS.get(str(record.get(field)).strip().lower())
            if preference is None:
                raise RowError(
                    f"{field} must be one of {', '.join(PAIR_WORDS)}; found "
                    f"{str(record.get(field))[:40]!r}"
                )
        except RowError as error:
            yield Reject(str(path), number, error.message)
            continue
        yield PairRow(
            a=a,
            b=b,
            criterion=criterion,
            preference=preference,
            prompt=prompt,
            origin=Origin(str(path), number),
        )


def with_slot(question: str, prompt: str | None) -> str:
    """Bring a question to the form in which it is asked of any clip: with a slot for the prompt."""
    text = question.strip().replace(PROMPT_MARK, PROMPT_SLOT)
    if prompt and PROMPT_SLOT not in text:
        text = text.replace(prompt, PROMPT_SLOT)
    return text


def _answers(
    record: Mapping[str, Any], prompt: str | None, questions: Sequence[str]
) -> dict[str, float]:
    listed = "qa_list" in record or "QA" in record
    asked = _listed(record) if listed else _masked(record, questions)
    if not asked:
        raise RowError("no question was answered")
    if len(asked) > MAX_QUESTIONS:
        raise RowError(f"{len(asked)} questions; at most {MAX_QUESTIONS} are allowed")
    answers: dict[str, float] = {}
    for question, answer in asked:
        text = with_slot(question, prompt)
        if not text or len(text) > MAX_NAME_CHARS:
            raise RowError(f"a question must have 1 to {MAX_NAME_CHARS} characters")
        share = yes_share(answer, f"the answer to {text!r}")
        if answers.setdefault(text, share) != share:
            raise RowError(f"two different answers to {text!r}")
    return answers


def _listed(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    published = "qa_list" in record
    items = record["qa_list" if published else "QA"]
    question, answer = ("question", "answer") if published else ("q", "response")
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise RowError("the checklist must be a list of questions and answers")
    asked = []
    for item in items:
        if not isinstance(item, Mapping) or not isinstance(item.get(question), str):
            raise RowError(f"an item of the checklist has no {question!r}")
        asked.append((item[question], item.get(answer)))
    return asked


def _masked(record: Mapping[str, Any], questions: Sequence[str]) -> list[tuple[str, Any]]:
    results, mask = record.get("meta_result"), record.get("meta_mask")
    if not isinstance(results, Sequence) or not isinstance(mask, Sequence):
        raise RowError("a checklist needs qa_list, QA, or meta_result and meta_mask")
    if not questions:
        raise RowError("meta_result needs the list of questions")
    if not len(results) == len(mask) == len(questions):
        raise RowError(
            f"{len(results)} results and {len(mask)} masks for {len(questions)} questions"
        )
    if not set(results) <= {0, 1} or not set(mask) <= {0, 1}:
        raise RowError("meta_result and meta_mask must hold 0 and 1")
    return [
        (question, bool(result))
        for question, result, asked in zip(questions, results, mask, strict=True)
        if asked
    ]
