"""Pairs: properties that every rule has, and hand-worked cases of dominance."""

from __future__ import annotations

import math
import random

import pytest
from critic_client.labels import Origin, Pair, Sample
from critic_client.labels.checklist import Checklist, Question
from critic_client.labels.pairs import (
    Comparison,
    accepted_over_rejected,
    adjacent_ranks,
    all_above_margin,
    best_and_worst,
    dominating,
    from_comparisons,
    strictly_dominates,
)
from hypothesis import given
from hypothesis import strategies as st

rewards = st.lists(st.integers(-20, 20).map(lambda n: n / 8), min_size=0, max_size=7)
probabilities = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)).filter(any)

LIST = Checklist(
    (
        Question("clear", "Is it clear?", 0.6, "quality", "sharpness"),
        Question("clean", "Is it clean?", 0.3, "quality", "noise"),
        Question("fits", "Does it fit?", 1.0, "alignment", "subject"),
        Question("safe", "Is it safe?", 0.0, "safety", "safety"),
    )
)


def group_of(values: list[float]) -> list[Sample]:
    return [Sample(f"{i}.mp4", "a cat", value) for i, value in enumerate(values)]


def answered(name: str, clear: float, clean: float, fits: float, safe: float = 1.0) -> Sample:
    return Sample(
        name, "a cat", answers={"clear": clear, "clean": clean, "fits": fits, "safe": safe}
    )


def names(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(p.chosen.clip, p.rejected.clip) for p in pairs]


@pytest.mark.parametrize("rule", [best_and_worst, all_above_margin, adjacent_ranks])
@given(values=rewards, margin=st.sampled_from([0.0, 0.25, 1.0]))
def test_every_pair_is_in_the_right_order_and_above_the_margin(
    rule: object, values: list[float], margin: float
) -> None:
    for pair in rule(group_of(values), margin):  # type: ignore[operator]
        assert pair.margin is not None
        assert pair.margin > margin
        assert pair.margin == pair.chosen.reward - pair.rejected.reward


@pytest.mark.parametrize("rule", [best_and_worst, all_above_margin, adjacent_ranks])
@given(values=rewards, seed=st.integers(0, 99))
def test_the_order_of_samples_does_not_change_which_rewards_are_paired(
    rule: object, values: list[float], seed: int
) -> None:
    shuffled = list(values)
    random.Random(seed).shuffle(shuffled)

    def paired(of: list[float]) -> list[tuple[float | None, float | None]]:
        return sorted(
            (p.chosen.reward, p.rejected.reward)
            for p in rule(group_of(of))  # type: ignore[operator]
        )

    assert paired(values) == paired(shuffled)


@given(values=rewards)
def test_negated_rewards_exchange_the_two_sides(values: list[float]) -> None:
    there = {(p.chosen.clip, p.rejected.clip) for p in all_above_margin(group_of(values))}
    back = all_above_margin(group_of([-v for v in values]))
    assert there == {(p.rejected.clip, p.chosen.clip) for p in back}


def test_rules_on_a_group_of_four() -> None:
    group = group_of([0.5, 0.9, 0.1, 0.5])
    assert names(best_and_worst(group)) == [("1.mp4", "2.mp4")]
    assert names(best_and_worst(group, 0.8)) == []
    assert names(adjacent_ranks(group)) == [("1.mp4", "0.mp4"), ("3.mp4", "2.mp4")]
    assert len(all_above_margin(group)) == 5
    assert names(all_above_margin(group, 0.5)) == [("1.mp4", "2.mp4")]


def test_a_margin_itself_is_not_enough() -> None:
    assert best_and_worst(group_of([1.0, 0.5]), 0.5) == []
    assert len(best_and_worst(group_of([1.0, 0.4]), 0.5)) == 1


def test_clips_without_a_reward_never_reach_a_rule() -> None:
    with pytest.raises(ValueError, match=r"b\.mp4 has no reward: too short"):
        best_and_worst([Sample("a.mp4", "p", 1.0), Sample("b.mp4", "p", None, reason="too short")])


def test_pairs_need_one_prompt_and_one_fingerprint() -> None:
    one = Sample("a.mp4", "p", 1.0, origin=Origin(fingerprint="x"))
    with pytest.raises(ValueError, match="one prompt"):
        Pair(one, Sample("b.mp4", "q", 0.0, origin=Origin(fingerprint="x")), 1.0)
    with pytest.raises(ValueError, match="fingerprints"):
        Pair(one, Sample("b.mp4", "p", 0.0, origin=Origin(fingerprint="y")), 1.0)


