"""Rank measures against published values and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from critic_models.audit.ranks import (
    average_ranks,
    dominance,
    spearman,
    spearman_matrix,
    spearman_within,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBERS = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


def test_spearman_is_the_published_value():
    # The worked example of scipy.stats.spearmanr, with a tie.
    assert spearman(np.arange(1.0, 6.0), np.asarray([5.0, 6, 7, 8, 7])) == pytest.approx(
        0.8207826816681233
    )
    assert spearman(np.arange(5.0), np.exp(np.arange(5.0))) == pytest.approx(1.0)
    assert spearman(np.arange(5.0), -(np.arange(5.0) ** 3)) == pytest.approx(-1.0)


def test_a_constant_has_no_correlation():
    assert math.isnan(spearman(np.arange(3.0), np.ones(3)))
    assert math.isnan(spearman(np.ones(1), np.ones(1)))


@settings(deadline=None)
@given(NUMBERS)
def test_average_ranks_by_counting(numbers):
    values = np.asarray(numbers, float)
    expected = [(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values]
    assert average_ranks(values).tolist() == expected


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=15))
def test_spearman_is_pearson_of_ranks(rows):
    x, y = np.asarray(rows, float).T
    found = spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(found)
        return
    expected = np.corrcoef(average_ranks(x), average_ranks(y))[0, 1]
    assert found == pytest.approx(expected, abs=1e-12)
    # A mutant that breaks ties by position would not be symmetric in the order of the rows.
    assert found == pytest.approx(spearman(x[::-1], y[::-1]), abs=1e-12)


def test_within_ladders_levels_between_them_do_not_matter():
    grades = np.tile([1.0, 0.5, 0.0], 2)
    ladders = np.repeat([0, 1], 3)
    raw = np.asarray([9.0, 8.0, 7.0, 2.0, 1.0, 0.0])
    assert spearman_within(raw, grades, ladders).tolist() == pytest.approx([1.0, 1.0])
    assert spearman(raw, grades) < 0.6
    flat = spearman_within(np.ones(6), grades, ladders)
    assert flat.tolist() == [0.0, 0.0], "scores that do not change order nothing"
    short = spearman_within(raw[:2], grades[:2], ladders[:2])
    assert np.isnan(short).all()


def test_the_matrix_uses_what_both_columns_have():
    columns = np.asarray([[1.0, 4.0, math.nan], [2.0, 3.0, 5.0], [3.0, 2.0, 6.0], [4.0, 1.0, 7.0]])
    matrix = spearman_matrix(columns)
    assert matrix[0].tolist() == pytest.approx([1.0, -1.0, 1.0])
    assert matrix[1, 2] == matrix[2, 1] == pytest.approx(-1.0)
    columns[:, 1] = 0.0
    assert np.isnan(spearman_matrix(columns)[1]).all()


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_dominance_averages_to_cliffs_delta(higher, lower):
    found = dominance(np.asarray(higher, float), np.asarray(lower, float))
    above = sum(a > b for a in higher for b in lower)
    below = sum(a < b for a in higher for b in lower)
    assert found.shape == (len(higher), len(lower))
    assert found.mean() == pytest.approx((above - below) / found.size, abs=1e-12)
