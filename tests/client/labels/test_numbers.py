"""Checklists, signs, weights, advantages and tournaments against hand-worked arithmetic."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from critic_client.labels import Sample, advantages, signs, tournament, weights
from critic_client.labels.checklist import Checklist, Question, read_checklist
from hypothesis import given, settings
from hypothesis import strategies as st

finite = st.floats(-50, 50).map(lambda x: round(x, 6))


def scored(*values: float) -> list[Sample]:
    return [Sample(f"{i}.mp4", "p", value) for i, value in enumerate(values)]


def graded(*grades: str) -> list[Sample]:
    return [Sample(f"{i}.mp4", "p", grades={"motion": g}) for i, g in enumerate(grades)]


# Checklists

TWENTY_NINE = Checklist(tuple(Question(f"q{i}", "?", 6.2772 / 29) for i in range(29)))


def test_both_scales_and_the_way_between_them() -> None:
    answers = {f"q{i}": float(i < 20) for i in range(29)}
    total = TWENTY_NINE.score(answers, "sum", soft=False)
    mean = TWENTY_NINE.score(answers, "mean", soft=False)
    assert math.isclose(total, 20 * 6.2772 / 29)
    assert math.isclose(mean, (20 - 9) * 6.2772 / 29 / 29)
    assert math.isclose(TWENTY_NINE.convert(mean, "sum"), total)
    # VPO's margin of 0.5 on the sum is 0.03448 on the scale of VisionReward's script.
    assert round(TWENTY_NINE.convert_difference(0.5, "mean"), 5) == 0.03448
    assert math.isclose(TWENTY_NINE.convert_difference(0.03448, "sum"), 0.5, rel_tol=1e-4)
    assert math.isclose(TWENTY_NINE.convert(0.0, "mean"), -6.2772 / 29)


def test_soft_sums_count_probabilities() -> None:
    two = Checklist((Question("a", "?", 1.0), Question("b", "?", 2.0)))
    answers = {"a": 0.9, "b": 0.4}
    assert two.score(answers, "sum", soft=False) == 1.0
    assert math.isclose(two.score(answers, "sum", soft=True), 1.7)


def test_a_missing_answer_is_no_no() -> None:
    two = Checklist((Question("a", "?", 1.0), Question("b", "?", 2.0)))
    with pytest.raises(ValueError, match="'b' has no answer"):
        two.score({"a": 1.0}, "sum", soft=False)
    with pytest.raises(ValueError, match="'b' has no answer"):
        two.score({"a": 1.0, "b": None}, "mean", soft=True)


def test_two_file_form_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "qa.txt").write_text("Is it clear?\nDoes it show [[prompt]]?")
    (tmp_path / "weight.json").write_text("[0.5, 1.25]")
    read = read_checklist(tmp_path / "qa.txt", tmp_path / "weight.json")
    assert [(q.text, q.weight) for q in read.questions] == [
        ("Is it clear?", 0.5),
        ("Does it show [[prompt]]?", 1.25),
    ]
    (tmp_path / "weight.json").write_text("[0.5]")
    with pytest.raises(ValueError, match=r"2 questions.*1 weights"):
        read_checklist(tmp_path / "qa.txt", tmp_path / "weight.json")


def test_json_form_names_dimensions(tmp_path: Path) -> None:
    row = {"text": "Clear?", "name": "clear", "weight": 2, "dimension": "quality"}
    (tmp_path / "list.json").write_text(json.dumps([row]))
    (question,) = read_checklist(tmp_path / "list.json").questions
    assert question == Question("clear", "Clear?", 2.0, "quality")
    (tmp_path / "list.json").write_text(json.dumps([{**row, "wieght": 1}]))
    with pytest.raises(ValueError, match="question 1"):
        read_checklist(tmp_path / "list.json")


# Signs


def test_grades_to_signs() -> None:
    samples = graded("Good", "normal", "bad")
    assert [r.desirable for r in signs.from_grades(samples, "motion")] == [True, False]
    assert [r.desirable for r in signs.from_grades(samples, "motion", "undesirable")] == [
        True,
        False,
        False,
    ]
    with pytest.raises(ValueError, match="must be good, normal or bad"):
        signs.from_grades(graded("good."), "motion")


def test_scores_to_signs() -> None:
    two = signs.from_scores(scored(0.2, 0.5, 0.8), 0.5)
    assert [r.desirable for r in two] == [False, False, True]
    between = signs.from_scores(scored(0.2, 0.5, 0.8), 0.6, 0.4)
    assert [r.desirable for r in between] == [False, True]
    with pytest.raises(ValueError, match="cross"):
        signs.from_scores([], 0.4, 0.6)


def test_balance() -> None:
    found = signs.balance(signs.from_grades(graded("good", "bad", "bad", "bad"), "motion"))
    assert (found.desirable, found.undesirable, found.desirable_weight) == (1, 3, 3.0)
    assert signs.balance([]).desirable_weight is None


# Weights


def test_weights_by_reward() -> None:
    rows = weights.by_reward(scored(0.25, 1.0), scale=2, shift=0.5)
    assert [r.weight for r in rows] == [1.0, 2.5]
    with pytest.raises(ValueError, match=r"1\.mp4: weight -0\.5 is negative"):
        weights.by_reward(scored(0.0, -0.5))


@given(st.lists(finite, min_size=1, max_size=8), st.floats(0.05, 5))
def test_exponential_weights_average_one_and_keep_their_ratios(
    values: list[float], temperature: float
) -> None:
    rows = [r.weight for r in weights.by_exponential(scored(*values), temperature)]
    assert math.isclose(math.fsum(rows) / len(rows), 1.0)
    for i, j in ((0, -1), (-1, 0)):
        if rows[i] > 1e-200 and rows[j] > 1e-200:
            expected = (values[i] - values[j]) / temperature
            assert math.isclose(math.log(rows[i] / rows[j]), expected, abs_tol=1e-6)


def test_effective_sample_size() -> None:
    assert weights.effective_sample_size([2.0, 2.0, 2.0]) == 3.0
    assert weights.effective_sample_size([5.0, 0.0, 0.0]) == 1.0
    assert weights.effective_sample_size([]) == 0.0


def test_lift_grades() -> None:
    sample = Sample("a", "p", grades={"x": "good", "y": "normal", "z": "bad"})
    assert weights.by_grades([sample], ["x", "y", "z"])[0].weight == 0.38
    assert weights.all_good([sample], ["x", "y"]) == []
    assert weights.all_good([sample], ["x"])[0].weight == 1.0


# Advantages


def test_advantages_of_a_group_with_one_unjudged() -> None:
    group = [1.0, None, 3.0, 2.0]
    std = math.sqrt(2 / 3)
    assert advantages.standardised(group) == [-1 / std, None, 1 / std, 0.0]
    assert advantages.standardised(group, ddof=1) == [-1.0, None, 1.0, 0.0]
    assert advantages.by_rank(group) == [-1.0, None, 1.0, 0.0]
    assert advantages.leave_one_out(group) == [-1.5, None, 1.5, 0.0]


def test_equal_or_lonely_rewards_teach_nothing() -> None:
    for rule in (advantages.standardised, advantages.by_rank, advantages.leave_one_out):
        assert rule([0.5, 0.5, None]) == [0.0, 0.0, None]
        assert rule([0.5]) == [0.0]
        assert rule([None, None]) == [None, None]


@given(st.lists(finite, min_size=2, max_size=8))
def test_advantages_sum_to_nothing(values: list[float]) -> None:
    for rule in (advantages.standardised, advantages.by_rank, advantages.leave_one_out):
        assert abs(math.fsum(a for a in rule(values) if a is not None)) < 1e-6


# Tournaments


def test_win_rates_leave_out_who_was_not_met() -> None:
    assert tournament.win_rates([[None, 1.0, 0.5], [0.0, None, None], [0.5, None, None]]) == [
        0.75,
        0.0,
        0.5,
    ]
    assert tournament.win_rates([[None]]) == [None]
    with pytest.raises(ValueError, match="probabilities"):
        tournament.win_rates([[None, 3.0], [0.0, None]])


def test_two_players_have_the_strength_of_their_odds() -> None:
    one, two = tournament.bradley_terry([[0, 75], [25, 0]], prior=1e-6)
    assert math.isclose(one.value - two.value, math.log(3), rel_tol=1e-5)
    assert math.isclose(one.elo[0] - two.elo[0], 400 * math.log10(3), rel_tol=1e-5)
    # The deviation of a log-odds of 75 to 25; each strength moves by half of the difference.
    spread = 1.96 * math.sqrt(1 / 75 + 1 / 25) / 2
    assert math.isclose(one.high - one.value, spread, rel_tol=1e-3)


def test_an_undefeated_player_is_strong_not_infinite() -> None:
    found = tournament.bradley_terry([[0, 9, 9], [0, 0, 5], [0, 4, 0]])
    assert found[0].value == max(s.value for s in found)
    assert all(math.isfinite(s.high) for s in found)
    assert abs(math.fsum(s.value for s in found)) < 1e-9


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_fitted_strengths_maximise_the_posterior(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(2, 5)
    wins = [[float(rng.randint(0, 6)) for _ in range(count)] for _ in range(count)]
    found = [s.value for s in tournament.bradley_terry(wins, prior=0.5)]

    def slope(i: int, strengths: list[float], shift: float) -> float:
        p = 1 / (1 + math.exp(-(strengths[i] + shift)))
        total = 0.5 * (0.5 - p)
        for j in range(count):
            if j != i:
                p = 1 / (1 + math.exp(strengths[j] - strengths[i]))
                total += wins[i][j] - (wins[i][j] + wins[j][i]) * p
        return total

    # The fit is centred afterwards; the games do not notice, and the prior's slopes sum to zero.
    def sum_of_slopes(shift: float) -> float:
        return math.fsum(slope(i, found, shift) for i in range(count))

    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if sum_of_slopes(middle) > 0 else (low, middle)
    assert all(abs(slope(i, found, low)) < 1e-6 for i in range(count))


def test_permuted_players_have_permuted_strengths() -> None:
    wins = [[0, 3, 1], [2, 0, 4], [5, 1, 0]]
    order = [2, 0, 1]
    there = [s.value for s in tournament.bradley_terry(wins)]
    back = tournament.bradley_terry([[wins[i][j] for j in order] for i in order])
    assert [round(s.value, 9) for s in back] == [round(there[i], 9) for i in order]
