from __future__ import annotations

import math

import numpy as np
import pytest
from critic_models.finetune.tuning.votes import Verdict, majority, preference_certainty
from hypothesis import given
from hypothesis import strategies as st

votes = st.lists(st.sampled_from(["a", "b", "tie", None]), min_size=1, max_size=9)


@given(votes)
def test_a_majority_has_more_votes_than_every_other_answer(votes):
    verdict = majority(votes)
    counts = {side: votes.count(side) for side in ("a", "b", "tie")}
    best = max(counts.values())
    winners = [side for side, count in counts.items() if count == best and count > 0]
    if len(winners) == 1:
        assert verdict == Verdict(winners[0], best / len(votes), len(votes))
    else:
        assert verdict == Verdict(None, 0.0, len(votes))


def test_a_view_without_an_answer_lowers_the_agreement():
    assert majority(["a", "a", None, None]).agreement == 0.5
    assert majority([None]).answer is None
    with pytest.raises(ValueError, match="at least one vote"):
        majority([])


def test_certainty_is_the_logistic_of_the_reward_above_the_mean():
    rewards = np.asarray([2.0, 0.0, -1.0, 3.0])
    expected = [1 / (1 + math.exp(-(r - 1.0))) for r in rewards]
    assert preference_certainty(rewards).tolist() == pytest.approx(expected)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(-20, 20))
def test_certainty_does_not_depend_on_what_all_rewards_share(rewards, shift):
    found = preference_certainty(np.asarray(rewards))
    assert ((found >= 0) & (found <= 1)).all()
    assert preference_certainty(np.asarray(rewards) + shift) == pytest.approx(found, abs=1e-9)


def test_a_critic_that_is_its_own_reference_is_certain_of_nothing():
    """The mutant: labels kept although nothing was learned since the reference."""
    assert not (preference_certainty(np.zeros(5)) > 0.5).any()
