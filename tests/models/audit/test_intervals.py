"""Wilson's interval, design effects and the bootstrap, against closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from critic_models.audit.intervals import (
    Estimate,
    bootstrap,
    effective_size,
    group_codes,
    mean,
    mean_over_pairs,
    share,
    wilson,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:857, table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_wilson_is_the_published_interval(correct, total, low, high):
    assert wilson(correct / total, total) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 50))
def test_wilson_lies_in_the_unit_interval_around_the_share(correct, more):
    total = correct + more
    low, high = wilson(correct / total, total)
    assert 0.0 <= low <= correct / total <= high <= 1.0


def test_share_counts_independent_answers_one_by_one():
    outcomes = np.asarray([True] * 15 + [False] * 133)
    found = share(outcomes, np.arange(148))
    assert found is not None
    assert (found.value, found.n) == (15 / 148, 148)
    assert (found.low, found.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert share(np.zeros(0, bool), np.zeros(0, np.int64)) is None


def test_answers_said_twice_count_once():
    """Every answer copied four times holds no more than one of each: Kish's effect is 4."""
    rng = np.random.default_rng(0)
    once = (rng.random(400) < 0.7).astype(float)
    copied = np.repeat(once, 4)
    n = effective_size(copied, np.repeat(np.arange(400), 4))
    assert n == pytest.approx(400, rel=0.02)
    # A mutant that ignores groups would say 1,600.
    assert effective_size(copied, np.arange(1600)) == 1600


def test_groups_that_say_nothing_of_each_other_cost_nothing():
    rng = np.random.default_rng(1)
    values = (rng.random(4000) < 0.7).astype(float)
    assert effective_size(values, np.repeat(np.arange(1000), 4)) > 3600


def test_no_error_at_all_counts_as_the_geometric_mean():
    values = np.ones(400)
    n = effective_size(values, np.repeat(np.arange(100), 4))
    assert n == pytest.approx(math.sqrt(100 * 400), rel=0.05)


def test_one_error_does_not_help():
    """A design effect of the answers alone would give the worse critic the better bound."""
    groups = np.repeat(np.arange(48), 3)
    right = np.ones(144, bool)
    perfect = share(right, groups)
    right[0] = False
    flawed = share(right, groups)
    assert perfect is not None
    assert flawed is not None
    assert flawed.low < perfect.low


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40))
def test_effective_size_is_between_one_and_all(rows):
    values = np.asarray([float(value) for value, _ in rows])
    groups = np.asarray([group for _, group in rows])
    assert 1.0 <= effective_size(values, groups) <= len(rows)


def test_bootstrap_of_a_mean_has_its_standard_error():
    values = np.random.default_rng(2).normal(3.0, 2.0, 400)
    found = mean(values, np.arange(400))
    assert found is not None
    half = 1.96 * values.std() / math.sqrt(400)
    # 1,000 resamples estimate a quantile of the mean to about 5% of its distance.
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)
    assert found == mean(values, np.arange(400)), "equal input, equal interval"


def test_bootstrap_draws_groups_whole():
    values = np.repeat(np.random.default_rng(3).normal(size=50), 8)
    whole = mean(values, np.repeat(np.arange(50), 8))
    torn = mean(values, np.arange(400))
    assert whole is not None
    assert torn is not None
    ratio = (whole.high - whole.low) / (torn.high - torn.low)
    assert ratio == pytest.approx(math.sqrt(8), rel=0.2)


def test_a_mean_is_one_of_the_bootstrap_s_statistics():
    values = np.random.default_rng(4).normal(size=60)
    groups = np.random.default_rng(5).integers(0, 9, 60)
    by_hand = bootstrap(lambda column: float(column.mean()), groups, values)
    found = mean(values, groups)
    assert found is not None
    assert by_hand is not None
    assert (by_hand.low, by_hand.high) == pytest.approx((found.low, found.high), abs=1e-12)
    assert found.low < found.value < found.high


def test_a_mean_over_pairs_is_one_of_them_too():
    values = np.random.default_rng(6).normal(size=40)
    groups = np.random.default_rng(7).integers(0, 9, 40)
    by_hand = bootstrap(
        lambda column: float(np.abs(np.subtract.outer(column, column)).mean()), groups, values
    )
    found = mean_over_pairs(np.abs(np.subtract.outer(values, values)), groups)
    assert by_hand is not None
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(by_hand.value), 40)
    assert (found.low, found.high) == pytest.approx((by_hand.low, by_hand.high), abs=1e-12)
    # A mutant that tears groups apart is too sure.
    torn = mean_over_pairs(np.abs(np.subtract.outer(values, values)), np.arange(40))
    assert torn is not None
    assert torn.high - torn.low != pytest.approx(found.high - found.low, rel=0.01)
    assert mean_over_pairs(np.zeros((0, 0)), np.zeros(0, np.int64)) is None


def test_bootstrap_keeps_columns_together():
    x = np.arange(30.0)

    def worst_difference(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).max())

    found = bootstrap(worst_difference, np.arange(30), x, x)
    assert found == Estimate(0.0, 0.0, 0.0, 30)


def test_bootstrap_says_nothing_where_there_is_nothing():
    two = np.asarray([1.0, 2.0])
    assert mean(np.zeros(0), np.zeros(0, np.int64)) is None
    assert mean(two, np.zeros(2, np.int64)) is None, "one group"
    assert bootstrap(lambda column: math.nan, np.arange(2), two) is None
    often_undefined = bootstrap(
        lambda column: math.nan if column.min() == column.max() else 1.0, np.arange(2), two
    )
    assert often_undefined == Estimate(1.0, 1.0, 1.0, 2), "half of the resamples are enough"


def test_group_codes_number_names_in_order():
    assert group_codes(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
    assert group_codes([]).tolist() == []
