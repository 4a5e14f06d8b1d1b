"""What is decided from flow: VBench's rules, their defects, and the continuous number inside."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from critic_models.dimensions import static_filter
from critic_models.dimensions.dimension import Compat, Reading
from critic_models.dimensions.dynamic_degree import DYNAMIC_DEGREE, fastest, pairs_needed
from critic_models.dimensions.networked import ClipFacts, Evidence, NetworkDimension
from critic_models.dimensions.static_filter import STATIC_FILTER
from goldens import golden

DECISIONS: list[list[Any]] = golden("rules")["decisions"]


def read(
    dimension: NetworkDimension, lengths: list[float], facts: ClipFacts, compat: Compat
) -> Reading:
    features = torch.tensor(lengths, dtype=torch.float64)
    return dimension.compute(Evidence(features, None, facts), compat)


def at_8_fps(num_frames: int, height: int = 256, width: int = 256) -> ClipFacts:
    return ClipFacts(num_frames, height, width, 8.0)


@pytest.mark.parametrize("decision", DECISIONS, ids=[str(i) for i in range(len(DECISIONS))])
def test_dynamic_is_what_vbench_decides(decision: list[Any]) -> None:
    count, height, width, lengths, moves = decision
    reading = read(DYNAMIC_DEGREE, lengths, at_8_fps(count, height, width), "vbench")
    assert reading.raw == float(moves)
    assert reading.continuous is not None
    if pairs_needed(count) > 0:
        assert (reading.continuous > 1) is moves


def test_the_decisions_tell_rules_apart() -> None:
    outcomes = [decision[-1] for decision in DECISIONS]
    assert 10 < sum(outcomes) < len(outcomes) - 10
    # A half is rounded to even: rounding it up, or leaving out a pair, decides otherwise.
    assert [pairs_needed(n) for n in (2, 3, 6, 10, 11, 16, 17)] == [0, 1, 2, 2, 3, 4, 4]


def test_a_still_clip_of_two_sampled_frames_is_dynamic_only_to_vbench() -> None:
    assert read(DYNAMIC_DEGREE, [0.0], at_8_fps(2), "vbench").raw == 1.0
    corrected = read(DYNAMIC_DEGREE, [0.0], at_8_fps(2), "corrected")
    assert (corrected.raw, corrected.continuous) == (0.0, 0.0)
    assert read(DYNAMIC_DEGREE, [6.1], at_8_fps(2), "corrected").raw == 1.0


def test_one_sampled_frame_has_no_number_when_corrected() -> None:
    facts = ClipFacts(3, 256, 256, 24.0)
    assert read(DYNAMIC_DEGREE, [], facts, "vbench").raw == 0.0
    corrected = read(DYNAMIC_DEGREE, [], facts, "corrected")
    assert corrected.raw is None
    assert corrected.reason is not None


def test_continuous_grows_with_the_pair_that_decides() -> None:
    # Four of fifteen pairs must move: the fourth fastest decides.
    lengths = [9.0, 8.0, 7.0, 5.0] + [0.0] * 11
    reading = read(DYNAMIC_DEGREE, lengths, at_8_fps(16), "corrected")
    assert reading.raw == 0.0
    assert reading.continuous == pytest.approx(5 / 6)


def test_the_fastest_pixels_are_counted_down() -> None:
    flow = torch.zeros(1, 2, 10, 10)
    flow[0, 0, 0, :5] = torch.tensor([1.0, 2.0, 3.0, 4.0, -10.0])
    # int(100 * 0.05) = 5 of them; by length, whatever the direction.
    assert fastest(flow, 0.05).item() == pytest.approx(4.0)


class TestStaticFilter:
    def test_every_pair_and_the_ends_both_ways(self) -> None:
        assert static_filter.units(at_8_fps(3)) == [(0, 1), (1, 2), (0, 2), (2, 0)]

    def test_as_many_pairs_as_are_allowed_may_move(self) -> None:
        facts = at_8_fps(16)  # 2 of 15 may exceed 3 pixels; the ends 12 pixels
        still = [9.0, 9.0, *[1.0] * 13, 5.0, 5.0]
        moving = [9.0, 9.0, 3.5, *[1.0] * 12, 5.0, 5.0]
        apart = [*[1.0] * 15, 1.0, 12.5]
        assert read(STATIC_FILTER, still, facts, "vbench").raw == 1.0
        assert read(STATIC_FILTER, moving, facts, "vbench").raw == 0.0
        assert read(STATIC_FILTER, apart, facts, "vbench").raw == 0.0
        assert read(STATIC_FILTER, apart, facts, "vbench").continuous == pytest.approx(12.5 / 12)

    def test_hardly_any_clip_of_four_frames_is_still_to_vbench(self) -> None:
        lengths = [0.1, 0.1, 0.1, 0.2, 0.2]
        assert read(STATIC_FILTER, lengths, at_8_fps(4), "vbench").raw == 0.0
        assert read(STATIC_FILTER, lengths, at_8_fps(4), "corrected").raw == 1.0
        assert read(STATIC_FILTER, [0.0] * 5, at_8_fps(4), "vbench").raw == 1.0
