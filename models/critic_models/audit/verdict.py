"""Which criteria are safe to train on: one rule, on bounds of intervals rather than on figures.

A generator finds what its critic gets wrong. In the figures reported for Dual-IPO (arXiv
2502.02088), training on a critic that agreed with people in 63.6% of pairs made the generator
worse; 65 to 68% helped a little, 81% clearly. The rule therefore asks that accuracy be above 0.8
with all its interval, and that no kind of defect be a blind spot that could be exploited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from critic_models.audit.figures import CriterionFigures
from critic_models.audit.intervals import Estimate

Standing = Literal["safe", "order only", "unproven", "unsafe", "not measured"]
STANDINGS: dict[Standing, str] = {
    "safe": "preferences, ranks and values may be trained on",
    "order only": "preferences and ranks may be trained on; values are no measure",
    "unproven": "nothing speaks against it, but the answers are too few to be sure",
    "unsafe": "not to be trained on",
    "not measured": "the set has no labels, so nothing speaks for training on it",
}


@dataclass(frozen=True)
class Rule:
    """What a criterion must show; every number is compared with the bound that is against it.

    Attributes:
        min_answered: share of labels that the critic answers.
        min_accuracy: without ties.
        min_accuracy_of_a_kind: of every defect or slot by itself.
        min_gain_with_ties: accuracy with ties above chance.
        min_spearman: of score against severity, for the weakest defect.
        min_order_consistency: over pairs that were compared in both orders.
        max_position_bias: size of the advantage of the clip shown first, over the same pairs.
        max_static_wins: share of pairs in which a clip that stands still beats its moving twin.
        max_ece: of the value; above it only order may be trained on.
    """

    min_answered: float = 0.90
    min_accuracy: float = 0.80
    min_accuracy_of_a_kind: float = 0.65
    min_gain_with_ties: float = 0.25
    min_spearman: float = 0.60
    min_order_consistency: float = 0.90
    max_position_bias: float = 0.10
    max_static_wins: float = 0.10
    max_ece: float = 0.10


@dataclass(frozen=True)
class Condition:
    """One part of the rule, applied.

    Attributes:
        what: is asked for.
        estimate: what was measured; None where the set or the method cannot say.
        bound: the end of the interval that is against the criterion.
        limit: what the bound is compared with.
        met: whether it is on the right side; None where nothing was measured.
        too_few: whether only the interval stands against it, and more answers might not.
        sentence: for people.
        concerns_order: False where only the values are concerned.
    """

    what: str
    estimate: Estimate | None
    bound: float | None
    limit: float
    met: bool | None
    sentence: str
    too_few: bool = False
    concerns_order: bool = True


@dataclass(frozen=True)
class CriterionVerdict:
    """Where a criterion stands, and why."""

    standing: Standing
    conditions: tuple[Condition, ...] = ()

    @property
    def unmet(self) -> list[Condition]:
        """List the parts of the rule that were not met."""
        return [each for each in self.conditions if each.met is False]

    @property
    def reasons(self) -> list[str]:
        """Say what was not met."""
        return [each.sentence for each in self.unmet]

    @property
    def not_measured(self) -> list[str]:
        """Name what the rule asks for and nobody measured."""
        return [each.what for each in self.conditions if each.met is None]


def judge_criterion(figures: CriterionFigures, rule: Rule) -> CriterionVerdict:
    """Apply the rule to one criterion.

    What the set cannot say counts neither for nor against, and is listed; only accuracy without
    ties must have been measured.
    """
    if figures.answered is None:
        return CriterionVerdict("not measured")
    conditions = tuple(_conditions(figures, rule))
    unmet = [each for each in conditions if each.met is False]
    of_order = [each for each in unmet if each.concerns_order]
    standing: Standing = "order only" if unmet else "safe"
    if of_order:
        standing = "unproven" if all(each.too_few for each in of_order) else "unsafe"
    return CriterionVerdict(standing, conditions)


def by_standing(verdicts: Mapping[str, CriterionVerdict], standing: Standing) -> list[str]:
    """Name the criteria that stand so."""
    return [name for name, verdict in verdicts.items() if verdict.standing == standing]


def _conditions(figures: CriterionFigures, rule: Rule) -> Iterator[Condition]:
    yield _at_least("answered labels", figures.answered, rule.min_answered)
    if figures.accuracy is None:
        sentence = "no pair with a better clip was answered, and nothing is safe without"
        limit = rule.min_accuracy
        yield Condition("accuracy without ties", None, None, limit, False, sentence, too_few=True)
    else:
        yield _at_least("accuracy without ties", figures.accuracy, rule.min_accuracy)
    for kind, accuracy in figures.by_kind.items():
        yield _at_least(f"accuracy on “{kind}”", accuracy, rule.min_accuracy_of_a_kind)
    with_ties = figures.with_ties
    yield _at_least(
        "accuracy with ties",
        None if with_ties is None else with_ties.held_out,
        rule.min_gain_with_ties + (0.0 if with_ties is None else with_ties.chance),
    )
    yield _at_least("Spearman's correlation with severity", figures.spearman, rule.min_spearman)
    if figures.orders is not None:
        consistency, bias = figures.orders.consistency, figures.orders.first_shown_advantage
        yield _at_least("order consistency", consistency, rule.min_order_consistency)
        yield _at_most("position bias", _size(bias), rule.max_position_bias)
    if figures.static_wins is not None:
        yield _at_most("wins of static twins", figures.static_wins, rule.max_static_wins)
    yield _at_most("calibration error", figures.ece, rule.max_ece, concerns_order=False)


def _at_least(what: str, estimate: Estimate | None, limit: float) -> Condition:
    if estimate is None:
        return Condition(what, None, None, limit, None, f"{what} was not measured")
    too_few = estimate.low < limit <= estimate.value
    sentence = _say(what, estimate, f"at least {limit:.3f}", too_few)
    return Condition(what, estimate, estimate.low, limit, estimate.low >= limit, sentence, too_few)


def _at_most(
    what: str, estimate: Estimate | None, limit: float, concerns_order: bool = True
) -> Condition:
    if estimate is None:
        sentence = f"{what} was not measured"
        return Condition(what, None, None, limit, None, sentence, False, concerns_order)
    too_few = estimate.value <= limit < estimate.high
    sentence = _say(what, estimate, f"at most {limit:.3f}", too_few)
    met = estimate.high <= limit
    return Condition(what, estimate, estimate.high, limit, met, sentence, too_few, concerns_order)


def _say(what: str, estimate: Estimate, wanted: str, too_few: bool) -> str:
    why = "; the figure is good enough, but the answers are too few to be sure" if too_few else ""
    return (
        f"{what} is {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f}, "
        f"n = {estimate.n}); the whole interval must be {wanted}{why}"
    )


def _size(bias: Estimate | None) -> Estimate | None:
    """Turn an advantage of either side into its size, with the interval that is against it."""
    if bias is None:
        return None
    high = max(abs(bias.low), abs(bias.high))
    low = 0.0 if bias.low <= 0.0 <= bias.high else min(abs(bias.low), abs(bias.high))
    return Estimate(abs(bias.value), low, high, bias.n)
