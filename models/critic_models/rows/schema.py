"""The project's own rows: one JSON object a line, every field checked, nothing unknown."""

from __future__ import annotations

import json
import math
import os.path
from collections.abc import Mapping
from typing import Any, NoReturn

from critic_models.rows.row import (
    NOWHERE,
    ChecklistRow,
    Label,
    Origin,
    PairRow,
    PointRow,
    Preference3,
    Row,
    RowError,
)

MAX_PATH_CHARS = 4_096
MAX_PROMPT_CHARS = 8_192
MAX_REASON_CHARS = 4_096
MAX_NAME_CHARS = 512
MAX_QUESTIONS = 256
MAX_WEIGHT = 1e6
_SUM_TOLERANCE = 1e-3
_EXACT_SUM = 1e-9

_COMMON = {"prompt", "reason", "weight", "source"}
_LABELS = ("grade", "answer", "label")
_SIDES = {
    "a": Preference3(1.0, 0.0, 0.0),
    "tie": Preference3(0.0, 1.0, 0.0),
    "b": Preference3(0.0, 0.0, 1.0),
}


def parse_json(text: str) -> dict[str, Any]:
    """Parse one JSON object strictly: no repeated keys, no NaN, no infinity.

    Raises:
        RowError: where it is not so.
    """
    try:
        content = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise RowError("a row must be a JSON object")
    return content


def parse_row(content: Mapping[str, Any], root: str = "", origin: Origin = NOWHERE) -> Row:
    """Read one row of the project's own schema.

    Args:
        content: the JSON object.
        root: folder that relative paths of clips start from; clips lie inside it.
        origin: for error messages.

    Raises:
        RowError: naming the field that is missing, unknown or wrong, and what is allowed.
    """
    common: dict[str, Any] = {
        "prompt": text_or_none(content, "prompt", MAX_PROMPT_CHARS),
        "reason": text_or_none(content, "reason", MAX_REASON_CHARS) or "",
        "weight": _weight(content.get("weight", 1.0)),
        "source": _source(content.get("source", {})),
        "origin": origin,
    }
    if "clip" in content and "answers" in content:
        _only(content, (_COMMON - {"reason"}) | {"clip", "answers"})
        clip = clip_path(content["clip"], "clip", root)
        return ChecklistRow(clip=clip, answers=_answers(content["answers"]), **common)
    if "clip" in content:
        _only(content, _COMMON | {"clip", "criterion", *_LABELS})
        clip = clip_path(content["clip"], "clip", root)
        return PointRow(
            clip=clip,
            criterion=required_text(content, "criterion", MAX_NAME_CHARS),
            label=_label(content),
            **common,
        )
    if "a" in content or "b" in content:
        _only(content, _COMMON | {"a", "b", "criterion", "preference"})
        if "a" not in content or "b" not in content:
            raise RowError("a pair needs both clips: a and b")
        a, b = clip_path(content["a"], "a", root), clip_path(content["b"], "b", root)
        if a == b:
            raise RowError("a and b are the same clip")
        if "preference" not in content:
            raise RowError("a pair needs a preference: a, b, tie, or the probability of each")
        return PairRow(
            a=a,
            b=b,
            criterion=required_text(content, "criterion", MAX_NAME_CHARS),
            preference=_preference(content["preference"]),
            **common,
        )
    raise RowError("a row needs clip, or a and b")


def row_to_json(row: Row) -> dict[str, Any]:
    """Return the JSON object that `parse_row` reads back as an equal row."""
    content: dict[str, Any]
    if isinstance(row, PairRow):
        p = row.preference
        sides = [side for side, value in _SIDES.items() if value == p]
        preference = sides[0] if sides else {"a": p.a, "tie": p.tie, "b": p.b}
        content = {"a": row.a, "b": row.b, "criterion": row.criterion, "preference": preference}
    elif isinstance(row, ChecklistRow):
        content = {"clip": row.clip, "answers": dict(row.answers)}
    else:
        key = "label" if isinstance(row.label, Mapping) else "grade"
        label = dict(row.label) if isinstance(row.label, Mapping) else row.label
        content = {"clip": row.clip, "criterion": row.criterion, key: label}
    optional = {"prompt": row.prompt, "reason": row.reason, "source": dict(row.source)}
    content |= {name: value for name, value in optional.items() if value}
    if row.weight != 1.0:
        content["weight"] = row.weight
    return content


