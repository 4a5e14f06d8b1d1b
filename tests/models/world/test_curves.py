from __future__ import annotations

import math

import numpy as np
import pytest
from critic_models.world.curves import Curve, Leg, arrival, ease, fall, hold, line, step
from hypothesis import assume, given
from hypothesis import strategies as st

TIMES = np.linspace(0.0, 1.0, 41)
values = st.floats(-100, 100)
starts = st.lists(st.floats(-0.5, 1.2), min_size=1, max_size=5, unique=True).map(sorted)


@st.composite
def curves(draw):
    return Curve(
        tuple(Leg(start, draw(values), draw(values), draw(values)) for start in draw(starts))
    )


def by_definition(curve: Curve, time: float) -> float:
    leg = curve.legs[0]
    for other in curve.legs:
        if other.start <= time:
            leg = other
    u = time - leg.start
    return leg.value + leg.rate * u + leg.acceleration * u * u / 2


@given(curves())
def test_a_curve_is_the_last_leg_that_has_begun(curve):
    assert np.allclose(curve(TIMES), [by_definition(curve, t) for t in TIMES])


@given(curves(), curves())
def test_curves_add_up_at_every_time(one, other):
    # Values reach 100 * (1 + 2 + 2): 1e-9 is some ten million rounding errors of them.
    times = np.linspace(max(one.legs[0].start, other.legs[0].start, 0.0), 1.5, 31)
    assert np.allclose((one + other)(times), one(times) + other(times), atol=1e-9)


@given(curves(), values, values)
def test_scaling_is_linear(curve, factor, offset):
    assert np.allclose(curve.scaled(factor, offset)(TIMES), factor * curve(TIMES) + offset)


def test_an_even_way_and_an_eased_one_begin_and_end_where_they_should():
    times = np.asarray([0.0, 0.2, 0.5, 0.8, 1.0])
    assert np.allclose(line(0.2, 3.0, 0.8, 9.0)(times), [3, 3, 6, 9, 9])
    assert np.allclose(ease(0.2, 3.0, 0.8, 9.0)(times), [3, 3, 6, 9, 9])
    quarter = ease(0.2, 3.0, 0.8, 9.0)(np.asarray([0.35]))
    assert quarter[0] == pytest.approx(3 + 6 * 0.125)


def test_a_step_is_added_from_its_time_on():
    assert np.allclose(
        (hold(2.0) + step(0.5, 3.0))(np.asarray([0.0, 0.49, 0.5, 1.0])), [2, 2, 5, 5]
    )


@given(st.floats(50, 2000), st.floats(5, 90), st.floats(0.0, 0.9), st.floats(-0.2, 0.3))
def test_a_fall_agrees_with_small_steps_of_time(gravity, height, restitution, start):
    curve = fall(start, -height, 0.0, gravity, restitution)
    landing = start + math.sqrt(2 * height / gravity)
    assume(landing < 1.2)
    before = np.linspace(start, landing, 20)
    assert np.allclose(curve(before), -height + gravity * (before - start) ** 2 / 2)
    later = curve(np.linspace(landing, 1.4, 400))
    assert (later <= 1e-6).all(), "it never goes below the floor"
    assert (-later).max() <= height * restitution**2 + 1e-6


def test_each_bounce_keeps_the_same_share_of_speed():
    curve = fall(0.0, -60.0, 0.0, 1500.0, 0.7)
    speeds = [-leg.rate for leg in curve.legs[1:] if leg.rate]
    assert len(speeds) >= 3
    assert np.allclose(np.divide(speeds[1:], speeds[:-1]), 0.7)
    assert speeds[0] == pytest.approx(0.7 * math.sqrt(2 * 1500 * 60))


@given(st.floats(-300, 300), st.floats(-2000, 2000), st.floats(0.5, 90))
def test_an_arrival_is_when_the_leg_gets_there(rate, acceleration, distance):
    leg = Leg(0.2, 10.0, rate, acceleration)
    when = arrival(leg, 10.0 + distance)
    if when is None:
        far = leg.start + np.linspace(0.0, 2.0, 2001)
        reached = [leg.value_at(t) for t in far]
        assert max(reached) < 10.0 + distance + 1e-6 or rate <= 0 or acceleration < 0
    elif when < 10.0:
        assert when >= leg.start
        assert leg.value_at(when) == pytest.approx(10.0 + distance, rel=1e-6, abs=1e-4)
