"""VBench's flicker to 1e-6, against a plain float64 rule and against rules that are wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from critic_models.dimensions import DIMENSIONS, measure
from critic_models.dimensions.temporal_flickering import mean_absolute_difference
from critic_models.types import Clip, DimensionScore
from critic_models.video.frames import from_array
from critic_models.video.sampling import AllFrames

TOLERANCE = 1e-6


def score(frames: np.ndarray) -> DimensionScore:
    clip = from_array(frames, 24.0, AllFrames())
    return measure(clip, ["temporal_flickering"])["temporal_flickering"]


def reference(frames: np.ndarray) -> float:
    """The definition, one value at a time in float64."""
    total = 0.0
    for first, second in itertools.pairwise(frames):
        total += np.abs(first.astype(np.float64) - second.astype(np.float64)).mean()
    return (255.0 - total / (len(frames) - 1)) / 255.0


def as_vbench(frames: np.ndarray) -> float:
    """The same with float32 frames, float32 means and blue first, as VBench takes them."""
    bgr = frames[..., ::-1].astype(np.float32)
    means = [np.mean(np.abs(a - b)) for a, b in itertools.pairwise(bgr)]
    return float((255.0 - np.mean(means)) / 255.0)


def flicker(count: int, height: int, width: int, seed: int = 0, depth: int = 60) -> np.ndarray:
    """A gradient whose exposure jumps, with noise: large and small differences, both signs."""
    chance = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, width)[None, None, :, None] * np.ones((count, height, 1, 3))
    jumps = chance.uniform(-depth, depth, (count, 1, 1, 1))
    noise = chance.normal(0, 4, ramp.shape)
    return np.clip(ramp + jumps + noise, 0, 255).astype(np.uint8)


CLIPS = [flicker(2, 16, 24), flicker(3, 33, 47, 1), flicker(16, 64, 48, 2), flicker(17, 48, 85, 3)]


@pytest.mark.parametrize("frames", CLIPS, ids=lambda frames: "x".join(map(str, frames.shape)))
def test_the_score_is_the_definition(frames: np.ndarray) -> None:
    result = score(frames)
    assert result.raw == pytest.approx(reference(frames), abs=1e-12)
    assert result.raw == pytest.approx(as_vbench(frames), abs=TOLERANCE)
    assert result.value == pytest.approx((reference(frames) - 0.6293) / (1 - 0.6293), abs=1e-12)
    assert result.num_frames == len(frames)
    assert result.per_frame is not None
    assert len(result.per_frame) == len(frames) - 1
    assert np.mean(result.per_frame) == pytest.approx(255 * (1 - reference(frames)))


def wrapped(frames: np.ndarray) -> float:
    return (255.0 - np.mean(np.abs(frames[1:] - frames[:-1]))) / 255.0


def subsampled(frames: np.ndarray) -> float:
    return reference(frames[::2])


def scaled_first(frames: np.ndarray) -> float:
    return (255.0 - np.abs(np.diff(frames / 255.0, axis=0)).mean()) / 255.0


def squared(frames: np.ndarray) -> float:
    return 1 - np.sqrt(np.mean(np.diff(frames.astype(np.float64), axis=0) ** 2)) / 255.0


def signed(frames: np.ndarray) -> float:
    return 1 - np.abs(np.diff(frames.astype(np.float64), axis=0).mean()) / 255.0


def gray(frames: np.ndarray) -> float:
    luma = frames.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return 1 - np.abs(np.diff(luma, axis=0)).mean() / 255.0


def against_the_first(frames: np.ndarray) -> float:
    return 1 - np.abs(frames[1:].astype(np.float64) - frames[0]).mean() / 255.0


def divided_by_all_frames(frames: np.ndarray) -> float:
    return 1 - (1 - reference(frames)) * (len(frames) - 1) / len(frames)


def halved(frames: np.ndarray) -> float:
    return reference(frames[:, ::2, ::2])


@pytest.mark.parametrize(
    "mutant",
    [
        *(wrapped, subsampled, scaled_first, squared, signed, gray),
        *(against_the_first, divided_by_all_frames, halved),
    ],
    ids=lambda mutant: mutant.__name__,
)
def test_a_wrong_rule_is_outside_the_tolerance(mutant: Callable[[np.ndarray], float]) -> None:
    for frames in CLIPS[2:]:
        assert abs(mutant(frames) - reference(frames)) > 10 * TOLERANCE


def test_a_still_clip_scores_one_and_the_worst_is_not_clamped() -> None:
    still = score(np.full((4, 16, 16, 3), 77, np.uint8))
    assert (still.raw, still.value) == (1.0, 1.0)
    strobe = np.zeros((4, 16, 16, 3), np.uint8)
    strobe[::2] = 255
    worst = score(strobe)
    assert worst.raw == 0.0
    assert worst.value == pytest.approx(-1.69760, abs=1e-5)


def test_the_sum_is_exact_on_a_large_frame() -> None:
    white, black = (np.full((2304, 4096, 3), level, np.uint8) for level in (255, 0))
    assert mean_absolute_difference(white, black) == 255.0
    black[0, 0, 0] = 1
    exact = 255 - 1 / black.size
    assert mean_absolute_difference(white, black) == pytest.approx(exact, abs=1e-13)


def test_a_view_that_is_not_contiguous_is_measured_the_same() -> None:
    frames = CLIPS[1]
    turned = np.swapaxes(frames, 1, 2)
    mean = mean_absolute_difference(turned[0], turned[1])
    assert mean == mean_absolute_difference(frames[0], frames[1])


def test_one_frame_has_no_score() -> None:
    result = score(CLIPS[0][:1])
    assert (result.raw, result.value, result.per_frame) == (None, None, None)
    assert result.reason == "At least 2 frames are needed; the clip has 1."


def test_a_sampled_clip_has_no_score() -> None:
    frames = CLIPS[2]
    clip = from_array(frames, 24.0, AllFrames())
    sampled = Clip(
        frames=clip.frames[::2],
        times_s=clip.times_s[::2],
        source_indices=clip.source_indices[::2],
        source_num_frames=16,
        source_fps=24.0,
        duration_s=clip.duration_s,
        clip_id=clip.clip_id,
        sampling="uniform-8",
    )
    for result in measure(sampled, list(DIMENSIONS)).values():
        assert result.raw is None
        assert result.reason == "All frames are needed; the clip holds 8 of 16 (uniform-8)."
