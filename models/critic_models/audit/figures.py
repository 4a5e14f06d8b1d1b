"""The figures of one criterion, from the answers about its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.audit.accuracy import WithTies, accuracy_with_ties, accuracy_without_ties
from critic_models.audit.asking import Comparison, Scores
from critic_models.audit.grading import CurveStep, Ladder, graded_values, ladders, severity_curve
from critic_models.audit.intervals import Estimate, group_codes, mean, share
from critic_models.audit.labelled import LabelledPair, LabelledSet, Shown
from critic_models.audit.orders import first_shown_advantage, order_consistency, same_side
from critic_models.audit.reliability import Bin, expected_calibration_error, reliability_curve

WORST_CASES = 3
_SIGN = {"a": 1, "b": -1, "tie": 0}


@dataclass(frozen=True)
class Case:
    """A labelled pair, and what the critic said of it."""

    pair: LabelledPair
    comparison: Comparison

    @property
    def is_wrong(self) -> bool:
        return bool(np.sign(self.comparison.margin) != _SIGN[self.pair.preference])


@dataclass(frozen=True)
class OrderFigures:
    """Means over pairs that were compared in both orders; see `orders`.

    Attributes:
        consistency: in [0, 1].
        same_side: share of pairs in which both orders name the same outcome.
        first_shown_advantage: in [-1, 1]; the position bias, above 0 for the clip shown first.
    """

    consistency: Estimate | None
    same_side: Estimate | None
    first_shown_advantage: Estimate | None


@dataclass(frozen=True)
class CriterionFigures:
    """All that was measured of one criterion; None where the set or the method cannot say it.

    Attributes:
        n: pairs that the critic answered.
        answered: share of the labels, of pairs and of grades, to which there is an answer.
        reasons: why there are none to the others, and how many.
        accuracy, by_kind, by_part: without ties; over all pairs, by what they test, and by part.
        with_ties: see `accuracy`.
        served_with_ties: three-way accuracy of what `compare` serves, with its own tie margin.
        ladders: by kind of grade.
        ece, reliability: of the value against the grade.
        preference_ece: of P(wins) among "wins" and "loses" against who is better.
        orders: of the pairs that were compared in both orders.
        static_wins: how often a twin that stands still is preferred to the clip that moves.
        rephrasing_spread: largest minus smallest value over prompts of equal meaning.
        curves: by kind of change.
        worst: the pairs whose margins are farthest on the wrong side, or nearest to it.
    """

    name: str
    n: int
    answered: Estimate | None
    reasons: Mapping[str, int]
    accuracy: Estimate | None
    by_kind: Mapping[str, Estimate]
    by_part: Mapping[str, Estimate]
    with_ties: WithTies | None
    served_with_ties: Estimate | None
    ladders: Mapping[str, Ladder]
    ece: Estimate | None
    reliability: Sequence[Bin]
    preference_ece: Estimate | None
    orders: OrderFigures | None
    static_wins: Estimate | None
    rephrasing_spread: Estimate | None
    curves: Mapping[str, Sequence[CurveStep]]
    worst: Sequence[Case]

    @property
    def spearman(self) -> Estimate | None:
        """The lowest figure of the ladders: a critic is as good as on its weakest defect."""
        found = [ladder.figure for ladder in self.ladders.values() if ladder.figure is not None]
        return min(found, key=lambda figure: figure.value, default=None)


def measure_criterion(
    name: str,
    labelled: LabelledSet,
    scores: Scores,
    compared: Sequence[Comparison],
    compared_static: Sequence[Comparison],
) -> CriterionFigures:
    """Compute the figures of one criterion.

    Args:
        compared: of `labelled.pairs`, in their order.
        compared_static: of `labelled.static_pairs`, in their order.
    """
    cases = _cases(name, labelled.pairs, compared)
    static = _cases(name, labelled.static_pairs, compared_static)
    grades = [grade for grade in labelled.grades if grade.criterion == name]
    graded = [scores.of(grade.shown, name) for grade in grades]
    lacking = [case.comparison.reason for case in (*cases, *static)]
    lacking += [score.reason for score in graded]
    # What is not answered is counted rather than inferred, so groups do not come in.
    is_answered = np.asarray([reason is None for reason in lacking], bool)
    answered = share(is_answered, np.arange(len(lacking)))
    known = [case for case in cases if case.comparison.reason is None]
    decided = [case for case in known if case.pair.preference != "tie"]
    margins, signs, groups = _columns(known)
    value_margins = np.asarray([case.comparison.value_margin for case in known], np.float64)
    kinds = dict.fromkeys(case.pair.kind for case in decided)
    absolute = grades if labelled.grades_are_absolute else []
    values, truths, graded_groups = graded_values(name, absolute, scores)
    return CriterionFigures(
        name=name,
        n=len(known),
        answered=answered,
        reasons={why: lacking.count(why) for why in dict.fromkeys(lacking) if why is not None},
        accuracy=accuracy_without_ties(margins, signs, groups),
        by_kind=_breakdown(decided, [case.pair.kind for case in decided]),
        by_part=_breakdown(decided, [labelled.parts.get(c.pair.group) for c in decided]),
        with_ties=accuracy_with_ties(value_margins, signs, groups),
        served_with_ties=_served_with_ties(known),
        ladders=ladders(name, grades, scores),
        ece=expected_calibration_error(values, truths, graded_groups),
        reliability=reliability_curve(values, truths),
        preference_ece=_preference_ece(decided),
        orders=_order_figures(known),
        static_wins=_static_wins(static),
        rephrasing_spread=_rephrasing_spread(name, labelled, scores),
        curves={
            kind: steps
            for kind in kinds
            if (steps := severity_curve(name, labelled.changes_of(kind), scores))
        },
        worst=_worst(decided),
    )


def _cases(name: str, pairs: Sequence[LabelledPair], compared: Sequence[Comparison]) -> list[Case]:
    both = zip(pairs, compared, strict=True)
    return [Case(pair, comparison) for pair, comparison in both if pair.criterion == name]


def _columns(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return margins float64 `[N]`, labels int64 `[N]` and groups int64 `[N]`."""
    margins = np.asarray([case.comparison.margin for case in cases], np.float64)
    signs = np.asarray([_SIGN[case.pair.preference] for case in cases], np.int64)
    return margins, signs, group_codes([case.pair.group for case in cases])


