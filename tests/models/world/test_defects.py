from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from critic_models.world import (
    DEFECTS,
    FILMED,
    SPLITS,
    STAGED,
    Clip,
    film,
    make_take,
    record,
    sample_ladder,
    sample_shot,
    sample_take,
    spoil,
    suits,
)
from critic_models.world.catalogue import FAMILIES, NEED_MOTION, PHYSICS
from critic_models.world.recording import jitter_offsets

STEPS = (0.0, 0.1, 0.35, 0.65, 1.0)
TRAIN = SPLITS["train"]


def clean_frames(count: int = 8, size: tuple[int, int] = (64, 64), index: int = 4) -> np.ndarray:
    shot = sample_shot(TRAIN.rng(index), TRAIN, ["move"])
    return film(make_take(shot, {}, 0), size, count).frames


def luma(clip: Clip) -> np.ndarray:
    return np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in clip.frames]).astype(float)


def softness(clip: Clip, _: Clip) -> float:
    return -float(np.log(np.mean([cv2.Laplacian(f, cv2.CV_64F).var() for f in luma(clip)])))


def grain(clip: Clip, _: Clip) -> float:
    frames = luma(clip)
    return float(np.std([frame - cv2.medianBlur(frame.astype(np.uint8), 3) for frame in frames]))


def blockiness(clip: Clip, _: Clip) -> float:
    """Steps between columns at the borders of blocks, by those elsewhere."""
    steps = np.abs(np.diff(luma(clip), axis=2)).mean((0, 1))
    border = np.arange(len(steps)) % 8 == 7
    return float(steps[border].mean() / (steps[~border].mean() + 0.2))


def few_levels(clip: Clip, _: Clip) -> float:
    return -float(np.mean([len(np.unique(clip.frames[..., c])) for c in range(3)]))


def brightness(clip: Clip, clean: Clip) -> float:
    return float(abs(np.log(luma(clip).mean() + 1) - np.log(luma(clean).mean() + 1)))


def unrest_of_brightness(clip: Clip, clean: Clip) -> float:
    ratio = luma(clip).mean((1, 2)) / luma(clean).mean((1, 2))
    return float(np.std(ratio))


def unrest_of_camera(clip: Clip, clean: Clip) -> float:
    return float(np.abs(clip.truth.camera[:, :2] - clean.truth.camera[:, :2]).mean())


def difference(clip: Clip, clean: Clip) -> float:
    return float(np.abs(clip.frames.astype(float) - clean.frames).mean())


def disorder(clip: Clip, _: Clip) -> float:
    pairs = itertools.combinations(clip.recorded.sources, 2)
    return float(sum(one > other for one, other in pairs))


def repeats(clip: Clip, _: Clip) -> float:
    return float((np.diff(clip.recorded.sources) == 0).sum())


def longest_hold(clip: Clip, _: Clip) -> float:
    return float(max(np.bincount(clip.recorded.sources)))


def change_of_subject(clip: Clip, clean: Clip) -> float:
    if clip.take.severity("subject_size"):
        sizes = [np.ptp(c.truth.boxes[-1, 0, [0, 2]]) for c in (clip, clean)]
        return float(abs(np.log(sizes[0] / sizes[1])))
    own = clean.owners(clean.frames.shape[1:3])[-1] == 1
    apart = np.abs(clip.frames[-1].astype(float) - clean.frames[-1]).mean(-1)
    return float(apart[own].mean())


def change_of_background(clip: Clip, clean: Clip) -> float:
    bare = clean.owners(clean.frames.shape[1:3])[-1] == 0
    apart = np.abs(clip.frames[-1].astype(float) - clean.frames[-1]).mean(-1)
    return float(apart[bare].mean())


def missing_motion(clip: Clip, clean: Clip) -> float:
    return -float(np.ptp(clip.truth.times))


def largest_leap(clip: Clip, _: Clip) -> float:
    return float(np.diff(clip.truth.times).max())


MEASURES: dict[str, Callable[[Clip, Clip], float]] = {
    "blur": softness,
    "noise": grain,
    "blocking": blockiness,
    "banding": few_levels,
    "exposure": brightness,
    "jitter": unrest_of_camera,
    "flicker": unrest_of_brightness,
    "ghosting": difference,
    "shuffle": disorder,
    "drop": repeats,
    "freeze": longest_hold,
    "subject_colour": change_of_subject,
    "subject_shape": change_of_subject,
    "subject_texture": change_of_subject,
    "subject_size": change_of_subject,
    "background_drift": change_of_background,
    "background_switch": change_of_background,
    "background_morph": change_of_background,
    "stillness": missing_motion,
    "haste": largest_leap,
    "stutter": largest_leap,
}
"""What grows with each defect; those of physics are measured in `test_physics`."""

_FINE = ("stillness", "haste", "stutter")


def test_every_defect_has_a_measure_and_a_family():
    assert set(MEASURES) | set(PHYSICS) == set(DEFECTS)
    assert set(FILMED) | set(STAGED) == set(DEFECTS)
    assert sorted(itertools.chain(*FAMILIES)) == sorted(STAGED)


