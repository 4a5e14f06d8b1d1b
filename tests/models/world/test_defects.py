from __future__ import annotations

import itertools

import numpy as np
import pytest
from critic_models.world import DEFECTS, SPLITS, apply, degrade, render, sample_scene


def clean(size: tuple[int, int] = (128, 128), frames: int = 8, index: int = 3) -> np.ndarray:
    split = SPLITS["train"]
    return render(sample_scene(split.rng(index), split), size, frames)


@pytest.mark.parametrize("kind", DEFECTS)
def test_severity_zero_changes_nothing(kind):
    frames = clean()
    assert np.array_equal(apply(kind, 0.0, frames, np.random.default_rng(0)), frames)


@pytest.mark.parametrize("kind", DEFECTS)
def test_the_input_is_not_changed(kind):
    frames = clean()
    before = frames.copy()
    out = apply(kind, 0.7, frames, np.random.default_rng(0))
    assert np.array_equal(frames, before)
    assert out.dtype == np.uint8
    assert out.shape == frames.shape


@pytest.mark.parametrize("kind", DEFECTS)
def test_damage_grows_with_severity(kind):
    frames = clean().astype(np.int16)

    def damage(severity: float) -> float:
        seeds = range(12)
        outs = (apply(kind, severity, clean(), np.random.default_rng(s)) for s in seeds)
        return float(np.mean([np.abs(out.astype(np.int16) - frames).mean() for out in outs]))

    steps = [damage(s) for s in (0.0, 0.1, 0.4, 0.7, 1.0)]
    assert all(later > earlier for earlier, later in itertools.pairwise(steps)), steps


@pytest.mark.parametrize("kind", ["blur", "noise", "blocking", "jitter", "flicker"])
@pytest.mark.parametrize("size", [(256, 256), (192, 320)])
def test_a_defect_is_as_strong_at_every_size(kind, size):
    small_side = min(size)

    def damage(size: tuple[int, int]) -> float:
        frames = clean(size)
        out = apply(kind, 0.6, frames, np.random.default_rng(5))
        return float(np.abs(out.astype(np.int16) - frames.astype(np.int16)).mean())

    reference = damage((128, 128 * size[1] // small_side))
    assert damage(size) == pytest.approx(reference, rel=0.25)


def test_a_freeze_repeats_one_frame_and_leaves_the_rest():
    frames = clean(frames=16)
    result = degrade({"freeze": 0.5}, frames, np.random.default_rng(1))
    assert np.array_equal(result.frames, frames[result.sources])
    held = np.flatnonzero(np.diff(result.sources) == 0)
    assert len(held) == 8
    assert np.array_equal(held, np.arange(held[0], held[0] + 8))


def test_the_record_of_a_clip_tells_what_was_done():
    frames = np.full((8, 64, 64, 3), 100, np.uint8)
    flickered = degrade({"flicker": 1.0}, frames, np.random.default_rng(2))
    seen = flickered.frames.mean((1, 2, 3)) / 100.0
    assert np.allclose(seen, flickered.gains, atol=0.01)
    assert np.ptp(flickered.gains) > 0.2


@pytest.mark.parametrize("severity", [-0.1, 1.01, float("nan")])
def test_a_severity_outside_the_unit_interval_is_refused(severity):
    with pytest.raises(ValueError, match="must be in"):
        apply("blur", severity, clean(), np.random.default_rng(0))


def test_an_unknown_defect_is_refused_with_the_names_that_exist():
    with pytest.raises(ValueError, match="there are: blur"):
        apply("sparkle", 0.5, clean(), np.random.default_rng(0))