def test_dominance_by_level() -> None:
    good = answered("good", 1, 1, 1)
    blurred = answered("blurred", 0, 1, 1)
    noisy = answered("noisy", 1, 0, 1)
    group = [blurred, good, noisy]
    assert names(dominating(group, LIST, "question", 0.0, "all")) == [
        ("good", "blurred"),
        ("good", "noisy"),
    ]
    # Neither dominates the other by question; by dimension the sums .6 and .3 decide.
    assert dominating([blurred, noisy], LIST, "question", 0.0, "all") == []
    assert names(dominating([blurred, noisy], LIST, "dimension", 0.0, "all")) == [
        ("noisy", "blurred")
    ]
    assert dominating([blurred, noisy], LIST, "subdimension", 0.0, "all") == []


def test_the_first_pair_is_by_the_order_of_samples_and_the_largest_by_margin() -> None:
    group = [answered("none", 0, 0, 0), answered("some", 1, 0, 0), answered("all", 1, 1, 1)]
    assert names(dominating(group, LIST, "question", 0.5, "first")) == [("some", "none")]
    assert names(dominating(group, LIST, "question", 0.5, "largest")) == [("all", "none")]
    assert names(dominating(group, LIST, "question", 0.6, "first")) == [("all", "none")]


def test_a_question_without_weight_can_forbid_a_pair() -> None:
    better = answered("better", 1, 1, 1, safe=0.0)
    assert dominating([better, answered("worse", 0, 0, 0)], LIST, "question", 0.5, "all") == []


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1.0])] * 4), min_size=2, max_size=5))
def test_dominance_is_antisymmetric_and_irreflexive(rows: list[tuple[float, ...]]) -> None:
    vectors = [dict(zip("abcd", row, strict=True)) for row in rows]
    for one in vectors:
        assert not strictly_dominates(one, one)
        for other in vectors:
            assert not (strictly_dominates(one, other) and strictly_dominates(other, one))


def comparison(win: float, tie: float, lose: float) -> Comparison:
    total = win + tie + lose
    a, b = Sample("a", "p"), Sample("b", "p")
    return Comparison(a, b, win / total, tie / total, lose / total)


def test_ties_are_dropped_kept_or_soft() -> None:
    tie = comparison(0.3, 0.5, 0.2)
    assert from_comparisons([tie], "drop") == []
    (kept,) = from_comparisons([tie], "keep")
    assert kept.p_chosen == 0.5
    (soft,) = from_comparisons([tie], "soft")
    assert soft.chosen.clip == "a"
    assert math.isclose(soft.p_chosen, 0.55)


def test_an_even_preference_is_a_tie_even_where_tie_is_improbable() -> None:
    even = comparison(0.4, 0.2, 0.4)
    assert from_comparisons([even]) == []
    assert from_comparisons([even], "keep")[0].p_chosen == 0.5


@given(probabilities, st.sampled_from(["drop", "keep", "soft"]))
def test_exchanging_the_clips_exchanges_the_pair(row: tuple[int, int, int], ties: str) -> None:
    one = comparison(*row)
    other = Comparison(one.b, one.a, one.p_lose, one.p_tie, one.p_win)
    there, back = from_comparisons([one], ties), from_comparisons([other], ties)  # type: ignore[arg-type]
    assert [p.p_chosen for p in there] == [p.p_chosen for p in back]
    if there and there[0].p_chosen != 0.5:
        assert names(there) == names(back)


def test_certainty_must_be_exceeded() -> None:
    assert from_comparisons([comparison(0.5, 0.25, 0.25)], least_certainty=0.5) == []
    assert len(from_comparisons([comparison(0.51, 0.25, 0.24)], least_certainty=0.5)) == 1


def test_probabilities_must_sum_to_one() -> None:
    with pytest.raises(ValueError, match="sum to one"):
        Comparison(Sample("a", "p"), Sample("b", "p"), 0.5, 0.1, 0.1)


def test_accepted_clips_are_preferred_to_rejected_ones_only() -> None:
    pairs = accepted_over_rejected(group_of([1, 0, 1, 0]), lambda s: s.reward == 1)
    assert names(pairs) == [
        ("0.mp4", "1.mp4"),
        ("0.mp4", "3.mp4"),
        ("2.mp4", "1.mp4"),
        ("2.mp4", "3.mp4"),
    ]
    assert len(accepted_over_rejected(group_of([1, 0, 1]), lambda s: s.reward == 1, 1)) == 1
    assert accepted_over_rejected(group_of([1, 1]), lambda s: s.reward == 1) == []
