from __future__ import annotations

import json
import math

import numpy as np
import pytest
from critic_models.errors import InputError
from critic_models.rows import Checklist, ChecklistItem, learn_weights, load_checklist
from critic_models.rows.checklist import save_checklist
from critic_models.rows.checklist_weights import learn_checklist
from hypothesis import given, settings
from hypothesis import strategies as st

CHECKLIST = Checklist("quality", (ChecklistItem("sharp", 2.0), ChecklistItem("still", 0.5)))


def mean_loss(w: np.ndarray, x: np.ndarray, y: np.ndarray, ridge: float) -> float:
    z = x @ w
    return float(np.mean(np.logaddexp(0, z) - y * z) + ridge / 2 * w @ w)


@pytest.mark.parametrize("share", [0.55, 0.8, 0.99])
def test_one_question_has_the_weight_of_its_odds(share):
    """With dx = 1 in every pair, the optimum is the log-odds of the share of preferences."""
    count = 10_000
    y = (np.arange(count) < share * count).astype(float)
    (weight,) = learn_weights(np.ones((count, 1)), np.zeros((count, 1)), y, ridge=0.0)
    assert weight == pytest.approx(math.log(share / (1 - share)), abs=1e-6)


def test_a_question_that_goes_against_the_preferences_is_removed():
    y = (np.arange(100) < 20).astype(float)
    assert learn_weights(np.ones((100, 1)), np.zeros((100, 1)), y).tolist() == [0.0]


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_no_other_non_negative_weights_are_better(seed):
    """The optimality conditions of a convex problem: no slope where positive, none down at 0."""
    rng = np.random.default_rng(seed)
    questions = int(rng.integers(2, 9))
    a, b = (rng.integers(0, 2, (80, questions)).astype(float) for _ in range(2))
    truth = rng.normal(0, 1.5, questions)
    y = (rng.random(80) < 1 / (1 + np.exp(-(a - b) @ truth))).astype(float)
    ridge = 1e-2
    w = learn_weights(a, b, y, ridge)
    x = a - b
    slope = x.T @ (1 / (1 + np.exp(-x @ w)) - y) / 80 + ridge * w
    assert (w >= 0).all()
    assert np.abs(slope[w > 0]).max(initial=0) < 1e-7
    assert slope[w == 0].min(initial=0) > -1e-7
    for _ in range(20):
        other = np.maximum(0, w + rng.normal(0, 0.1, questions))
        assert mean_loss(w, x, y, ridge) <= mean_loss(other, x, y, ridge) + 1e-12


def test_clipping_a_free_fit_once_is_not_the_optimum():
    """The mutant: fit without the bound, then cut the negative weights."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, (500, 1))
    x = np.concatenate([shared, 0.9 * shared + 0.2 * rng.normal(0, 1, (500, 1))], 1)
    y = (rng.random(500) < 1 / (1 + np.exp(-x @ [2.0, -1.5]))).astype(float)
    free = np.linalg.lstsq(x, y - 0.5, rcond=None)[0]
    for _ in range(200):
        p = 1 / (1 + np.exp(-x @ free))
        free -= np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (p - y))
    assert free[1] < 0
    cut = np.maximum(0, free)
    fitted = learn_weights(x, np.zeros_like(x), y, ridge=0.0)
    assert fitted[1] == 0
    assert mean_loss(fitted, x, y, 0) < mean_loss(cut, x, y, 0) - 1e-3


def test_ties_pull_towards_nothing():
    a, b = np.ones((10, 1)), np.zeros((10, 1))
    assert learn_weights(a, b, np.full(10, 0.5)) == pytest.approx(0.0, abs=1e-8)


def test_separable_pairs_have_finite_weights():
    (weight,) = learn_weights(np.ones((10, 1)), np.zeros((10, 1)), np.ones(10))
    assert 1 < weight < 100


@pytest.mark.parametrize(
    ("a", "b", "y"),
    [
        (np.ones((2, 1)), np.ones((2, 2)), np.ones(2)),
        (np.ones((2, 1)), np.ones((2, 1)), np.ones(3)),
        (np.ones((0, 1)), np.ones((0, 1)), np.ones(0)),
        (np.full((2, 1), np.nan), np.ones((2, 1)), np.ones(2)),
        (np.ones((2, 1)), np.ones((2, 1)), np.full(2, 1.5)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(a, b, y):
    with pytest.raises(InputError):
        learn_weights(a, b, y)


def test_a_checklist_is_learned_measured_and_kept(tmp_path):
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 2, (600, 3)).astype(float) for _ in range(2))
    margin = (a - b) @ [3.0, 1.0, -2.0]
    y = np.where(margin > 0, 1.0, np.where(margin < 0, 0.0, 0.5))
    held_out = np.arange(600) % 3 == 0
    learned = learn_checklist("quality", ["x", "y", "z"], a, b, y, held_out, "nano", "abc")
    assert [item.criterion for item in learned.items] == ["x", "y"]
    assert learned.items[0].weight > learned.items[1].weight
    assert learned.removed == ("z",)
    assert learned.num_pairs == 400
    assert learned.accuracy is not None
    assert learned.accuracy > 0.8
    save_checklist(learned, tmp_path / "checklist.json")
    assert load_checklist(tmp_path / "checklist.json") == learned
    swapped = learn_checklist("quality", ["x", "y", "z"], b, a, 1 - y, held_out, "nano", "abc")
    assert swapped.items == learned.items
    with pytest.raises(InputError, match="no question has a positive weight"):
        learn_checklist("quality", ["x"], a[:, :1], b[:, :1], 1 - y, held_out)


def test_scores_are_weighted_sums_of_probabilities():
    assert CHECKLIST.score({"sharp": 0.5, "still": 1.0, "other": 1.0}) == pytest.approx(1.5)
    assert CHECKLIST.value({"sharp": 0.5, "still": 1.0}) == pytest.approx(0.6)
    with pytest.raises(InputError, match="still"):
        CHECKLIST.score({"sharp": 1.0})


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_weights_must_be_above_zero(weight):
    with pytest.raises(InputError):
        Checklist("x", (ChecklistItem("sharp", weight),))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", json.dumps({"format": 1, "name": "x", "items": [{"w": 1}]})]
)
def test_other_files_are_no_checklists(tmp_path, content):
    path = tmp_path / "checklist.json"
    path.write_text(content)
    with pytest.raises(InputError):
        load_checklist(path)
