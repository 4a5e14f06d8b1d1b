"""Motion by hand: what a shift of known pixels must give, and what a wrong formula gives."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from critic_models.metrics import METRICS
from critic_models.metrics import flow as formulas
from critic_models.metrics.flow import along, consistency, followed, magnitude, measure_pair
from critic_models.metrics.suite import ClipBytes, MetricSuite
from critic_models.types import Score
from critic_models.video.frames import to_safetensors

OPENCV = ["metric.flow_magnitude.opencv", "metric.flow_consistency.opencv"]


def texture(side: int, seed: int = 0) -> np.ndarray:
    """Return smooth random grays that flow methods can follow, uint8 `[side, side]`."""
    noise = np.random.default_rng(seed).random((side, side), dtype=np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return cv2.normalize(smooth, None, 20, 235, cv2.NORM_MINMAX).astype(np.uint8)


def constant(side: int, x: float, y: float) -> np.ndarray:
    return np.tile(np.float32([x, y]), (side, side, 1))


def clip(pictures: list[np.ndarray], fps: float = 8.0) -> ClipBytes:
    frames = np.stack([np.repeat(each[..., None], 3, -1) for each in pictures])
    return ClipBytes(to_safetensors(frames, fps))


def sliding(num_frames: int, step_px: int, side: int = 256) -> list[np.ndarray]:
    """Return a window that moves over a texture, so that the picture moves to the left."""
    wide = texture(side + step_px * num_frames)
    return [wide[:side, n * step_px : n * step_px + side] for n in range(num_frames)]


def measured(pictures: list[np.ndarray], fps: float = 8.0) -> dict[str, Score]:
    suite = MetricSuite()
    return suite.read(OPENCV, suite.gather(OPENCV, clip(pictures, fps)), None)


class TestPairs:
    def test_three_right_and_four_down_are_five_pixels(self) -> None:
        still = texture(40)
        pair = measure_pair(still, still, constant(40, 3, 4), None, took_s=0.25)
        assert pair.length == pytest.approx(5 / 40)
        reading = magnitude([pair, pair])
        assert reading.raw == pytest.approx(0.5)  # an eighth of a side in a quarter of a second
        assert reading.value == pytest.approx(0.5 / 1.5)

    def test_the_mean_over_pairs_is_by_time_not_by_pair(self) -> None:
        still = texture(40)
        slow = measure_pair(still, still, constant(40, 0, 0), None, took_s=3.0)
        fast = measure_pair(still, still, constant(40, 40, 0), None, took_s=1.0)
        assert magnitude([slow, fast]).raw == pytest.approx(1 / 4)

    def test_what_moved_is_the_same_when_brought_back(self) -> None:
        wide = texture(48)
        first, second = wide[:40, 6:46], wide[:40, 3:43]  # the picture goes 3 pixels to the right
        there, back = constant(40, 3, 0), constant(40, -3, 0)
        pair = measure_pair(first, second, there, back, took_s=1.0)
        assert pair.difference == pytest.approx(0, abs=1e-9)
        assert pair.visible == pytest.approx(37 / 40)
        wrong = measure_pair(first, second, back, there, took_s=1.0)
        assert wrong.difference is not None
        assert wrong.difference > 0.05

    def test_ten_levels_of_light_are_ten_levels(self) -> None:
        first = texture(40)
        pair = measure_pair(first, first + 10, constant(40, 0, 0), constant(40, 0, 0), 1.0)
        assert consistency([pair]).raw == pytest.approx(1 - 10 / 255)

    def test_what_does_not_come_back_is_not_compared(self) -> None:
        there, back = constant(40, 2, 0), constant(40, -2, 0)
        back[10:20] = (5, 0)  # something else covers these rows in the second frame
        seen = followed(there, back)
        assert not seen[10:20].any()
        assert seen[:10, :38].all()
        first = texture(40)
        second = along(first, constant(40, -2, 0))
        second[10:20] = 0
        pair = measure_pair(first, second, there, back, 1.0)
        assert pair.difference == pytest.approx(0, abs=1e-9)
        assert pair.visible == pytest.approx(30 * 38 / 40**2)

    def test_too_little_that_can_be_followed_has_no_number(self) -> None:
        first = texture(40)
        away, back = constant(40, 39, 0), constant(40, -39, 0)
        pair = measure_pair(first, first, away, back, 1.0)
        assert pair.difference is None
        reading = consistency([pair])
        assert reading.raw is None
        assert "1 of 1" in (reading.reason or "")

    def test_without_time_there_is_no_speed(self) -> None:
        still = texture(40)
        pair = measure_pair(still, still, constant(40, 1, 0), None, took_s=0.0)
        assert magnitude([pair]).raw is None


class TestClips:
    def test_four_pixels_a_frame(self) -> None:
        scores = measured(sliding(6, 4))
        assert scores[OPENCV[0]].raw == pytest.approx(4 / 256 * 8, rel=0.1)
        assert scores[OPENCV[1]].raw == pytest.approx(1, abs=0.02)
        assert scores[OPENCV[0]].read_from == "frames"

    def test_neither_size_nor_rate_counts(self) -> None:
        small = measured([cv2.resize(p, (128, 128)) for p in sliding(6, 4)])[OPENCV[0]].raw
        slow = measured(sliding(6, 4), fps=4.0)[OPENCV[0]].raw
        usual = measured(sliding(6, 4))[OPENCV[0]].raw
        assert small == pytest.approx(usual, rel=0.1)
        assert slow == pytest.approx((usual or 0) / 2, rel=1e-6)

    def test_still_is_consistent_and_has_no_motion(self) -> None:
        scores = measured([texture(64)] * 4)
        assert (scores[OPENCV[0]].raw, scores[OPENCV[1]].raw) == (0.0, 1.0)

    def test_flicker_is_less_consistent(self) -> None:
        light = [texture(64) // 2 + 30 * (n % 2) for n in range(5)]
        assert (measured(light)[OPENCV[1]].raw or 0) < 0.95

    def test_one_frame_has_a_reason(self) -> None:
        scores = measured([texture(64)])
        assert all(each.raw is None and each.reason for each in scores.values())


@pytest.mark.parametrize(
    ("name", "mutant"),
    [
        ("along", lambda picture, flow: along(picture, -flow)),
        ("followed", lambda forward, backward: np.ones(forward.shape[:2], bool)),
    ],
)
def test_a_wrong_formula_fails(
    name: str, mutant: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = measured(sliding(6, 12))[OPENCV[1]].raw
    monkeypatch.setattr(formulas, name, mutant)
    wrong = measured(sliding(6, 12))[OPENCV[1]].raw
    assert right is not None
    assert wrong is None or wrong < right - 0.003


def test_every_name_says_that_it_is_a_metric() -> None:
    assert all(name == each.name and name.startswith("metric.") for name, each in METRICS.items())