def _breakdown(cases: Sequence[Case], names: Sequence[str | None]) -> dict[str, Estimate]:
    parts: dict[str, list[Case]] = {}
    for case, name in zip(cases, names, strict=True):
        if name is not None:
            parts.setdefault(name, []).append(case)
    found = {name: accuracy_without_ties(*_columns(part)) for name, part in parts.items()}
    return {name: figure for name, figure in found.items() if figure is not None}


def _served_with_ties(cases: Sequence[Case]) -> Estimate | None:
    if not any(case.pair.preference == "tie" for case in cases):
        return None
    right = [case.comparison.preferred == case.pair.preference for case in cases]
    return share(np.asarray(right, bool), group_codes([case.pair.group for case in cases]))


def _preference_ece(decided: Sequence[Case]) -> Estimate | None:
    wins = np.asarray([case.comparison.p_win for case in decided], np.float64)
    loses = np.asarray([case.comparison.p_lose for case in decided], np.float64)
    known = wins + loses > 0
    p = wins[known] / (wins + loses)[known]
    better = np.asarray([case.pair.preference == "a" for case in decided], bool)[known]
    right = np.where(p == 0.5, 0.5, (p > 0.5) == better).astype(np.float64)
    groups = group_codes([case.pair.group for case in decided])[known]
    return expected_calibration_error(np.maximum(p, 1 - p), right, groups)


def _order_figures(cases: Sequence[Case]) -> OrderFigures | None:
    asked = [(c, c.comparison.orders) for c in cases if c.comparison.orders is not None]
    if not asked:
        return None
    forward = np.stack([orders[0] for _, orders in asked])
    backward = np.stack([orders[1] for _, orders in asked])
    groups = group_codes([case.pair.group for case, _ in asked])
    return OrderFigures(
        mean(order_consistency(forward, backward), groups),
        share(same_side(forward, backward), groups),
        mean(first_shown_advantage(forward, backward), groups),
    )


def _static_wins(cases: Sequence[Case]) -> Estimate | None:
    margins, signs, groups = _columns([c for c in cases if c.comparison.reason is None])
    return share(np.sign(margins) == -signs, groups)


def _rephrasing_spread(name: str, labelled: LabelledSet, scores: Scores) -> Estimate | None:
    rows = [each for each in labelled.paraphrases if each.criterion == name]
    spreads = np.asarray(
        [
            np.ptp(scores.values([Shown(each.clip, prompt) for prompt in each.prompts], name))
            for each in rows
        ],
        np.float64,
    )
    known = np.isfinite(spreads)
    return mean(spreads[known], group_codes([each.group for each in rows])[known])


def _worst(decided: Sequence[Case]) -> list[Case]:
    def for_the_label(case: Case) -> float:
        return _SIGN[case.pair.preference] * case.comparison.margin

    return sorted(decided, key=for_the_label)[:WORST_CASES]
