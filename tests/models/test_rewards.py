"""Rewards, ranks and advantages, by hand and by property."""

from __future__ import annotations

import pytest
from critic_models.rewards import combine, overall_preference, rank
from critic_models.types import Preference, Score
from hypothesis import given
from hypothesis import strategies as st

REWARDS = st.lists(st.none() | st.floats(-5, 5), min_size=1, max_size=8)


def score(value: float | None) -> Score:
    return Score("c", value, value, "yes_no", {}, 1.0, None if value is not None else "why")


def test_combine_is_the_weighted_mean() -> None:
    scores = {"a": score(0.2), "b": score(0.8), "c": score(None)}
    assert combine(scores, {"a": 1.0, "b": 3.0}) == pytest.approx(0.65)
    assert combine(scores, {"a": 2.0}) == pytest.approx(0.2)


def test_a_missing_value_is_no_reward_unless_it_does_not_count() -> None:
    scores = {"a": score(0.2), "c": score(None)}
    assert combine(scores, {"a": 1.0, "c": 1.0}) is None
    assert combine(scores, {"a": 1.0, "absent": 1.0}) is None
    assert combine(scores, {"a": 1.0, "c": 0.0}) == pytest.approx(0.2)
    assert combine(scores, {"a": 0.0}) is None


def test_rank_by_hand() -> None:
    ranking = rank([0.5, None, 0.9, 0.5])
    assert ranking.ranks == (2, None, 1, 2)
    assert (ranking.best, ranking.worst) == (2, 0)
    assert ranking.mean == pytest.approx(1.9 / 3)
    assert ranking.advantages[1] is None
    assert ranking.advantages[2] == pytest.approx(2**0.5)


@given(REWARDS)
def test_advantages_have_mean_zero_and_keep_order(rewards: list[float | None]) -> None:
    ranking = rank(rewards)
    pairs = [(r, a) for r, a in zip(rewards, ranking.advantages, strict=True) if r is not None]
    assert all((a is None) == (r is None) for r, a in zip(rewards, ranking.advantages, strict=True))
    if pairs:
        assert sum(a or 0.0 for _, a in pairs) == pytest.approx(0.0, abs=1e-6)
        assert all((a or 0) <= (d or 0) + 1e-9 for r, a in pairs for s, d in pairs if r < s)


def test_equal_rewards_carry_no_signal() -> None:
    assert rank([0.3, 0.3, 0.3]).advantages == (0.0, 0.0, 0.0)
    assert rank([None, None]).best is None


def preference(win: float, tie: float, lose: float) -> Preference:
    return Preference("c", win, tie, lose, "a", 1.0, "pairwise", 1.0)


def test_overall_preference_averages_criteria() -> None:
    assert overall_preference({"x": preference(0.9, 0.0, 0.1)}) == "a"
    both = {"x": preference(0.9, 0.0, 0.1), "y": preference(0.1, 0.0, 0.9)}
    assert overall_preference(both) == "tie"
    missing = Preference("y", None, None, None, None, None, "pairwise", None, "why")
    assert overall_preference({"x": preference(0.9, 0.0, 0.1), "y": missing}) is None
