"""Intervals and tests by hand, and what goes wrong where clips are taken for prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from critic_models.evaluation import statistics as module
from critic_models.evaluation.statistics import Sample, holm, paired, sign_flip, weighted_mean


def clips(numbers: Sequence[float], per_prompt: int, noise: float = 0.0) -> list[Sample]:
    """Return clips of prompts that have these numbers."""
    rng = np.random.default_rng(7)
    return [
        Sample(f"prompt {prompt}", number + noise * float(rng.normal()))
        for prompt, number in enumerate(numbers)
        for _ in range(per_prompt)
    ]


def as_if_independent(samples: Sequence[Sample]) -> list[Sample]:
    """Take every clip for a prompt of its own: the wrong unit."""
    return [Sample(f"clip {i}", each.number, each.weight) for i, each in enumerate(samples)]


def test_two_prompts_say_little_however_many_clips_they_have() -> None:
    """Of two prompts drawn with replacement, a quarter of the draws are all 0, a quarter all 1."""
    samples = clips([0.0, 1.0], per_prompt=50)
    right, wrong = weighted_mean(samples), weighted_mean(as_if_independent(samples))
    assert right is not None
    assert wrong is not None
    assert (right.value, right.low, right.high, right.n) == (0.5, 0.0, 1.0, 100)
    # By clips it would be 0.5 ± 1.96 · 0.05.
    assert wrong.high - wrong.low == pytest.approx(4 * 0.98 * 0.05, abs=0.03)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """With eight clips of each of 25 prompts that differ, prompts give 95%, clips far less."""
    rng = np.random.default_rng(3)
    held = {"prompts": 0, "clips": 0}
    rounds = 40
    for _ in range(rounds):
        samples = clips(list(rng.normal(size=25)), per_prompt=8, noise=0.1)
        for unit, each in (("prompts", samples), ("clips", as_if_independent(samples))):
            found = weighted_mean(each)
            assert found is not None
            held[unit] += found.low <= 0.0 <= found.high
    assert held["prompts"] / rounds >= 0.85
    assert held["clips"] / rounds <= 0.7


def test_clips_weigh_what_they_weigh() -> None:
    found = weighted_mean([Sample("a", 1.0, 3.0), Sample("b", 0.0, 1.0)])
    assert found is not None
    assert (found.value, found.low, found.high) == (0.75, 0.0, 1.0)


@pytest.mark.parametrize("samples", [[], clips([0.3], per_prompt=5)])
def test_one_prompt_has_no_interval(samples: list[Sample]) -> None:
    assert weighted_mean(samples) is None


def test_equal_input_gives_equal_figures() -> None:
    samples = clips([0.1, 0.5, 0.7], per_prompt=3, noise=0.1)
    assert weighted_mean(samples) == weighted_mean(list(samples))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2.0, 3.0], 2 / 8),  # of the eight sums only 6 and -6 are as far from 0
        ([1.0, 1.0, -2.0], 1.0),  # every sum is at least as far from 0 as 0 is
        ([3.0, 1.0, -1.0], 6 / 8),  # 5, 3, 3 and their mirrors; 1 and -1 are nearer
        ([0.1, 0.2], 2 / 4),
        ([0.0, 0.0], 1.0),
    ],
)
def test_small_sign_flips_are_counted(differences: list[float], p: float) -> None:
    assert sign_flip(np.asarray(differences)) == p


def test_drawn_flips_come_near_the_counted_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.asarray([0.3, 0.1, -0.2, 0.5, 0.4, -0.1, 0.2, 0.1, 0.0, 0.3])
    counted = sign_flip(differences)
    monkeypatch.setattr(module, "_MOST_EXACT", 0)
    assert sign_flip(differences) == pytest.approx(counted, abs=0.01)
    assert sign_flip(np.ones(100)) == 1 / (module.FLIPS + 1)


def test_runs_are_paired_prompt_by_prompt() -> None:
    """Three prompts that all gain: one in four by chance, whatever number of clips they have."""
    easy_to_hard = [0.9, 0.5, 0.1]
    before = clips(easy_to_hard, per_prompt=10)
    after = clips([each + 0.05 for each in easy_to_hard], per_prompt=4)
    found = paired(after, before)
    assert found.difference is not None
    assert found.difference.value == pytest.approx(0.05)
    assert found.difference.low == pytest.approx(0.05)
    assert (found.p, found.num_prompts, found.left_out) == (0.25, 3, 0)
    wrong = paired(as_if_independent(after), as_if_independent(before))
    assert wrong.p is not None
    assert wrong.num_prompts == 12
    assert wrong.p != found.p
    # Not paired, what prompts differ by would hide what the runs differ by.
    spread = weighted_mean(after)
    assert spread is not None
    assert spread.high - spread.low > 0.5


def test_prompts_of_one_run_alone_are_left_out_and_counted() -> None:
    first = [Sample("a", 1.0), Sample("b", 2.0), Sample("c", 9.0)]
    second = [Sample("a", 0.0), Sample("b", 0.0), Sample("d", 0.0), Sample("e", 0.0)]
    found = paired(first, second)
    assert found.difference is not None
    assert (found.difference.value, found.num_prompts, found.left_out) == (1.5, 2, 3)
    assert paired(first[:1], second[:1]).difference is None


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.9}) == {
        "a": 0.04,
        "c": 0.09,
        "b": 0.09,
        "d": 0.9,
    }
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}
