"""Accuracy with and without ties, against hand-made examples and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from critic_models.audit.accuracy import (
    accuracy_with_ties,
    accuracy_without_ties,
    chance_with_ties,
    fit_tie_threshold,
    with_threshold,
)
from hypothesis import given, settings
from hypothesis import strategies as st

MARGINS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
PAIRS = st.lists(st.tuples(MARGINS, st.sampled_from([-1, 0, 1])), min_size=1, max_size=30)


def arrays(rows):
    return np.asarray([m for m, _ in rows]), np.asarray([label for _, label in rows], np.int64)


def test_without_ties_by_hand():
    margins = np.asarray([0.4, -0.1, 0.2, 0.0, 9.0])
    labels = np.asarray([1, -1, -1, 1, 0])
    found = accuracy_without_ties(margins, labels, np.arange(5))
    # Right, right, wrong, a draw (wrong), and a tie that does not count.
    assert found is not None
    assert (found.value, found.n) == (0.5, 4)
    assert accuracy_without_ties(margins[4:], labels[4:], np.arange(1)) is None


def test_with_ties_by_hand():
    margins = np.asarray([0.1, -0.2, 0.9, -0.8, 0.3])
    labels = np.asarray([0, 0, 1, -1, 1])
    # Sizes 0.1 and 0.2 are ties, 0.3 and more are decided: the cut lies between 0.2 and 0.3.
    threshold = fit_tie_threshold(margins, labels)
    assert threshold == pytest.approx(0.25)
    assert with_threshold(margins, threshold).tolist() == [0, 0, 1, -1, 1]
    assert with_threshold(margins, 0.0).tolist() == [1, -1, 1, -1, 1]
    assert with_threshold(np.asarray([0.5, -0.5]), 0.5).tolist() == [0, 0], "at it is a tie"


def three_way(margins, labels, threshold):
    said = [0 if abs(m) <= threshold else (1 if m > 0 else -1) for m in margins]
    return sum(s == label for s, label in zip(said, labels, strict=True))


@settings(deadline=None)
@given(PAIRS)
def test_no_threshold_is_better_than_the_fitted_one(rows):
    margins, labels = arrays(rows)
    fitted = three_way(margins, labels, fit_tie_threshold(margins, labels))
    every_cut = [three_way(margins, labels, t) for t in np.arange(0.0, 2.5, 0.25)]
    assert fitted == max(every_cut)


def test_of_equal_cuts_the_one_of_fewest_ties_is_taken():
    """All ties and no ties are right in one of two; a critic need not be mute to get there."""
    margins, labels = np.asarray([0.5, 0.7]), np.asarray([0, 1])
    assert fit_tie_threshold(margins, labels) == pytest.approx(0.6)
    assert fit_tie_threshold(np.asarray([0.5, 0.7]), np.asarray([1, 0])) == pytest.approx(0.25)


def test_held_out_accuracy_does_not_see_its_own_pairs():
    """On noise, thresholds fitted on the reported pairs look better than chance; ours do not."""
    rng = np.random.default_rng(0)
    held_out, in_sample = [], []
    for _ in range(60):
        labels = rng.permutation([0] * 8 + [1] * 8 + [-1] * 8)
        found = accuracy_with_ties(rng.normal(size=24), labels, np.arange(24))
        assert found is not None
        held_out.append(found.held_out.value)
        in_sample.append(found.in_sample)
    chance = 1 / 3
    assert np.mean(held_out) < chance + 0.03
    assert np.mean(in_sample) > chance + 0.08


def test_a_critic_that_knows_ties_is_right_on_pairs_it_was_not_fitted_on():
    rng = np.random.default_rng(1)
    labels = rng.integers(-1, 2, 90)
    margins = labels * rng.uniform(1.0, 3.0, 90) + rng.uniform(-0.4, 0.4, 90)
    found = accuracy_with_ties(margins, labels, np.arange(90))
    assert found is not None
    assert found.held_out.value == 1.0
    assert 0.4 < found.threshold < 1.0
    assert found.tie_share == pytest.approx((labels == 0).mean())


def test_halves_never_split_a_group():
    """Each group has a scale of its own: only a threshold from its own pairs could be right."""
    groups = np.repeat(np.arange(2), 20)
    scale = np.repeat([1.0, 1000.0], 20)
    labels = np.tile([0, 1], 20)
    margins = scale * np.where(labels == 0, 0.5, 1.0)
    whole = accuracy_with_ties(margins, labels, groups)
    torn = accuracy_with_ties(margins, labels, np.arange(40))
    assert whole is not None
    assert torn is not None
    assert whole.held_out.value == 0.5
    assert torn.held_out.value > 0.6


def test_with_ties_needs_ties_decisions_and_two_groups():
    margins, groups = np.asarray([1.0, 2.0]), np.arange(2)
    assert accuracy_with_ties(margins, np.asarray([1, 1]), groups) is None
    assert accuracy_with_ties(margins, np.asarray([0, 0]), groups) is None
    assert accuracy_with_ties(margins, np.asarray([0, 1]), np.zeros(2, np.int64)) is None
    assert accuracy_with_ties(margins[:0], np.zeros(0, np.int64), groups[:0]) is None


@settings(deadline=None)
@given(st.integers(0, 20), st.integers(0, 20))
def test_chance_is_the_best_of_all_ways_not_to_look(ties, decided):
    if ties + decided == 0:
        return
    labels = np.asarray([0] * ties + [1] * decided)
    share = ties / (ties + decided)
    ways = [q * share + (1 - q) * (1 - share) / 2 for q in np.linspace(0, 1, 11)]
    assert chance_with_ties(labels) == pytest.approx(max(ways))
