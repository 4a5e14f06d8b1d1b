"""Reliability curves and calibration errors, by hand and by property."""

from __future__ import annotations

import math

import numpy as np
import pytest
from critic_models.audit.reliability import (
    Bin,
    calibration_error,
    expected_calibration_error,
    reliability_curve,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def test_bins_have_equal_mass_not_equal_width():
    values = np.concatenate([np.linspace(0.90, 1.0, 90), np.linspace(0.0, 0.5, 10)])
    curve = reliability_curve(values, np.ones(100))
    assert [b.n for b in curve] == [10] * 10
    assert curve[0].value == pytest.approx(0.25)
    assert all(b.value >= 0.9 for b in curve[1:])


def test_few_answers_make_few_bins():
    assert len(reliability_curve(np.linspace(0, 1, 35), np.zeros(35))) == 3
    assert reliability_curve(np.asarray([0.5]), np.asarray([1.0])) == [Bin(0.5, 1.0, 1)]
    assert reliability_curve(np.zeros(0), np.zeros(0)) == []


def test_error_by_hand():
    values = np.concatenate([np.full(10, 0.2), np.full(30, 0.9)])
    truths = np.concatenate([np.zeros(10), np.ones(30)])
    # Four bins of ten: |0.2 - 0| once, |0.9 - 1| three times.
    assert calibration_error(values, truths) == pytest.approx((0.2 + 3 * 0.1) / 4)
    assert math.isnan(calibration_error(np.zeros(0), np.zeros(0)))


def test_a_perfect_value_has_no_error_and_a_confident_one_has():
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 20_000)
    happened = (rng.random(20_000) < p).astype(float)
    # The plug-in error of a perfect value is about sqrt(2 / pi) * sqrt(p(1 - p) / 2,000) per bin.
    assert calibration_error(p, happened) < 0.012
    overconfident = np.clip(3 * (p - 0.5) + 0.5, 0, 1)
    assert calibration_error(overconfident, happened) > 0.1


ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])),
    min_size=20,  # two bins and more
    max_size=60,
)


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_the_order_of_answers_changes_nothing(rows, random):
    """Bins that cut through equal values by position would."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    first = calibration_error(*np.asarray(rows, float).T)
    second = calibration_error(*np.asarray(shuffled, float).T)
    assert first == pytest.approx(second, abs=1e-12)


def test_the_interval_holds_the_error():
    rng = np.random.default_rng(1)
    values, truths = rng.random(200), rng.random(200)
    found = expected_calibration_error(values, truths, np.repeat(np.arange(50), 4))
    assert found is not None
    assert found.low <= found.value <= found.high
    assert found.value == calibration_error(values, truths)
    assert expected_calibration_error(values[:0], truths[:0], np.zeros(0, np.int64)) is None
