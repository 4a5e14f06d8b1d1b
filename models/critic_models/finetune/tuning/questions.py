"""From labelled rows to what a critic is asked, and the right answers as probabilities."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from critic_models.errors import PromptError
from critic_models.finetune.questions import spread_grade
from critic_models.judging import MAX_QUESTION_TOKENS
from critic_models.rows import (
    ChecklistRow,
    PairRow,
    PointRow,
    Preference3,
    Reject,
    Row,
    RowError,
)
from critic_models.rows.row import Label
from critic_models.vlm.criteria import YES_NO_ANSWERS, Criterion
from critic_models.vlm.prompts import build_branch, pairwise_question, pointwise_question
from critic_models.vlm.spec import CriticSpec
from critic_models.vlm.tokens import PromptTokenizer

MAX_QUESTIONS_PER_CASE = 64
_MAX_SLUG_CHARS = 60
_QUALITY_OF_GRADE = {"bad": 0.0, "normal": 0.5, "good": 1.0}


@dataclass(frozen=True)
class PointQuestion:
    """A question about one clip; `shares` are the probabilities of the criterion's answers."""

    criterion: str
    prompt: str | None
    shares: tuple[float, ...]
    weight: float
    reason: str


@dataclass(frozen=True)
class PairQuestion:
    """A question about two clips."""

    criterion: str
    prompt: str | None
    preference: Preference3
    weight: float
    reason: str


@dataclass(frozen=True)
class ClipCase:
    """Everything that some rows say of one clip; asked in one forward."""

    clip: str
    questions: tuple[PointQuestion, ...]


@dataclass(frozen=True)
class PairCase:
    """Everything that some rows say of two clips."""

    a: str
    b: str
    questions: tuple[PairQuestion, ...]


Case = ClipCase | PairCase


def with_checklists(spec: CriticSpec, rows: Iterable[Row]) -> CriticSpec:
    """Add a yes/no criterion for every checklist question that is not a criterion's name or text.

    Its name is made of the question's words; its answers are those of the critic's own first yes/no
    question.
    """
    words = [c.answers for c in spec.criteria.values() if c.read_from == "yes_no"]
    answers = words[0] if words else YES_NO_ANSWERS
    criteria = dict(spec.criteria)
    known = {c.question for c in criteria.values()} | set(criteria)
    for row in rows:
        for question in row.answers if isinstance(row, ChecklistRow) else ():
            if question in known:
                continue
            known.add(question)
            name = slug = _slug(question)
            copies = 1
            while name in criteria:
                copies += 1
                name = f"{slug}_{copies}"
            criteria[name] = Criterion(name, "yes_no", question, question, answers)
    return dataclasses.replace(spec, criteria=criteria)


def check_rows(
    rows: Sequence[Row], spec: CriticSpec, tokenizer: PromptTokenizer
) -> tuple[list[Row], list[Reject]]:
    """Separate rows that this critic can be asked from those it cannot, with reasons."""
    good: list[Row] = []
    rejects: list[Reject] = []
    for row in rows:
        try:
            for text in _texts(row, spec):
                length = len(build_branch(tokenizer, text))
                if length > MAX_QUESTION_TOKENS:
                    raise RowError(
                        f"the question has {length} tokens; at most {MAX_QUESTION_TOKENS} are "
                        "allowed"
                    )
            tokenizer.encode_text(row.reason)
            good.append(row)
        except (RowError, PromptError) as error:
            rejects.append(Reject(row.origin.file, row.origin.number, error.message))
    return good, rejects


def cases_of(rows: Iterable[Row], spec: CriticSpec) -> list[Case]:
    """Gather rows about the same clip, or the same two clips in the same order.

    Raises:
        RowError: where a row does not fit the critic; see `check_rows`.
    """
    points: dict[str, list[PointQuestion]] = {}
    pairs: dict[tuple[str, str], list[PairQuestion]] = {}
    for row in rows:
        if isinstance(row, PairRow):
            _criterion(spec, row.criterion)
            question = PairQuestion(
                row.criterion, row.prompt, row.preference, row.weight, row.reason
            )
            pairs.setdefault((row.a, row.b), []).append(question)
        else:
            points.setdefault(row.clip, []).extend(_point_questions(row, spec))
    cases: list[Case] = []
    most = MAX_QUESTIONS_PER_CASE
    for clip, asked in points.items():
        cases += [ClipCase(clip, tuple(asked[i : i + most])) for i in range(0, len(asked), most)]
    for (a, b), compared in pairs.items():
        cases += [
            PairCase(a, b, tuple(compared[i : i + most])) for i in range(0, len(compared), most)
        ]
    return cases


