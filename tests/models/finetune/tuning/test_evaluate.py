from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from critic_models.finetune.calibrate import Outcome, fit_tie_margin
from critic_models.finetune.tuning.calibration import MIN_ROWS, calibrate
from critic_models.finetune.tuning.evaluate import (
    Answered,
    PairAnswer,
    PointAnswer,
    better_method,
    measure,
    unanswered,
)
from critic_models.rows import Preference3
from critic_models.types import Preference, Score
from critic_models.vlm.spec import Platt
from tuning_rows import small_spec

SPEC = small_spec()
A, TIE, B = Preference3(1, 0, 0), Preference3(0, 1, 0), Preference3(0, 0, 1)


def score(raw: float | None, name: str = "brightness") -> Score:
    if raw is None:
        return Score(name, None, None, "yes_no", {}, 0.0, "not answered")
    p = 1 / (1 + math.exp(-raw))
    return Score(name, raw, p, "yes_no", {"yes": p, "no": 1 - p}, 1.0)


def compared(win: float, tie: float, lose: float) -> Preference:
    side: Any = max((win, "a"), (lose, "b"), (tie, "tie"))[1]
    return Preference("brightness", win, tie, lose, side, 1.0, "pairwise", 1.0)


UNANSWERED = Preference("brightness", None, None, None, None, None, "pairwise", 0.0, "no")


def pair(label: Preference3, preference: Preference, difference: float = 0.0) -> PairAnswer:
    return PairAnswer(preference, score(difference), score(0.0), label)


def test_accuracies_with_and_without_ties():
    spec = dataclasses.replace(SPEC, tie_margin=1.0)
    answered = Answered(
        points=[
            PointAnswer(score(2.0), (0.9, 0.1)),
            PointAnswer(score(-2.0), (0.9, 0.1)),
            PointAnswer(score(None), (0.0, 1.0)),
        ],
        pairs=[
            pair(A, compared(0.6, 0.3, 0.1), 3.0),
            pair(B, compared(0.3, 0.5, 0.2), -3.0),
            pair(TIE, compared(0.3, 0.5, 0.2), 0.1),
            pair(TIE, compared(0.6, 0.3, 0.1), 3.0),
            pair(B, UNANSWERED, -0.5),
        ],
    )
    figures = {
        h: (g["brightness"].correct, g["brightness"].total)
        for h, g in measure(answered, spec).items()
    }
    assert figures == {
        "single clips": (1, 3),
        "both_orders, with ties": (2, 5),
        "both_orders, without ties": (1, 3),
        # A difference of 3 is a win and one of 0.5 or less a tie, at a margin of 1.
        "scores, with ties": (3, 5),
        "scores, without ties": (3, 3),
    }
    assert unanswered(answered) == {"brightness": 2}
    assert better_method(measure(answered, spec)) == "scores"


def test_a_critic_that_cannot_tell_is_not_right_without_ties():
    answered = Answered([], [pair(A, compared(0.4, 0.2, 0.4)), pair(B, compared(0.4, 0.2, 0.4))])
    assert measure(answered, SPEC)["both_orders, without ties"]["brightness"].correct == 0


def test_the_better_method_is_both_orders_where_nothing_says_otherwise():
    assert better_method({}) == "both_orders"


def outcomes_of(pairs: list[PairAnswer]) -> list[Outcome]:
    return [(p.a, p.b, (p.label.a, p.label.tie, p.label.b)) for p in pairs]


def drawn_pairs(margin: float, count: int, scale: float = 1.0) -> list[PairAnswer]:
    """Labels drawn from Rao and Kupper's model itself."""
    rng = np.random.default_rng(0)
    pairs = []
    for difference in rng.normal(0, 2, count):
        win, lose = (1 / (1 + math.exp(margin - s * difference)) for s in (1, -1))
        label = rng.choice(3, p=[win, 1 - win - lose, lose])
        pairs.append(pair((A, TIE, B)[label], compared(1, 0, 0), difference / scale))
    return pairs


@pytest.mark.parametrize("margin", [0.3, 1.6])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_the_tie_margin_is_recovered_on_the_calibrated_scale(margin, scale):
    platt = {"brightness": Platt(scale, -0.7)}
    found = fit_tie_margin(outcomes_of(drawn_pairs(margin, 3000, scale)), platt)
    assert found == pytest.approx(margin, abs=0.1)


def test_no_better_margin_is_near():
    pairs = drawn_pairs(1.0, 300)
    found = fit_tie_margin(outcomes_of(pairs), {})

    def surprise(margin: float) -> float:
        total = 0.0
        for p in pairs:
            d = (p.a.raw or 0.0) - (p.b.raw or 0.0)
            win, lose = (1 / (1 + math.exp(margin - s * d)) for s in (1, -1))
            total -= math.log({A: win, TIE: 1 - win - lose, B: lose}[p.label])
        return total

    assert all(surprise(found) <= surprise(found + step) for step in (-0.05, -0.01, 0.01, 0.05))


def test_calibration_is_fitted_where_there_are_labels():
    rng = np.random.default_rng(1)
    raws = rng.normal(0, 3, 2000)
    shares = 1 / (1 + np.exp(-(0.5 * raws + 1.0)))
    points = [
        PointAnswer(score(float(x)), (float(p), 1 - float(p)))
        for x, p in zip(raws, shares, strict=True)
    ]
    spec = calibrate(SPEC, Answered(points, drawn_pairs(1.0, MIN_ROWS - 1)))
    assert spec.calibration["brightness"].scale == pytest.approx(0.5, abs=0.02)
    assert spec.calibration["brightness"].shift == pytest.approx(1.0, abs=0.05)
    assert set(spec.calibration) == {"brightness"}
    # Too few pairs to say; of three criteria one has a new scale.
    scale = spec.calibration["brightness"].scale
    assert spec.tie_margin == pytest.approx(SPEC.tie_margin * scale ** (1 / 3))
    few = calibrate(SPEC, Answered(points[: MIN_ROWS - 1], drawn_pairs(1.0, MIN_ROWS)))
    assert not few.calibration
    assert few.tie_margin != SPEC.tie_margin
    spec.check()


def test_a_graded_criterion_is_calibrated_towards_its_expected_grade():
    rng = np.random.default_rng(2)
    points = []
    for raw in rng.uniform(0, 1, 500):
        best = 1 / (1 + math.exp(-(4 * raw - 2)))
        given = dataclasses.replace(score(0.0, "exposure"), raw=float(raw), read_from="graded")
        points.append(PointAnswer(given, (1 - best, 0.0, best)))
    platt = calibrate(SPEC, Answered(points, [])).calibration["exposure"]
    assert (platt.scale, platt.shift) == pytest.approx((4, -2), rel=0.1)


def test_labels_that_were_swapped_calibrate_to_nothing():
    """The mutant: a scale must rise, so that a critic trained the wrong way round is flat."""
    raws = np.linspace(-3, 3, 60)
    points = [PointAnswer(score(float(x)), (float(x < 0), float(x >= 0))) for x in raws]
    platt = calibrate(SPEC, Answered(points, [])).calibration["brightness"]
    assert platt.scale < 0.01