def clip_path(value: Any, name: str, root: str) -> str:
    """Resolve the path of a clip against its root, as text; the file is not looked at.

    Raises:
        RowError: where it is not a path, is a URL, or leads out of the root.
    """
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{name} must be the path of a clip")
    if len(value) > MAX_PATH_CHARS or "\0" in value:
        raise RowError(f"{name} is no path: too long, or holds a NUL")
    if "://" in value:
        raise RowError(f"{name} is a URL; clips are local files")
    base = os.path.abspath(root)
    path = os.path.normpath(os.path.join(base, value))
    if os.path.commonpath([base, path]) != base:
        raise RowError(f"{name} leads out of the clips' folder {base}: {value}")
    return path


def required_text(content: Mapping[str, Any], name: str, max_chars: int) -> str:
    """Read a field that must be there and not empty."""
    value = text_or_none(content, name, max_chars)
    if value is None:
        raise RowError(f"{name} is missing or empty")
    return value


def text_or_none(content: Mapping[str, Any], name: str, max_chars: int) -> str | None:
    """Read a text, stripped; None where it is missing, null or empty."""
    value = content.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RowError(f"{name} must be a text; found {type(value).__name__}")
    if len(value) > max_chars:
        raise RowError(f"{name} has {len(value)} characters; at most {max_chars} are allowed")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(f"{name} is not valid Unicode") from error
    return value.strip() or None


def share_of(value: Any, name: str) -> float:
    """Read a number in [0, 1]."""
    number = _number(value, name)
    if not 0.0 <= number <= 1.0:
        raise RowError(f"{name} must be in [0, 1]; found {number:g}")
    return number


def distribution(value: Any, name: str) -> dict[str, float]:
    """Read probabilities by word, brought to a sum of one where they were rounded."""
    if not isinstance(value, Mapping) or not value:
        raise RowError(f"{name} must be an object of probabilities by word")
    shares = {word: share_of(share, f"{name} of {word!r}") for word, share in value.items()}
    total = sum(shares.values())
    if abs(total - 1.0) > _SUM_TOLERANCE:
        raise RowError(f"the probabilities of {name} sum to {total:g}, not to 1")
    if abs(total - 1.0) <= _EXACT_SUM:
        return shares
    return {word: share / total for word, share in shares.items()}


def _label(content: Mapping[str, Any]) -> Label:
    given = [name for name in _LABELS if name in content]
    if len(given) != 1:
        raise RowError(f"a row of one clip needs exactly one of {', '.join(_LABELS)}")
    (name,) = given
    value = content[name]
    if name == "label":
        return distribution(value, "label")
    if name == "answer" and isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return required_text(content, name, MAX_NAME_CHARS)
    if name == "answer":
        raise RowError("answer must be yes or no")
    return share_of(value, "grade")


def _answers(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or not value:
        raise RowError("answers must be an object of yes or no by question")
    if len(value) > MAX_QUESTIONS:
        raise RowError(f"answers has {len(value)} questions; at most {MAX_QUESTIONS} are allowed")
    answers: dict[str, float] = {}
    for question, answer in value.items():
        text = question.strip()
        if not text or len(text) > MAX_NAME_CHARS:
            raise RowError(f"a question must have 1 to {MAX_NAME_CHARS} characters")
        if text in answers:
            raise RowError(f"the question {text!r} is there twice")
        answers[text] = yes_share(answer, f"the answer to {text!r}")
    return answers


def yes_share(answer: Any, name: str) -> float:
    """Read yes, no, true, false, or the probability of yes."""
    if isinstance(answer, bool):
        return 1.0 if answer else 0.0
    if isinstance(answer, str):
        word = answer.strip().rstrip(".").lower()
        if word in ("yes", "no"):
            return 1.0 if word == "yes" else 0.0
        raise RowError(f"{name} must be yes or no; found {answer[:40]!r}")
    return share_of(answer, name)


def _preference(value: Any) -> Preference3:
    if isinstance(value, str) and value in _SIDES:
        return _SIDES[value]
    if isinstance(value, Mapping) and set(value) == {"a", "tie", "b"}:
        shares = distribution(value, "preference")
        return Preference3(shares["a"], shares["tie"], shares["b"])
    raise RowError('preference must be "a", "b", "tie" or {"a": p, "tie": p, "b": p}')


def _weight(value: Any) -> float:
    weight = _number(value, "weight")
    if not 0.0 < weight <= MAX_WEIGHT:
        raise RowError(f"weight must be above 0 and at most {MAX_WEIGHT:g}; found {weight:g}")
    return weight


def _source(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise RowError("source must be an object")
    return dict(value)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowError(f"{name} must be a number; found {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError as error:
        raise RowError(f"{name} is too large") from error
    if not math.isfinite(number):
        raise RowError(f"{name} must be finite")
    return number


def _only(content: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(set(content) - allowed)
    if unknown:
        raise RowError(f"unknown fields {unknown}; allowed here: {sorted(allowed)}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is there twice")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
