"""VBench-Long's parts: how a clip is cut, and what is made of the parts' numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from critic_models.dimensions import measure
from critic_models.dimensions.long_clips import (
    is_long,
    mean_of_parts,
    measure_in_parts,
    part,
    part_seconds,
    spans,
)
from critic_models.dimensions.networked import Ask
from critic_models.types import Clip, DimensionScore
from critic_models.video.frames import from_array
from critic_models.video.sampling import AllFrames
from hypothesis import given
from hypothesis import strategies as st


def cut_by_the_reference(num_frames: int, fps: float, seconds: int) -> list[list[int]]:
    """VBench-Long's own arithmetic, on a list in the place of frames."""
    frames = list(range(num_frames))
    segment = int(fps) * seconds
    if len(frames) < segment:
        return [frames]
    whole, rest = len(frames) // segment, len(frames) % segment
    parts = [frames[i * segment : (i + 1) * segment] for i in range(whole)]
    if rest > 0:
        parts.append(frames[max(0, whole * segment - (segment - rest)) :])
    return parts


@given(st.integers(1, 400), st.floats(1, 60), st.sampled_from([2, 10]))
def test_parts_are_the_references(num_frames: int, fps: float, seconds: int) -> None:
    found = [list(span) for span in spans(num_frames, fps, seconds)]
    assert found == cut_by_the_reference(num_frames, fps, seconds)


@given(st.integers(1, 400), st.floats(0.01, 60), st.sampled_from([2, 10]))
def test_every_frame_is_in_a_part_and_parts_are_alike(
    num_frames: int, fps: float, seconds: int
) -> None:
    found = spans(num_frames, fps, seconds)
    assert {i for span in found for i in span} == set(range(num_frames))
    assert len({len(span) for span in found}) == 1


def test_dropping_the_rest_would_be_noticed() -> None:
    assert len(spans(50, 8.0, 2)) == 4
    assert len(spans(50, 8.0, 2)) != 50 // 16
    assert list(spans(50, 8.0, 2)[-1]) == list(range(34, 50))


def long_clip(num_frames: int = 44, fps: float = 8.0) -> Clip:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (num_frames, 16, 24, 3), dtype=np.uint8)
    # The second half hardly flickers.
    frames[num_frames // 2 :] = frames[num_frames // 2]
    return from_array(frames, fps, AllFrames())


def measure_part(clip: Clip, ask: Ask, names: Sequence[str]) -> dict[str, DimensionScore]:
    return measure(clip, names)


def test_a_long_clip_has_the_mean_of_its_parts() -> None:
    clip = long_clip()
    assert is_long(clip)
    score = measure_in_parts(clip, Ask(), ["temporal_flickering"], measure_part)
    found = score["temporal_flickering"]
    cuts = (slice(0, 16), slice(16, 32), slice(28, 44))
    expected = [
        measure(from_array(clip.frames[c], 8.0, AllFrames()), ["temporal_flickering"])[
            "temporal_flickering"
        ]
        for c in cuts
    ]
    assert found.per_frame == pytest.approx([each.raw for each in expected])
    assert found.raw == pytest.approx(np.mean([each.raw or 0 for each in expected]))
    assert found.value == pytest.approx(np.mean([each.value or 0 for each in expected]))
    assert found.num_frames == 44
    assert found.weight == 3
    whole = measure(clip, ["temporal_flickering"])["temporal_flickering"].raw
    assert found.raw != pytest.approx(whole, abs=1e-3), "parts must matter in this test"


def test_a_part_is_a_clip_that_holds_all_its_frames() -> None:
    clip = long_clip(fps=8.9)
    cut = part(clip, range(8, 24))
    assert np.array_equal(cut.frames, clip.frames[8:24])
    assert np.array_equal(cut.source_indices, np.arange(cut.source_num_frames))
    assert cut.times_s[0] == 0
    assert cut.source_fps == 8.0
    assert cut.duration_s == 2.0
    assert cut.clip_id != clip.clip_id


def test_four_seconds_are_not_long() -> None:
    assert not is_long(long_clip(39))
    assert is_long(long_clip(40))


def test_dimensions_of_a_whole_action_take_longer_parts() -> None:
    asked: list[tuple[tuple[str, ...], int]] = []

    def count(clip: Clip, ask: Ask, names: Sequence[str]) -> dict[str, DimensionScore]:
        asked.append((tuple(names), clip.num_frames))
        return {name: DimensionScore(name, 1.0, None, None, clip.num_frames) for name in names}

    names = ["human_action", "aesthetic_quality", "temporal_style"]
    scores = measure_in_parts(long_clip(88), Ask(), names, count)
    assert list(scores) == names
    assert [frames for chosen, frames in asked if chosen == ("aesthetic_quality",)] == [16] * 6
    assert [frames for chosen, frames in asked if "human_action" in chosen] == [80, 80]
    assert part_seconds("overall_consistency") == 10
    assert part_seconds("color") == 2


def test_parts_without_a_number_are_left_out() -> None:
    def one(raw: float | None, reason: str | None = None) -> DimensionScore:
        weight = None if raw is None else 1.0
        return DimensionScore("x", raw, raw, None, 8, reason, continuous=raw, weight=weight)

    some = mean_of_parts("x", [one(1.0), one(None, "dark"), one(0.5)], 24)
    assert (some.raw, some.value, some.continuous, some.weight) == (0.75, 0.75, 0.75, 2.0)
    none = mean_of_parts("x", [one(None, "dark"), one(None, "short")], 16)
    assert (none.raw, none.reason, none.weight) == (None, "dark", None)
