"""From the service's answers, or lines of a file, to samples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from critic_client._models import CompareReply, ScoreReply

from .pairs import Comparison
from .rows import Origin, Reject, Sample

_FIELDS = {field.name for field in fields(Sample)}
_ORIGIN_FIELDS = {field.name for field in fields(Origin)}


def samples_of(
    reply: ScoreReply,
    clips: Sequence[str],
    prompts: Sequence[str],
    *,
    round: int = 0,
    generator: str | None = None,
    seeds: Sequence[int | None] | None = None,
) -> list[Sample]:
    """Turn an answer to `score` into samples; a clip that was not judged keeps its reason.

    Raises:
        ValueError: where the numbers of clips, prompts, seeds and results differ.
    """
    chosen = seeds if seeds is not None else [None] * len(clips)
    if not len(clips) == len(prompts) == len(reply.results) == len(chosen):
        raise ValueError(
            f"{len(reply.results)} results, {len(clips)} clips, {len(prompts)} prompts and "
            f"{len(chosen)} seeds do not fit together"
        )
    print_of = reply.fingerprint
    return [
        Sample(
            clip=clip,
            prompt=prompt,
            reward=result.reward,
            scores={name: score.value for name, score in result.scores.items()},
            grades={
                name: max(score.probabilities, key=lambda word: score.probabilities[word])
                for name, score in result.scores.items()
                if score.read_from == "graded" and score.probabilities
            },
            reason=result.reason.message if result.reason else None,
            origin=Origin(reply.critic, print_of.revision, print_of.id, round, generator, seed),
        )
        for clip, prompt, seed, result in zip(clips, prompts, chosen, reply.results, strict=True)
    ]


def comparisons_of(
    reply: CompareReply, a: Sequence[Sample], b: Sequence[Sample], criterion: str
) -> tuple[list[Comparison], list[Reject]]:
    """Turn an answer to `compare` into preferences on one criterion, and what has none.

    Raises:
        ValueError: where the numbers of pairs differ, or nothing was asked about the criterion.
    """
    if not len(a) == len(b) == len(reply.results):
        raise ValueError(f"{len(reply.results)} results for {len(a)} and {len(b)} clips")
    found, rejects = [], []
    for one, other, result in zip(a, b, reply.results, strict=True):
        preference = result.preferences.get(criterion)
        if preference is None and result.reason is None:
            raise ValueError(f"the answer has no preference on {criterion!r}")
        if preference is None or preference.p_win is None:
            reason = (preference.reason if preference else None) or result.reason
            why = reason.message if reason else "no preference"
            rejects.append(Reject(one.prompt, (one.clip, other.clip), why, one.origin))
            continue
        found.append(
            Comparison(
                one, other, preference.p_win, preference.p_tie or 0.0, preference.p_lose or 0.0
            )
        )
    return found, rejects


def read_samples(lines: Iterable[str]) -> Iterator[Sample | Reject]:
    """Read JSON lines with the fields of `Sample`; fields that it lacks become columns.

    A line that is no sample is a `Reject` that names the line; it stops nothing.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _sample(json.loads(line, parse_constant=_refuse))
        except (ValueError, TypeError) as error:
            yield Reject("", (), f"line {number}: {error}")


def read_comparisons(lines: Iterable[str]) -> Iterator[Comparison | Reject]:
    """Read JSON lines with `a` and `b`, samples without or with rewards, and three probabilities.

    A line that is no comparison is a `Reject` that names the line; it stops nothing.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_refuse)
            if not isinstance(row, dict):
                raise ValueError("a row must be a JSON object")
            sides = [_number(name, row.get(name)) for name in ("p_win", "p_tie", "p_lose")]
            win, tie, lose = (_required(side) for side in sides)
            yield Comparison(_sample(row.get("a")), _sample(row.get("b")), win, tie, lose)
        except (ValueError, TypeError) as error:
            yield Reject("", (), f"line {number}: {error}")


def _required(number: float | None) -> float:
    if number is None:
        raise ValueError("a comparison needs 'p_win', 'p_tie' and 'p_lose'")
    return number


def _sample(row: Any) -> Sample:
    if not isinstance(row, dict):
        raise ValueError("a row must be a JSON object")
    for name in ("clip", "prompt"):
        if not isinstance(row.get(name), str):
            raise ValueError(f"{name!r} must be a text")
    origin = row.get("origin", {})
    if not isinstance(origin, dict) or set(origin) - _ORIGIN_FIELDS:
        raise ValueError(f"'origin' may have the fields {sorted(_ORIGIN_FIELDS)}")
    columns = {name: value for name, value in row.items() if name not in _FIELDS}
    return Sample(
        clip=row["clip"],
        prompt=row["prompt"],
        reward=_number("reward", row.get("reward")),
        scores=_numbers("scores", row.get("scores")),
        answers=_numbers("answers", row.get("answers")),
        grades=_words("grades", row.get("grades")),
        reason=row.get("reason"),
        origin=Origin(**origin),
        columns={**columns, **row.get("columns", {})},
    )


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in ("yes", "no"):
        return float(value.lower() == "yes")
    if not isinstance(value, (bool, int, float)) or not math.isfinite(value):
        raise ValueError(f"{name!r} must be a finite number or null, not {value!r}")
    return float(value)


def _numbers(name: str, value: Any) -> dict[str, float | None]:
    return {key: _number(f"{name}.{key}", number) for key, number in _object(name, value).items()}


def _words(name: str, value: Any) -> dict[str, str | None]:
    words = _object(name, value)
    if any(word is not None and not isinstance(word, str) for word in words.values()):
        raise ValueError(f"{name!r} must hold texts")
    return dict(words)


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} must be a JSON object")
    return value


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")
