"""What a critic says of labelled cases, through the serving path, and how often it is right.

Pairs are judged by both methods of `compare`. With ties, a label of three is right or wrong, the
critic's own tie decision included; without ties, rows labelled a tie are left out and the likelier
side of the critic counts. A case that the critic did not answer is wrong, and is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from critic_models.engine import Answers, WorkItem
from critic_models.errors import CriticError
from critic_models.finetune.accuracy import Accuracy
from critic_models.finetune.tuning.questions import Case, ClipCase, PairCase
from critic_models.judging import Judge
from critic_models.rows import Preference3
from critic_models.types import Preference, Score
from critic_models.video.load import load_clip
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.readout import preference_from_scores, preferred_side
from critic_models.vlm.spec import CriticSpec, PairwiseMethod

Figures = dict[str, dict[str, Accuracy]]
"""Accuracies by heading and criterion."""

_CASES_AT_ONCE = 8
_DECODERS = 4


@dataclass(frozen=True)
class PointAnswer:
    """A score, and the shares of the right answers."""

    score: Score
    shares: tuple[float, ...]


@dataclass(frozen=True)
class PairAnswer:
    """A comparison of two clips, their own scores, and the label."""

    compared: Preference
    a: Score
    b: Score
    label: Preference3


@dataclass(frozen=True)
class Answered:
    """Everything a critic said of some cases."""

    points: Sequence[PointAnswer]
    pairs: Sequence[PairAnswer]


def answer_cases(judge: Judge, cases: Sequence[Case]) -> Answered:
    """Ask a critic everything that the cases ask.

    Raises:
        CriticError: where a clip cannot be read or a forward fails.
    """
    points: list[PointAnswer] = []
    pairs: list[PairAnswer] = []

    def prepare(path: str) -> PreparedClip:
        return judge.prepare(load_clip(path, judge.sampling))

    with ThreadPoolExecutor(_DECODERS) as pool:
        for first in range(0, len(cases), _CASES_AT_ONCE):
            batch = cases[first : first + _CASES_AT_ONCE]
            paths = list(dict.fromkeys(path for case in batch for path in _paths(case)))
            clips = dict(zip(paths, pool.map(prepare, paths), strict=True))
            asked = [_items(judge, case, clips) for case in batch]
            said = iter(judge.run([item for items in asked for item in items]))
            for case, items in zip(batch, asked, strict=True):
                answers = [or_raise(next(said)) for _ in items]
                if isinstance(case, ClipCase):
                    points += _read_points(judge, case, answers)
                else:
                    pairs += _read_pairs(judge, case, answers)
    return Answered(points, pairs)


def measure(answered: Answered, spec: CriticSpec) -> Figures:
    """Compute accuracies by criterion, under the headings that have any rows."""
    figures: Figures = {}

    def count(heading: str, criterion: str, right: bool) -> None:
        group = figures.setdefault(heading, {})
        group[criterion] = group.get(criterion, Accuracy(0, 0)) + Accuracy(int(right), 1)

    for point in answered.points:
        said = list(point.score.probabilities.values())
        right = bool(said) and int(np.argmax(said)) == int(np.argmax(point.shares))
        count("single clips", point.score.criterion, right)
    for pair in answered.pairs:
        label = side_of(pair.label)
        for method, preference in preferences(pair, spec).items():
            name = preference.criterion
            count(f"{method}, with ties", name, preference.preferred == label)
            if label != "tie":
                sign = 1.0 if label == "a" else -1.0
                lead = (preference.p_win or 0.0) - (preference.p_lose or 0.0)
                count(f"{method}, without ties", name, lead * sign > 0)
    return figures


def unanswered(answered: Answered) -> dict[str, int]:
    """Count questions without an answer, by criterion; only those that have some."""
    missing: dict[str, int] = defaultdict(int)
    for point in answered.points:
        missing[point.score.criterion] += point.score.raw is None
    for pair in answered.pairs:
        gaps = (pair.compared.p_win, pair.a.raw, pair.b.raw)
        missing[pair.compared.criterion] += any(gap is None for gap in gaps)
    return {name: count for name, count in missing.items() if count}


def preferences(pair: PairAnswer, spec: CriticSpec) -> dict[PairwiseMethod, Preference]:
    """Read a pair by both methods."""
    platt = spec.calibration.get(pair.a.criterion)
    return {
        "both_orders": pair.compared,
        "scores": preference_from_scores(pair.a, pair.b, platt, spec.tie_margin),
    }


def better_method(figures: Figures) -> PairwiseMethod:
    """Name the method with the higher accuracy with ties; `both_orders` where they are equal."""
    totals = {
        method: sum(figures.get(f"{method}, with ties", {}).values(), Accuracy(0, 0)).correct
        for method in ("both_orders", "scores")
    }
    return "scores" if totals["scores"] > totals["both_orders"] else "both_orders"


def side_of(label: Preference3) -> str:
    """Name the likeliest side of a label; a draw between the clips is a tie."""
    return preferred_side(label.a, label.tie, label.b)


def _paths(case: Case) -> tuple[str, ...]:
    return (case.a, case.b) if isinstance(case, PairCase) else (case.clip,)


def _items(judge: Judge, case: Case, clips: Mapping[str, PreparedClip]) -> list[WorkItem]:
    items: list[WorkItem] = []
    for question in case.questions:
        names = [question.criterion]
        if isinstance(case, ClipCase):
            items.append(judge.pointwise(clips[case.clip], question.prompt, names))
        else:
            a, b = clips[case.a], clips[case.b]
            items += judge.pairwise(a, b, question.prompt, names)
            items += [judge.pointwise(clip, question.prompt, names) for clip in (a, b)]
    return items


def _read_points(judge: Judge, case: ClipCase, answers: Sequence[Answers]) -> list[PointAnswer]:
    return [
        PointAnswer(judge.scores(said)[question.criterion], question.shares)
        for question, said in zip(case.questions, answers, strict=True)
    ]


def _read_pairs(judge: Judge, case: PairCase, answers: Sequence[Answers]) -> list[PairAnswer]:
    read: list[PairAnswer] = []
    for position, question in enumerate(case.questions):
        ab, ba, a, b = answers[4 * position : 4 * position + 4]
        name = question.criterion
        read.append(
            PairAnswer(
                judge.preferences(ab, ba)[name],
                judge.scores(a)[name],
                judge.scores(b)[name],
                question.preference,
            )
        )
    return read


def or_raise(answers: Answers | CriticError) -> Answers:
    """Return the answers to one item, or raise what went wrong with it."""
    if isinstance(answers, CriticError):
        raise answers
    return answers