def shares_of(label: Label, criterion: Criterion) -> tuple[float, ...]:
    """Write a label as the probability of each of a criterion's answers.

    A number is the probability of the first answer of a yes/no question, or a quality between the
    two nearest grades of a graded one. Words are compared without case; "yes" and "no" fit any
    yes/no question, and so do Good, Normal and Bad, as 1, one half and 0.

    Raises:
        RowError: where the label does not fit.
    """
    if isinstance(label, Mapping):
        return _distribution(label, criterion)
    if isinstance(label, str):
        places = {word.lower(): i for i, word in enumerate(criterion.answers)}
        if criterion.read_from == "yes_no":
            places = dict(zip(YES_NO_ANSWERS, range(2), strict=True)) | places
        word = label.lower()
        if word in places:
            return tuple(float(i == places[word]) for i in range(len(criterion.answers)))
        if criterion.read_from != "yes_no" or word not in _QUALITY_OF_GRADE:
            raise _does_not_fit(repr(label), criterion)
        label = _QUALITY_OF_GRADE[word]
    if criterion.read_from == "yes_no":
        return (label, 1.0 - label)
    return tuple(spread_grade(label, criterion.answers).values())


def _distribution(label: Mapping[str, float], criterion: Criterion) -> tuple[float, ...]:
    shares = {word.lower(): share for word, share in label.items()}
    words = [word.lower() for word in criterion.answers]
    if criterion.read_from == "yes_no" and not set(shares) <= set(words):
        words = list(YES_NO_ANSWERS)
    if len(shares) != len(label) or not set(shares) <= set(words):
        raise _does_not_fit(repr(sorted(label)), criterion)
    return tuple(shares.get(word, 0.0) for word in words)


def _does_not_fit(label: str, criterion: Criterion) -> RowError:
    return RowError(
        f"the label {label} does not fit {criterion.name}, which is answered by "
        + ", ".join(criterion.answers)
    )


def _point_questions(row: PointRow | ChecklistRow, spec: CriticSpec) -> list[PointQuestion]:
    if isinstance(row, PointRow):
        shares = shares_of(row.label, _criterion(spec, row.criterion))
        return [PointQuestion(row.criterion, row.prompt, shares, row.weight, row.reason)]
    by_text = {c.question: c for c in spec.criteria.values()}
    asked = []
    for question, yes in row.answers.items():
        criterion = spec.criteria.get(question) or by_text.get(question)
        if criterion is None:
            raise RowError(f"no criterion asks {question!r}")
        if criterion.read_from != "yes_no":
            raise RowError(f"{criterion.name} is no yes/no question")
        asked.append(PointQuestion(criterion.name, row.prompt, (yes, 1.0 - yes), row.weight, ""))
    return asked


def _texts(row: Row, spec: CriticSpec) -> list[str]:
    if isinstance(row, PairRow):
        criterion = _criterion(spec, row.criterion)
        return [
            pairwise_question(spec.pairwise_question, criterion, row.prompt),
            pointwise_question(criterion, row.prompt),
        ]
    asked = _point_questions(row, spec)
    return [pointwise_question(spec.criteria[q.criterion], q.prompt) for q in asked]


def _criterion(spec: CriticSpec, name: str) -> Criterion:
    if name not in spec.criteria:
        raise RowError(f"no criterion {name!r}; there are {', '.join(spec.criteria)}")
    return spec.criteria[name]


def _slug(question: str) -> str:
    words = re.findall(r"[a-z0-9]+", question.lower().replace("{prompt}", "prompt"))
    return "_".join(words)[:_MAX_SLUG_CHARS].strip("_") or "question"