@pytest.mark.parametrize("defect", MEASURES)
def test_a_measurable_quantity_grows_with_severity(defect):
    measured = []
    for index in range(6):
        ladder = sample_ladder(defect, TRAIN.rng(index, 1), TRAIN, STEPS)
        clips = [film(take, (64, 64), 17 if defect in _FINE else 8) for take in ladder]
        measured.append([MEASURES[defect](clip, clips[0]) for clip in clips])
    means = np.mean(measured, axis=0)
    assert (np.diff(means) > 0).all(), means


@pytest.mark.parametrize("defect", DEFECTS)
def test_severity_zero_changes_nothing(defect):
    ladder = sample_ladder(defect, TRAIN.rng(2, 2), TRAIN, (0.0,))
    clean = film(make_take(ladder[0].shot, {}, ladder[0].seed), (64, 64), 8)
    assert np.array_equal(film(ladder[0], (64, 64), 8).frames, clean.frames)
    if defect in FILMED:
        frames = clean_frames()
        assert np.array_equal(record(frames, {defect: 0.0}, 3).frames, frames)
    else:
        assert spoil(ladder[0].shot, {defect: 0.0}, 3) == ladder[0].shot


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("severity", [0.1, 1.0])
def test_the_least_severity_is_seen_and_the_most_is_more(defect, severity):
    ladder = sample_ladder(defect, TRAIN.rng(1, 3), TRAIN, (0.0, severity))
    clean, spoilt = (film(take, (128, 128), 8).frames.astype(float) for take in ladder)
    apart = np.abs(clean - spoilt).max(-1)
    assert (apart > 4).sum() > 12


@pytest.mark.parametrize("defect", FILMED)
def test_the_input_is_not_changed(defect):
    frames = clean_frames()
    before = frames.copy()
    out = record(frames, {defect: 0.7}, 0).frames
    assert np.array_equal(frames, before)
    assert out.dtype == np.uint8
    assert out.shape == frames.shape


@pytest.mark.parametrize("defect", FILMED)
@pytest.mark.parametrize("count", [1, 2, 3, 8, 24])
def test_any_footage_of_any_length_can_be_spoilt(defect, count):
    frames = np.random.default_rng(0).integers(0, 256, (count, 45, 80, 3)).astype(np.uint8)
    recorded = record(frames, {defect: 1.0}, 5)
    assert recorded.frames.shape == frames.shape
    assert recorded.sources.shape == recorded.gains.shape == (count,)
    assert recorded.offsets.shape == (count, 2)


