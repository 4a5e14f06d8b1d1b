"""The rule: every part of it, on the bound that is against the criterion."""

from __future__ import annotations

from dataclasses import replace

import pytest
from critic_models.audit.accuracy import WithTies
from critic_models.audit.figures import CriterionFigures, OrderFigures
from critic_models.audit.grading import Ladder
from critic_models.audit.intervals import Estimate
from critic_models.audit.verdict import STANDINGS, Rule, by_standing, judge_criterion

GOOD = Estimate(0.95, 0.93, 0.97, 200)
NOTHING = Estimate(0.01, 0.0, 0.02, 200)


@pytest.fixture
def figures() -> CriterionFigures:
    return CriterionFigures(
        name="sharpness",
        n=200,
        answered=GOOD,
        reasons={},
        accuracy=GOOD,
        by_kind={"blur": GOOD},
        by_part={},
        with_ties=WithTies(GOOD, 0.96, 0.1, 1 / 3, 1 / 3),
        served_with_ties=GOOD,
        ladders={"blur": Ladder(GOOD, None)},
        ece=NOTHING,
        reliability=(),
        preference_ece=NOTHING,
        orders=OrderFigures(GOOD, GOOD, NOTHING),
        static_wins=NOTHING,
        rephrasing_spread=None,
        curves={},
        worst=(),
    )


def test_all_of_it_is_safe(figures):
    verdict = judge_criterion(figures, Rule())
    assert verdict.standing == "safe"
    assert verdict.reasons == []
    assert len(verdict.conditions) == 9
    assert {each.met for each in verdict.conditions} == {True}


BAD, DOUBTFUL = Estimate(0.2, 0.15, 0.25, 200), Estimate(0.92, 0.2, 0.99, 10)
MUCH, MAYBE_MUCH = Estimate(0.3, 0.2, 0.4, 200), Estimate(0.05, 0.0, 0.3, 10)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda low, high: {"answered": low}, "answered labels"),
        (lambda low, high: {"accuracy": low}, "accuracy without ties"),
        (lambda low, high: {"by_kind": {"blur": GOOD, "noise": low}}, "accuracy on “noise”"),
        (
            lambda low, high: {"with_ties": WithTies(low, 0.9, 0.1, 1 / 3, 1 / 3)},
            "accuracy with ties",
        ),
        (
            lambda low, high: {"ladders": {"a": Ladder(GOOD, None), "b": Ladder(low, None)}},
            "Spearman's correlation with severity",
        ),
        (lambda low, high: {"orders": OrderFigures(low, GOOD, NOTHING)}, "order consistency"),
        (lambda low, high: {"orders": OrderFigures(GOOD, GOOD, high)}, "position bias"),
        (lambda low, high: {"static_wins": high}, "wins of static twins"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_one_part_that_fails_is_enough(figures, change, what):
    unsafe = judge_criterion(replace(figures, **change(BAD, MUCH)), Rule())
    assert (unsafe.standing, [each.what for each in unsafe.unmet]) == ("unsafe", [what])
    # The figure alone would pass: it is the bound that counts.
    unproven = judge_criterion(replace(figures, **change(DOUBTFUL, MAYBE_MUCH)), Rule())
    assert (unproven.standing, [each.what for each in unproven.unmet]) == ("unproven", [what])
    assert "too few to be sure" in unproven.reasons[0]


@pytest.mark.parametrize(("ece", "too_few"), [(MUCH, False), (MAYBE_MUCH, True)])
def test_values_that_are_off_leave_the_order(figures, ece, too_few):
    verdict = judge_criterion(replace(figures, ece=ece), Rule())
    assert verdict.standing == "order only"
    assert [(each.what, each.too_few) for each in verdict.unmet] == [("calibration error", too_few)]


def test_a_bias_to_the_second_place_is_a_bias(figures):
    to_second = OrderFigures(GOOD, GOOD, Estimate(-0.3, -0.4, -0.2, 200))
    verdict = judge_criterion(replace(figures, orders=to_second), Rule())
    assert [each.what for each in verdict.unmet] == ["position bias"]
    assert verdict.unmet[0].bound == 0.4


def test_chance_is_part_of_the_limit(figures):
    just = WithTies(Estimate(0.7, 0.62, 0.78, 200), 0.7, 0.1, 0.6, 0.6)
    verdict = judge_criterion(replace(figures, with_ties=just), Rule())
    (condition,) = verdict.unmet
    assert condition.limit == pytest.approx(0.85)
    easier = replace(just, chance=1 / 3)
    assert judge_criterion(replace(figures, with_ties=easier), Rule()).standing == "safe"


def test_what_was_not_measured_counts_for_nothing_but_accuracy(figures):
    bare = replace(
        figures, with_ties=None, ladders={}, ece=None, orders=None, static_wins=None, by_kind={}
    )
    verdict = judge_criterion(bare, Rule())
    assert verdict.standing == "safe"
    assert verdict.not_measured == [
        "accuracy with ties",
        "Spearman's correlation with severity",
        "calibration error",
    ]
    assert judge_criterion(replace(bare, accuracy=None), Rule()).standing == "unproven"
    assert judge_criterion(replace(bare, answered=None), Rule()).standing == "not measured"


def test_the_weakest_ladder_counts_and_within_comes_first(figures):
    strong, weak = Ladder(GOOD, None), Ladder(GOOD, BAD)
    assert replace(figures, ladders={"a": strong, "b": weak}).spearman == BAD
    assert replace(figures, ladders={"a": Ladder(BAD, GOOD)}).spearman == GOOD
    assert replace(figures, ladders={"a": Ladder(None, None)}).spearman is None


def test_standings_are_listed(figures):
    verdicts = {
        "a": judge_criterion(figures, Rule()),
        "b": judge_criterion(replace(figures, accuracy=BAD), Rule()),
    }
    assert by_standing(verdicts, "safe") == ["a"]
    assert by_standing(verdicts, "unsafe") == ["b"]
    assert sum(len(by_standing(verdicts, standing)) for standing in STANDINGS) == 2
