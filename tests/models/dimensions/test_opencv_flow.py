"""Motion whose size and course are known, because the scenes were rendered from them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from critic_models.dimensions import measure
from critic_models.dimensions.opencv_flow import OpticalFlow, motion_change, working_gray
from critic_models.types import DimensionScore
from critic_models.video.frames import from_array
from critic_models.video.sampling import AllFrames
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

Pan = Callable[..., np.ndarray]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def score(frames: np.ndarray, name: str, fps: float = 24.0) -> DimensionScore:
    return measure(from_array(frames, fps, AllFrames()), [name])[name]


def magnitude(frames: np.ndarray, fps: float = 24.0) -> float:
    raw = score(frames, "opencv_flow_magnitude", fps).raw
    assert raw is not None
    return raw


def smoothness(frames: np.ndarray) -> float:
    raw = score(frames, "opencv_motion_smoothness").raw
    assert raw is not None
    return raw


@pytest.mark.parametrize(("right", "down"), [(2.0, 0.0), (-3.5, 1.0), (0.0, 5.0)])
def test_flow_finds_a_known_displacement(pan: Pan, right: float, down: float) -> None:
    first = pan([0.0], 256, 384)[0]
    moved = np.array([[1, 0, right], [0, 1, down]], dtype=np.float32)
    second = cv2.warpAffine(first, moved, (384, 256), flags=cv2.INTER_LINEAR)
    flow = OpticalFlow()(working_gray(first), working_gray(second))
    inner = flow[32:-32, 32:-32]
    np.testing.assert_allclose(inner.mean(axis=(0, 1)), [right, down], atol=0.1)


@pytest.mark.parametrize("pixels_per_frame", [0.5, 2.0, 5.0])
def test_magnitude_is_shorter_sides_per_second(pan: Pan, pixels_per_frame: float) -> None:
    frames = pan(np.arange(5) * pixels_per_frame)
    expected = pixels_per_frame / 128 * 24
    result = score(frames, "opencv_flow_magnitude")
    assert result.raw == pytest.approx(expected, rel=0.05)
    assert result.value is None
    assert result.per_frame is not None
    np.testing.assert_allclose(result.per_frame, pixels_per_frame / 128, rtol=0.1)


def test_magnitude_depends_on_neither_resolution_nor_rate(pan: Pan) -> None:
    frames = pan(np.arange(9) * 1.5)
    plain = magnitude(frames)
    twice = np.stack([cv2.resize(f, None, fx=2, fy=2) for f in frames])
    assert magnitude(twice) == pytest.approx(plain, rel=0.05)
    assert magnitude(frames[::2], fps=12.0) == pytest.approx(plain, rel=0.05)
    assert magnitude(frames, fps=48.0) == pytest.approx(2 * plain, rel=1e-6)


@pytest.mark.parametrize("shape", [(32, 32), (40, 200), (200, 2000), (720, 1280)])
def test_the_working_size_keeps_the_shape_within_bounds(shape: tuple[int, int]) -> None:
    height, width = working_gray(np.zeros((*shape, 3), np.uint8)).shape
    if min(shape) > 256 or max(shape) > 1024:
        assert min(height, width) == 256 or max(height, width) == 1024
    else:
        assert (height, width) == shape
    assert min(height, width) <= 256
    assert max(height, width) <= 1024
    assert height / width == pytest.approx(shape[0] / shape[1], rel=0.03)


@pytest.mark.parametrize("shape", [(8, 8), (9, 31), (8, 1600), (1600, 8), (300, 8000)])
def test_every_shape_that_the_limits_allow_is_measured(shape: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, *shape, 3), dtype=np.uint8)
    assert np.isfinite(magnitude(frames))


def test_a_still_clip_has_no_motion_and_no_smoothness(pan: Pan) -> None:
    still = pan([0.0] * 5)
    assert magnitude(still) < 0.005
    result = score(still, "opencv_motion_smoothness")
    assert result.raw is None
    assert result.reason is not None
    assert result.reason.startswith("0.00% of the picture moves")


@pytest.mark.parametrize("surface", ["textured", "plain"])
def test_noise_is_no_motion(pan: Pan, surface: str) -> None:
    chance = np.random.default_rng(0)
    still = pan([0.0] * 5) if surface == "textured" else np.full((5, 128, 192, 3), 128)
    noisy = np.clip(still + chance.normal(0, 3, still.shape), 0, 255).astype(np.uint8)
    assert score(noisy, "opencv_motion_smoothness").raw is None
    assert magnitude(noisy) < 0.02


def offsets(course: str, steps: int = 12, speed: float = 2.0) -> np.ndarray:
    chance = np.random.default_rng(1)
    even = np.arange(steps) * speed
    jitter = chance.normal(0, 1, steps)
    return {
        "even": even,
        "slowly faster": speed * np.arange(steps) * (1 + np.arange(steps) / 40),
        "a little jitter": even + 0.3 * jitter,
        "much jitter": even + 2 * jitter,
        "every frame twice": np.repeat(even, 2)[:steps] * 2,
        "to and fro": speed * (np.arange(steps) % 2),
    }[course]


def test_the_smoother_of_two_courses_scores_higher(pan: Pan) -> None:
    order = ["even", "slowly faster", "a little jitter", "much jitter", "to and fro"]
    scores = [smoothness(pan(offsets(course))) for course in order]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.97
    assert scores[3] < 0.6
    assert scores[-1] < 0.1


def test_motion_that_stops_and_starts_is_not_smooth(pan: Pan) -> None:
    assert smoothness(pan(offsets("every frame twice"))) < 0.1


def test_one_frozen_moment_costs_some_smoothness(pan: Pan) -> None:
    even = offsets("even")
    frozen = np.insert(even, 6, even[6])[:12]
    assert 0.6 < smoothness(pan(frozen)) < 0.95 < smoothness(pan(even))


def test_an_object_that_crosses_evenly_is_smooth(crossing: Pan) -> None:
    even = smoothness(crossing(offsets("even", speed=4.0)))
    assert even > 0.85
    assert even > 0.1 + smoothness(crossing(offsets("even", speed=4.0) + offsets("to and fro")))


def test_without_following_pixels_an_even_crossing_looks_uneven(crossing: Pan) -> None:
    grays = [working_gray(frame) for frame in crossing(offsets("even", 3, speed=4.0))]
    first, second = (OpticalFlow()(a, b) for a, b in itertools.pairwise(grays))
    followed = motion_change(first, second)
    in_place = np.hypot(*np.moveaxis(second - first, 2, 0)).sum() / (
        np.hypot(*np.moveaxis(first, 2, 0)).sum() + np.hypot(*np.moveaxis(second, 2, 0)).sum()
    )
    assert followed.change / followed.motion < 0.7 * in_place


def test_the_series_shows_where_the_jolt_is(pan: Pan) -> None:
    course = np.concatenate([np.arange(6) * 2.0, 10.0 + 6.0 + np.arange(6) * 2.0])
    result = score(pan(course), "opencv_motion_smoothness")
    assert result.per_frame is not None
    assert len(result.per_frame) == 10
    assert set(np.argsort(result.per_frame)[-2:]) == {4, 5}


@given(
    arrays(np.float32, (6, 9, 2), elements=st.floats(-4, 4, width=32)),
    arrays(np.float32, (6, 9, 2), elements=st.floats(-4, 4, width=32)),
)
def test_change_never_exceeds_motion(flow: np.ndarray, following: np.ndarray) -> None:
    result = motion_change(flow, following)
    assert 0 <= result.change <= result.motion * (1 + 1e-5)
    assert 0 <= result.moving <= 1


def test_change_of_plain_fields_is_what_the_formula_says() -> None:
    right = np.zeros((40, 60, 2), np.float32)
    right[..., 0] = 2.0
    down = right[..., ::-1].copy()
    same, turned, back = (motion_change(right, other) for other in (right, down, -right))
    assert same.change == pytest.approx(0, abs=1e-3)
    assert turned.change / turned.motion == pytest.approx(np.sqrt(2) / 2, rel=1e-4)
    assert back.change / back.motion == pytest.approx(1, rel=1e-4)
    # Two of sixty columns leave the picture.
    assert same.moving == pytest.approx(58 / 60)


@pytest.mark.parametrize("name", ["opencv_flow_magnitude", "opencv_motion_smoothness"])
def test_the_number_of_threads_changes_nothing(pan: Pan, name: str) -> None:
    frames = pan(offsets("much jitter", 5))
    one = score(frames, name)
    cv2.setNumThreads(3)
    assert score(frames, name) == one


@pytest.mark.parametrize(
    ("name", "least"), [("opencv_flow_magnitude", 2), ("opencv_motion_smoothness", 3)]
)
def test_a_short_clip_has_no_score(pan: Pan, name: str, least: int) -> None:
    result = score(pan(np.arange(least - 1) * 2.0), name)
    assert result.raw is None
    assert result.reason == f"At least {least} frames are needed; the clip has {least - 1}."
    assert score(pan(np.arange(least) * 2.0), name).raw is not None
