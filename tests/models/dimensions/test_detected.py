"""The five dimensions over a detector or captioner: VBench's own functions decide what is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from critic_models.dimensions import detected
from critic_models.dimensions.caption_dimensions import COLOR, SCENE, colored_object, has_word
from critic_models.dimensions.catalogue import DETECTED_DIMENSIONS
from critic_models.dimensions.detected import (
    DetectedDimension,
    Detection,
    frames_for,
    measure_detected,
    working_size,
)
from critic_models.dimensions.networked import Ask
from critic_models.dimensions.object_dimensions import (
    MULTIPLE_OBJECTS,
    OBJECT_CLASS,
    SPATIAL_RELATIONSHIP,
    place_signed,
    place_unsigned,
)
from critic_models.video.frames import from_array
from critic_models.video.sampling import AllFrames
from golden_clips import GOLDEN_CLIPS
from golden_detections import DetectedCase
from goldens import golden

CASES: dict[str, Any] = golden("detected")["cases"]
LEFT, RIGHT = "on the left of", "on the right of"


def ask_of(case: DetectedCase, name: str) -> Ask:
    info = case.info(name)
    return Ask(info["prompt"], info["auxiliary_info"])


def seen_by(case: DetectedCase, dimension: DetectedDimension) -> Sequence[Any]:
    return case.captions() if dimension.sees == "captions" else case.detections()


@pytest.mark.parametrize("name", list(DETECTED_DIMENSIONS))
def test_compat_gives_vbench_s_numbers(name: str) -> None:
    dimension = DETECTED_DIMENSIONS[name]
    found, expected = [], []
    for seed, expected_of in CASES.items():
        case = DetectedCase(int(seed))
        reading = dimension.compute(seen_by(case, dimension), ask_of(case, name), "vbench")
        found.append(reading.raw)
        expected.append(None if expected_of[name] is None else expected_of[name]["raw"])
    assert [each is None for each in found] == [each is None for each in expected]
    numbers = [each for each in expected if each is not None]
    np.testing.assert_allclose([f for f in found if f is not None], numbers, atol=1e-9)
    # The cases tell right from wrong: neither all alike, nor all 0 or 1.
    assert len(set(numbers)) > 3


@pytest.mark.parametrize("name", ["color", "scene", "spatial_relationship"])
def test_the_corrected_number_is_another(name: str) -> None:
    dimension = DETECTED_DIMENSIONS[name]
    assert dimension.differences
    moved = 0
    for seed in CASES:
        case = DetectedCase(int(seed))
        seen, ask = seen_by(case, dimension), ask_of(case, name)
        moved += (
            dimension.compute(seen, ask, "vbench").raw
            != dimension.compute(seen, ask, "corrected").raw
        )
    assert moved > len(CASES) / 4


@pytest.mark.parametrize("name", ["object_class", "multiple_objects"])
def test_two_dimensions_have_nothing_to_correct(name: str) -> None:
    dimension = DETECTED_DIMENSIONS[name]
    assert not dimension.differences
    for seed in CASES:
        case = DetectedCase(int(seed))
        seen, ask = seen_by(case, dimension), ask_of(case, name)
        assert dimension.compute(seen, ask, "vbench") == dimension.compute(seen, ask, "corrected")


class TestSpatialRelationship:
    def test_the_side_counts_only_when_corrected(self) -> None:
        here, there = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)
        assert place_unsigned(LEFT, here, there) == place_unsigned(RIGHT, here, there) == 1.0
        assert place_signed(LEFT, here, there) == 1.0
        assert place_signed(RIGHT, here, there) == 0.0
        below = (0.0, 50.0, 10.0, 60.0)
        assert place_signed("on the top of", here, below) == 1.0
        assert place_signed("on the bottom of", here, below) == 0.0
        assert place_signed("inside", here, below) == place_unsigned("inside", here, below) == 0.0

    def test_boxes_as_far_apart_both_ways_stand_nowhere(self) -> None:
        assert place_unsigned(LEFT, (0, 0, 10, 10), (50, 50, 60, 60)) == 0.0

    def test_an_overlap_above_a_tenth_costs(self) -> None:
        # Half of each is shared: a third of the union.
        assert place_unsigned(LEFT, (0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(0.3)

    def test_boxes_without_an_area_divide_nothing_by_nothing(self) -> None:
        assert place_unsigned(LEFT, (1, 1, 1, 1), (1, 1, 1, 1)) == 0.0

    def test_two_of_one_class_are_a_pair_only_to_vbench(self) -> None:
        frame = [Detection("cat", (0, 0, 10, 10)), Detection("cat", (50, 0, 60, 10))]
        relation = {"object_a": "cat", "object_b": "dog", "relationship": LEFT}
        ask = Ask(auxiliary={"spatial_relationship": relation})
        assert SPATIAL_RELATIONSHIP.compute([frame] * 16, ask, "vbench").raw == 1.0
        assert SPATIAL_RELATIONSHIP.compute([frame] * 16, ask, "corrected").raw == 0.0


class TestColor:
    def test_words_inside_words(self) -> None:
        assert has_word("red", "a covered car", "vbench")
        assert not has_word("red", "a covered car", "corrected")
        assert has_word("red", "a red, shiny car", "corrected")

    def test_articles_inside_words(self) -> None:
        assert colored_object("a yellow umbrella stand", "yellow", "vbench") == "umbrellstand"
        corrected = colored_object("a yellow umbrella stand", "yellow", "corrected")
        assert corrected == "umbrella stand"
        assert colored_object("an orange cat", "orange", "corrected") == "cat"

    def test_a_clip_without_a_colored_object_does_not_count(self) -> None:
        ask = Ask("a red car", {"color": "red"})
        reading = COLOR.compute([[Detection("car", caption="a fast car")]] * 16, ask, "corrected")
        assert reading.raw is None
        assert reading.weight is None
        assert reading.reason is not None

    def test_a_caption_speaks_of_its_own_detection(self) -> None:
        frame = [Detection("dog", caption="a blue dog"), Detection("car", caption="a red car")]
        ask = Ask("a red car", {"color": "red"})
        assert COLOR.compute([frame] * 16, ask, "corrected").raw == 1.0
        assert COLOR.compute([frame] * 16, ask, "vbench").raw is None


class TestMeasuring:
    def test_a_detector_looks_once_at_16_frames(self) -> None:
        looked = []

        def detector(frames: np.ndarray) -> list[list[Detection]]:
            looked.append(frames)
            return [[Detection("cat"), Detection("dog")]] * len(frames)

        clip = GOLDEN_CLIPS["odd"].clip()
        ask = Ask(auxiliary={"object": "cat and dog"})
        scores = measure_detected(clip, ask, [OBJECT_CLASS, MULTIPLE_OBJECTS], detector)
        assert scores["multiple_objects"].raw == 1.0
        assert scores["object_class"].raw == 0.0
        (frames,) = looked
        assert frames.shape == (16, 133, 171, 3)
        assert np.array_equal(frames[-1], clip.frames[-1])

    def test_what_is_not_known_gives_no_number_and_no_look(self) -> None:
        def blind(frames: np.ndarray) -> list[str]:
            pytest.fail("looked")

        scores = measure_detected(GOLDEN_CLIPS["two"].clip(), Ask("a beach"), [SCENE], blind)
        assert scores["scene"].raw is None
        assert "scene" in (scores["scene"].reason or "")

    def test_a_frame_left_out_is_an_error(self) -> None:
        ask = Ask(auxiliary={"scene": "beach"})
        clip = GOLDEN_CLIPS["two"].clip()
        with pytest.raises(ValueError, match="3 frames were seen, not 16"):
            measure_detected(clip, ask, [SCENE], lambda frames: ["a beach"] * 3)
        with pytest.raises(ValueError, match="one way of seeing"):
            measure_detected(clip, ask, [SCENE, COLOR], lambda frames: ["a beach"] * 16)

    def test_large_frames_are_made_smaller_for_detectors_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert working_size(768, 900) == (768, 900)
        assert working_size(769, 1000) == (720, 936)
        monkeypatch.setattr(detected, "_LARGE", 76)
        monkeypatch.setattr(detected, "_WORKING", 72)
        clip = from_array(np.zeros((2, 80, 81, 3), np.uint8), 8.0, AllFrames())
        assert frames_for("objects", clip).shape == (16, 72, 72, 3)
        assert frames_for("objects", clip).dtype == np.float32
        assert frames_for("captioned objects", clip).shape == (16, 72, 72, 3)
        assert frames_for("captioned objects", clip).dtype == np.uint8
        assert frames_for("captions", clip).shape == (16, 80, 81, 3)
