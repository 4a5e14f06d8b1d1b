"""Policies against rules written another way, and wrong rules that must be caught."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from critic_models.errors import ClipTooLarge, UnknownName
from critic_models.video.sampling import (
    AllFrames,
    AtRate,
    Middle,
    Sampling,
    Transitions,
    Uniform,
    chosen_indices,
    sampling_from_name,
)
from hypothesis import given
from hypothesis import strategies as st

totals = st.integers(1, 2000)
counts = st.integers(1, 64)
rates = st.sampled_from([1.0, 8.0, 12.5, 23.976, 24.0, 25.0, 29.97, 30.0, 60.0, 120.0])


def choose(policy: Sampling, total: int, fps: float = 30.0) -> list[int]:
    return policy.indices(total, fps, np.arange(total) / fps).tolist()


def exact_even_steps(total: int, count: int) -> list[int]:
    """Even steps in whole fractions; Python rounds halves to even, as numpy does."""
    if count == 1:
        return [0]
    return [round(Fraction(i * (total - 1), count - 1)) for i in range(count)]


def exact_middle(total: int, count: int) -> list[int]:
    spans = min(count, total)
    edges = [i * total // spans for i in range(spans + 1)]
    middles = [(a + b - 1) // 2 for a, b in itertools.pairwise(edges)]
    return middles + [middles[-1]] * (count - spans)


@given(totals, counts)
def test_uniform_takes_even_steps_and_each_frame_once_from_a_short_clip(
    total: int, count: int
) -> None:
    indices = choose(Uniform(count), total)
    assert len(indices) == min(count, total)
    exact = exact_even_steps(total, len(indices))
    # A step that is a half in exact arithmetic may fall to either side in floating point.
    assert all(abs(a - b) <= 1 for a, b in zip(indices, exact, strict=True))
    assert sum(a != b for a, b in zip(indices, exact, strict=True)) <= len(indices) // 2
    assert len(set(indices)) == len(indices)
    assert indices[0] == 0
    assert count == 1 or indices[-1] == total - 1


@given(totals, counts)
def test_transitions_are_the_steps_between_even_frames(total: int, count: int) -> None:
    frames, indices = choose(Uniform(count), total), choose(Transitions(count), total)
    if len(frames) == 1:
        assert indices == frames
    else:
        assert list(zip(indices[::2], indices[1::2], strict=True)) == list(
            itertools.pairwise(frames)
        )


@given(totals, counts)
def test_middle_is_the_middle_of_equal_spans_and_repeats_the_last(total: int, count: int) -> None:
    indices = choose(Middle(count), total)
    exact = exact_middle(total, count)
    # VBench floors edges in floating point, which may fall just below a whole number.
    assert len(indices) == count
    assert all(0 <= b - a <= 1 for a, b in zip(indices, exact, strict=True))
    assert sum(a != b for a, b in zip(indices, exact, strict=True)) <= count // 4


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [
        (8, 49, [2, 8, 14, 20, 26, 32, 38, 45]),
        (16, 17, list(range(16))),
        (8, 5, [0, 1, 2, 3, 4, 4, 4, 4]),
    ],
)
def test_middle_gives_the_positions_of_vbench(count: int, total: int, expected: list[int]) -> None:
    assert choose(Middle(count), total) == expected


@given(totals, rates, st.integers(1, 8), st.integers(4, 64), st.sampled_from([1, 2, 4]))
def test_rate_keeps_its_bounds_and_its_multiple(
    total: int, source_fps: float, least: int, most: int, multiple: int
) -> None:
    policy = AtRate(2.0, min(least, most), most, multiple)
    indices = choose(policy, total, source_fps)
    assert len(indices) <= min(most, total)
    if total >= multiple:
        assert len(indices) % multiple == 0
        assert len(indices) >= min(policy.min_frames, total) // multiple * multiple
    else:
        assert indices == list(range(total))
    assert len(set(indices)) == len(indices)


@pytest.mark.parametrize(
    ("total", "source_fps", "expected"),
    [
        (150, 30.0, 10),  # 5 s at 2 fps
        (155, 30.0, 10),  # 10.33 is rounded down to the multiple
        (165, 30.0, 10),  # 11 too; rounding to the nearest would give 12
        (30, 30.0, 4),  # the least
        (3, 30.0, 2),  # fewer frames than the least
        (1, 30.0, 1),  # fewer frames than the multiple
        (90_000, 30.0, 768),  # the most
    ],
)
def test_rate_counts_as_qwen_vl_utils(total: int, source_fps: float, expected: int) -> None:
    indices = choose(AtRate(2.0), total, source_fps)
    assert len(indices) == expected
    assert indices == [round(x) for x in np.linspace(0, total - 1, expected)]


@given(totals)
def test_all_takes_all_or_refuses(total: int) -> None:
    assert choose(AllFrames(), total) == list(range(total))
    assert choose(AllFrames(max_frames=total), total) == list(range(total))
    if total > 1:
        with pytest.raises(ClipTooLarge, match=f"{total} frames") as caught:
            choose(AllFrames(max_frames=total - 1), total)
        assert caught.value.details["allowed"] == total - 1


POLICIES: list[Sampling] = [
    *(Uniform(8), Uniform(1), AtRate(2.0), AtRate(0.5, 2, 16, 4), AtRate(1, 1, 8, 1)),
    *(Middle(16), AllFrames(), Transitions(8)),
]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_policy_has_a_name_that_builds_it_again(policy: Sampling) -> None:
    assert sampling_from_name(policy.name) == policy


def test_names_are_stable() -> None:
    names = [policy.name for policy in POLICIES]
    assert names == [
        "uniform-8",
        "uniform-1",
        "rate-2.0-4-768",
        "rate-0.5-2-16-x4",
        "rate-1.0-1-8-x1",
        "middle-16",
        "all",
        "transitions-8",
    ]


@pytest.mark.parametrize(
    "name", ["", "uniform", "uniform-0", "uniform-8x", "uniform-٣", "rate-0-4-8", "rate-2-9-8", "x"]
)
def test_a_name_that_no_policy_has_is_refused(name: str) -> None:
    with pytest.raises(UnknownName) as caught:
        sampling_from_name(name)
    assert "uniform-8" in caught.value.details["forms"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Uniform(0),
        lambda: Middle(-1),
        lambda: Transitions(0),
        lambda: AtRate(fps=0),
        lambda: AtRate(fps=float("nan")),
        lambda: AtRate(min_frames=9, max_frames=8),
        lambda: AtRate(min_frames=1, max_frames=1, multiple=2),
        lambda: AllFrames(0),
        lambda: choose(Uniform(8), 0),
        lambda: choose(AtRate(), 8, fps=float("inf")),
    ],
)
def test_numbers_that_make_no_sense_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        build()


@given(st.sampled_from(POLICIES), totals, rates)
def test_every_policy_keeps_the_promise_of_the_protocol(
    policy: Sampling, total: int, fps: float
) -> None:
    indices = chosen_indices(policy, total, fps, np.arange(total) / fps)
    assert indices.dtype == np.int64
    assert len(indices) >= 1
    assert 0 <= indices[0] <= indices[-1] < total
    assert np.all(np.diff(indices) >= 0)


@pytest.mark.parametrize("indices", [[], [0, 9], [-1, 2], [2, 1], [[0]]])
def test_a_policy_that_breaks_the_promise_is_caught(indices: list[int]) -> None:
    class Broken:
        name = "broken"

        def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
            return np.array(indices, dtype=np.int64)

    with pytest.raises(ValueError, match="broken chose"):
        chosen_indices(Broken(), 9, 30.0, np.arange(9) / 30)


MUTANTS: dict[str, tuple[Sampling, Callable[[int, int], list[int]]]] = {
    "floor for round": (
        Uniform(8),
        lambda total, count: np.linspace(0, total - 1, count).astype(int).tolist(),
    ),
    "without the last frame": (
        Uniform(8),
        lambda total, count: np.linspace(0, total, count, endpoint=False).round().tolist(),
    ),
    "every other transition": (
        Transitions(8),
        lambda total, count: choose(Uniform(count), total),
    ),
    "beginning of each span": (
        Middle(8),
        lambda total, count: np.linspace(0, total, count + 1).astype(int)[:-1].tolist(),
    ),
    "middle rounded up": (
        Middle(8),
        lambda total, count: [(2 * i + 1) * total // (2 * count) for i in range(count)],
    ),
    "even steps for middles": (
        Middle(8),
        lambda total, count: np.linspace(0, total - 1, count).round().tolist(),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_rule_differs_from_the_policy(mutant: str) -> None:
    policy, wrong = MUTANTS[mutant]
    differing = [
        total for total in (17, 30, 49, 64, 150) if choose(policy, total) != wrong(total, 8)
    ]
    assert len(differing) >= 4
