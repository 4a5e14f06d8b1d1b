"""The critic's own loop of Dual-IPO: label new pairs with the critic of this round, keep what is
certain, and train the critic of the next round on it.

Every round is a folder of its own. Rows carry the critic, its revision and the round; nothing that
was written is written again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from critic_models.errors import ClipError, InputError
from critic_models.finetune.tuning.evaluate import or_raise
from critic_models.finetune.tuning.views import View, look, wording_of
from critic_models.finetune.tuning.votes import Verdict, majority, preference_certainty
from critic_models.judging import Judge
from critic_models.rows import PairRow, Preference3, Reject, row_to_json
from critic_models.rows.read import write_rejects
from critic_models.types import Preference

ROWS_FILE = "rows.jsonl"
REJECTS_FILE = "rejects.jsonl"
_SIDES = {
    "a": Preference3(1.0, 0.0, 0.0),
    "tie": Preference3(0.0, 1.0, 0.0),
    "b": Preference3(0.0, 0.0, 1.0),
}
_LEAST = 1e-12


@dataclass(frozen=True)
class Candidate:
    """Two clips of one prompt that nobody has compared yet."""

    a: str
    b: str
    prompt: str | None
    criterion: str


@dataclass(frozen=True)
class Round:
    """What a round labels, and how strictly.

    Attributes:
        number: of the round, from 1.
        views: how clips are looked at; each view is a vote.
        wordings: criteria of the critic that are wordings of one, by that one; a criterion that is
            not here has its own wording alone.
        min_agreement: share of votes that a label needs.
        min_certainty: certainty that a label must exceed.
    """

    number: int
    views: Sequence[View]
    wordings: Mapping[str, Sequence[str]]
    min_agreement: float = 0.75
    min_certainty: float = 0.5


@dataclass(frozen=True)
class Labelled:
    """Rows that were kept, and candidates that were not, counted from 1, with reasons."""

    rows: Sequence[PairRow]
    rejects: Sequence[Reject]


def label_pairs(
    judge: Judge, reference: Judge, candidates: Sequence[Candidate], settings: Round
) -> Labelled:
    """Label pairs by majority over views, both orders in each, and filter them by certainty.

    Args:
        judge: the critic of this round.
        reference: the critic that it was tuned from; its probability of a label is what certainty
            is measured against.

    Raises:
        CriticError: where a forward fails or a criterion is unknown.
    """
    where = f"round {settings.number}"
    rejects: list[Reject] = []
    verdicts: list[tuple[int, Verdict]] = []
    rewards: list[float] = []
    for number, candidate in enumerate(candidates, 1):
        try:
            seen = [_compare(judge, candidate, view, settings) for view in settings.views]
        except (ClipError, OSError) as error:
            rejects.append(Reject(where, number, str(error)))
            continue
        verdict = majority([preference.preferred for preference in seen])
        if verdict.answer is None or verdict.agreement < settings.min_agreement:
            reason = f"{verdict.agreement:.0%} of the views agree on {verdict.answer or 'nothing'}"
            rejects.append(Reject(where, number, reason))
            continue
        before = [_compare(reference, candidate, view, settings) for view in settings.views]
        rewards.append(_log_share(seen, verdict.answer) - _log_share(before, verdict.answer))
        verdicts.append((number, verdict))
    rows: list[PairRow] = []
    certainties = preference_certainty(np.asarray(rewards)) if rewards else np.empty(0)
    for (number, verdict), certainty in zip(verdicts, certainties.tolist(), strict=True):
        if certainty <= settings.min_certainty:
            rejects.append(Reject(where, number, f"certainty {certainty:.3f}"))
            continue
        rows.append(_row(judge, candidates[number - 1], verdict, certainty, settings.number))
    return Labelled(rows, sorted(rejects, key=lambda reject: reject.number))


def write_round(folder: Path, number: int, labelled: Labelled) -> Path:
    """Write a round into a new folder below `folder`; returns the file of rows.

    Raises:
        InputError: where the round has been written before.
    """
    target = folder / f"round-{number:03d}"
    try:
        target.mkdir(parents=True)
    except FileExistsError as error:
        raise InputError(f"{target} exists; a round is never written twice") from error
    path = target / ROWS_FILE
    with path.open("x", encoding="utf-8") as file:
        for row in labelled.rows:
            file.write(json.dumps(row_to_json(row), ensure_ascii=False) + "\n")
    write_rejects(target / REJECTS_FILE, labelled.rejects)
    return path


def _compare(judge: Judge, candidate: Candidate, view: View, settings: Round) -> Preference:
    wordings = settings.wordings.get(candidate.criterion, (candidate.criterion,))
    name = wording_of(wordings, view)
    a, b = (judge.prepare(look(p, judge.sampling, view)) for p in (candidate.a, candidate.b))
    ab, ba = (or_raise(said) for said in judge.run(judge.pairwise(a, b, candidate.prompt, [name])))
    return judge.preferences(ab, ba)[name]


def _log_share(seen: Sequence[Preference], side: str) -> float:
    """Mean log-probability of a side over views; a view without an answer gives it the least."""
    shares = [{"a": p.p_win, "tie": p.p_tie, "b": p.p_lose}[side] or 0.0 for p in seen]
    return math.fsum(math.log(max(share, _LEAST)) for share in shares) / len(shares)


def _row(
    judge: Judge, candidate: Candidate, verdict: Verdict, certainty: float, number: int
) -> PairRow:
    return PairRow(
        a=candidate.a,
        b=candidate.b,
        criterion=candidate.criterion,
        preference=_SIDES[verdict.answer or ""],
        prompt=candidate.prompt,
        weight=certainty,
        source={
            "critic": judge.name,
            "revision": judge.revision,
            "round": number,
            "votes": verdict.num_votes,
            "agreement": verdict.agreement,
            "certainty": certainty,
        },
    )
