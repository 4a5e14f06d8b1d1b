"""Order consistency and position bias, by hand and against the served figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from critic_models.audit.orders import first_shown_advantage, order_consistency, same_side
from critic_models.vlm.readout import Answer, read_preference
from hypothesis import given, settings
from hypothesis import strategies as st

TRIPLES = st.tuples(*[st.floats(0.01, 1.0)] * 3).map(lambda t: np.asarray(t) / sum(t))


def test_by_hand():
    # A is said to win whichever is first; then the first is said to win, whichever it is.
    forward = np.asarray([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]])
    backward = np.asarray([[0.2, 0.7, 0.1], [0.7, 0.2, 0.1]])
    assert order_consistency(forward, backward).tolist() == pytest.approx([1.0, 0.5])
    assert same_side(forward, backward).tolist() == [True, False]
    assert first_shown_advantage(forward, backward).tolist() == pytest.approx([0.0, 0.5])
    favours_second = first_shown_advantage(forward[1:, [1, 0, 2]], backward[1:, [1, 0, 2]])
    assert favours_second.tolist() == pytest.approx([-0.5])


@settings(deadline=None)
@given(TRIPLES, TRIPLES)
def test_exchanging_the_clips_changes_no_figure(forward, backward):
    ab, ba = forward[None], backward[None]
    for figure in (order_consistency, first_shown_advantage):
        assert figure(ab, ba) == pytest.approx(figure(ba, ab))


@settings(deadline=None)
@given(TRIPLES, TRIPLES)
def test_consistency_is_the_served_one(forward, backward):
    answers = [
        Answer("c", ("A", "B", "tie"), tuple(math.log(p) for p in each), 0.0)
        for each in (forward, backward)
    ]
    served = read_preference(*answers, 0.1).order_consistency
    assert order_consistency(forward[None], backward[None])[0] == pytest.approx(served)