@pytest.mark.parametrize("defect", ["blur", "noise", "blocking", "banding", "exposure", "flicker"])
@pytest.mark.parametrize("size", [(256, 256), (192, 320)])
def test_a_defect_is_as_strong_at_every_size(defect, size):
    short = min(size)

    def damage(size: tuple[int, int]) -> float:
        frames = clean_frames(size=size, index=6)
        out = record(frames, {defect: 0.6}, 5).frames
        return float(np.abs(out.astype(int) - frames.astype(int)).mean())

    reference = damage((128 * size[0] // short, 128 * size[1] // short))
    assert damage(size) == pytest.approx(reference, rel=0.25)


def test_each_defect_has_random_numbers_of_its_own():
    frames = clean_frames()
    alone = record(frames, {"flicker": 0.5}, 9)
    together = record(frames, {"flicker": 0.5, "blur": 0.5, "noise": 0.3}, 9)
    assert np.array_equal(alone.gains, together.gains)
    assert not np.array_equal(alone.gains, record(frames, {"flicker": 0.5}, 10).gains)


def test_defects_are_put_on_in_the_order_of_a_camera_chain():
    """Noise comes after the lens: a blurred clip has noise as fine as a sharp one."""
    frames = np.full((4, 64, 64, 3), 120, np.uint8)
    noise = record(frames, {"noise": 0.5}, 1).frames
    both = record(frames, {"noise": 0.5, "blur": 1.0}, 1).frames
    assert np.array_equal(noise, both)
    held = record(clean_frames(), {"freeze": 1.0, "noise": 1.0}, 1)
    first = [int(np.argmax(held.sources == source)) for source in held.sources]
    assert np.array_equal(held.frames, held.frames[first])


def test_the_record_tells_what_was_done():
    frames = np.full((8, 64, 64, 3), 100, np.uint8)
    flickered = record(frames, {"flicker": 1.0}, 2)
    # Levels are rounded to whole numbers: half of one in a hundred.
    assert np.allclose(flickered.frames.mean((1, 2, 3)) / 100.0, flickered.gains, atol=0.0051)
    assert np.ptp(flickered.gains) > 0.2
    frames = clean_frames(16)
    for kind in ("shuffle", "drop", "freeze"):
        moved = record(frames, {kind: 0.6}, 1)
        assert np.array_equal(moved.frames, frames[moved.sources])


def test_a_dropped_frame_is_no_freeze():
    for seed in range(30):
        dropped = record(clean_frames(), {"drop": 1.0}, seed).sources
        assert max(np.bincount(dropped)) == 2
        assert 2 <= (np.diff(dropped) == 0).sum() <= 4
        frozen = record(clean_frames(), {"freeze": 1.0}, seed).sources
        assert max(np.bincount(frozen)) == 7


def test_frames_are_held_where_something_moves():
    frames = clean_frames(8)
    frames = np.concatenate([frames, np.repeat(frames[-1:], 8, axis=0)])
    held = [record(frames, {"freeze": 0.1}, seed).sources for seed in range(20)]
    starts = [int(np.argmax(np.bincount(sources))) for sources in held]
    assert max(starts) < 8


def test_jitter_is_in_the_camera_where_the_world_is_rendered():
    shot = sample_shot(TRAIN.rng(4), TRAIN, ["move"])
    clip = film(make_take(shot, {"jitter": 0.8}, 6), (128, 128), 8)
    clean = film(make_take(shot, {}, 6), (128, 128), 8)
    assert np.array_equal(clip.recorded.offsets, jitter_offsets(0.8, 8, 6))
    moved = clip.truth.centres[:, 0] - clean.truth.centres[:, 0]
    assert np.allclose(moved, clip.recorded.offsets, atol=1e-9)


def test_jitter_of_footage_displaces_the_picture():
    still = np.zeros((128, 192, 3), np.uint8)
    cv2.circle(still, (90, 60), 20, (255, 255, 255), -1)
    recorded = record(np.stack([still] * 6), {"jitter": 1.0}, 4)
    assert np.ptp(recorded.offsets) > 4
    for frame, offset in zip(recorded.frames, recorded.offsets, strict=True):
        moments = cv2.moments(frame[..., 0])
        found = np.asarray([moments["m10"], moments["m01"]]) / moments["m00"]
        # Pixels are mixed in steps of 1/32.
        assert np.allclose(found - (90, 60), offset, atol=1 / 32)


def test_masks_follow_the_frames_that_are_shown():
    shot = sample_shot(TRAIN.rng(4), TRAIN, ["move"])
    clip = film(make_take(shot, {"freeze": 1.0}, 6), (64, 64), 8)
    owners = clip.owners((32, 32))
    held = np.flatnonzero(np.diff(clip.recorded.sources) == 0)
    assert len(held) == 6
    assert all(np.array_equal(owners[t], owners[t + 1]) for t in held)


def test_takes_of_training_have_at_most_one_defect_of_a_family():
    seen: set[str] = set()
    for index in range(200):
        take = sample_take(TRAIN.rng(index), TRAIN, 0.5)
        names = {name for name, _ in take.severities}
        seen |= names
        assert all(len(names & set(family)) <= 1 for family in FAMILIES)
        assert film(take, (16, 16), 2).shot.severities or not names & set(STAGED)
        assert all(0.1 <= severity <= 1.0 for _, severity in take.severities)
        assert take.shot.moves or not names & set(NEED_MOTION)
        assert all(suits(name, take.shot) for name in names)
    assert seen == set(DEFECTS)


@pytest.mark.parametrize("severity", [-0.1, 1.01, float("nan")])
def test_a_severity_outside_the_unit_interval_is_refused(severity):
    shot = sample_shot(TRAIN.rng(0), TRAIN, ["move"])
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        record(clean_frames(), {"blur": severity}, 0)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        spoil(shot, {"teleport": severity}, 0)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        make_take(shot, {"blur": severity}, 0)


def test_an_unknown_defect_is_refused_with_the_names_that_exist():
    shot = sample_shot(TRAIN.rng(0), TRAIN, ["move"])
    with pytest.raises(ValueError, match="allowed: blur"):
        record(clean_frames(), {"vanish": 0.5}, 0)
    with pytest.raises(ValueError, match="allowed: subject_colour"):
        spoil(shot, {"blur": 0.5}, 0)
    with pytest.raises(ValueError, match="there are: blur"):
        make_take(shot, {"sparkle": 0.5}, 0)


def test_a_change_of_the_subject_is_in_the_truth():
    ladder = sample_ladder("subject_colour", TRAIN.rng(7), TRAIN, (0.0, 1.0))
    clean, changed = (film(take, (64, 64), 9).truth for take in ladder)
    assert not clean.subject_change.any()
    assert changed.subject_change[0, 0] < 0.2
    assert changed.subject_change[-1, 0] == 1.0
    assert not changed.subject_change[:, 1:].any()
    ladder = sample_ladder("background_switch", TRAIN.rng(7), TRAIN, (0.0, 0.5))
    switched = film(ladder[1], (64, 64), 9).truth.scene_change
    assert sorted(set(switched)) == [0.0, 0.5]
    assert (np.diff(switched) >= 0).all()


def test_stuttering_moves_bodies_and_not_the_camera():
    shot = next(
        s
        for s in (sample_shot(TRAIN.rng(i), TRAIN, ["move"]) for i in range(40))
        if len(s.camera.x.legs) > 1
    )
    smooth, jerky = (
        film(make_take(replace(shot), {"stutter": s}, 3), (64, 64), 25).truth for s in (0.0, 1.0)
    )
    assert np.array_equal(smooth.camera, jerky.camera)
    assert not np.array_equal(smooth.centres, jerky.centres)
