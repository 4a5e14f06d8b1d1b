from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from critic_models.world import ACTIONS, SPLITS, film, render_shot, sample_shot, sample_take
from critic_models.world.catalogue import FLOOR_SCENES, PROPS, SCENES
from critic_models.world.grade import develop
from critic_models.world.sample import is_possible
from critic_models.world.shot import Camera, Shot

HASH = """
import hashlib
from critic_models.world import SPLITS, film, sample_caption, facts_of, sample_take
split, digest = SPLITS["train"], hashlib.sha256()
for index in range(6):
    rng = split.rng(index)
    clip = film(sample_take(rng, split, 0.6), (64, 96), 8)
    digest.update(clip.frames.tobytes())
    digest.update(clip.truth.boxes.tobytes())
    digest.update(str(clip.shot.premise).encode())
print(digest.hexdigest())
"""


def without_film(shot: Shot) -> Shot:
    """Leave out what is new in every frame."""
    grade = replace(shot.grade, grain=0.0)
    return replace(shot, grade=grade, camera=replace(shot.camera, tremor=0.0))


def shots(count: int, split: str = "train", **more) -> list[Shot]:
    part = SPLITS[split]
    return [sample_shot(part.rng(index), part, **more) for index in range(count)]


def test_equal_seeds_give_equal_clips_in_any_process():
    def run(seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", HASH],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout

    assert run("1") == run("2")


def test_different_seeds_give_different_clips():
    split = SPLITS["train"]
    clips = [film(sample_take(split.rng(i), split, 0.0), (32, 32), 2).frames for i in range(24)]
    assert len({hashlib.sha256(clip.tobytes()).hexdigest() for clip in clips}) == 24


def test_frames_are_as_large_and_as_many_as_asked_for():
    for size, count in (((96, 160), 5), ((160, 96), 1), ((128, 128), 8)):
        clip = render_shot(shots(1)[0], size, count)
        assert clip.frames.shape == (count, *size, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.truth.boxes.shape[0] == count


@pytest.mark.parametrize("size", [(256, 256), (320, 320)])
def test_a_shot_looks_alike_at_every_size(size):
    different = [render_shot(shot, (128, 128), 2).frames for shot in shots(20, "train")[10:]]
    for shot, other in zip(shots(10), different, strict=True):
        shot = without_film(shot)
        small = render_shot(shot, (128, 128), 2).frames.astype(np.float32)
        large = render_shot(shot, size, 2).frames
        shrunk = [cv2.resize(f, (128, 128), interpolation=cv2.INTER_AREA) for f in large]
        # Fine noise of a backdrop is drawn at 256 lines and not at 128: it differs pixel by
        # pixel, and is gone when both are looked at coarsely.
        same = np.abs(_coarse(small) - _coarse(np.stack(shrunk).astype(np.float32))).mean()
        assert same < 3.0
        assert same < 0.25 * np.abs(_coarse(small) - _coarse(other.astype(np.float32))).mean()


def _coarse(frames: np.ndarray) -> np.ndarray:
    return frames.reshape(len(frames), 16, 8, 16, 8, 3).mean((2, 4))


def test_a_moment_looks_the_same_at_every_frame_rate():
    for shot in map(without_film, shots(10)):
        few, many = render_shot(shot, (64, 64), 3), render_shot(shot, (64, 64), 9)
        assert np.allclose(few.truth.boxes, many.truth.boxes[::4])
        # The canvas reaches as far as the camera sees in any frame: its pixels fall differently.
        apart = np.abs(few.frames.astype(int) - many.frames[::4].astype(int))
        assert apart.mean() < 3.0


def test_a_clip_has_one_to_four_objects_of_distinct_kind():
    counts = Counter()
    for shot in shots(200):
        actors = [body for body in shot.bodies if body.role != "prop"]
        counts[len(actors)] += 1
        kinds = {(body.figure.noun, body.figure.colour) for body in actors}
        others = {kind for kind in kinds if kind != (shot.premise.noun, shot.premise.colour)}
        assert sum(body.role == "subject" for body in actors) == shot.premise.count
        assert len({noun for noun, _ in kinds}) == len(kinds) == len(others) + 1
        assert all(body.figure.noun in PROPS for body in shot.bodies if body.role == "prop")
    assert set(counts) == {1, 2, 3, 4}


def test_every_action_and_scene_occurs_and_every_premise_is_possible():
    drawn = [shot.premise for shot in shots(260)]
    assert {premise.action for premise in drawn} == set(ACTIONS)
    assert {premise.scene for premise in drawn} == set(SCENES)
    assert all(is_possible(premise) for premise in drawn)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scene": "sky"},
        {"noun": "cat"},
        {"count": 2},
        {"direction": "up"},
        {"direction": None},
        {"others": ()},
        {"others": (("cat", "green"),)},
        {"others": (("box", "red"),)},
        {"relation": "left of"},
    ],
)
def test_impossible_premises_are_told(wrong):
    premise = shots(1, actions=["collide"])[0].premise
    premise = replace(premise, noun="ball", colour="red", others=(("box", "green"),))
    assert is_possible(premise)
    assert not is_possible(replace(premise, **wrong))


def test_a_choice_of_actions_and_scenes_is_kept_to():
    for shot in shots(20, actions=["rest", "move"], scenes=["wall", "sea"]):
        assert shot.premise.action in ("rest", "move")
        assert shot.premise.scene in ("wall", "sea")
    with pytest.raises(ValueError, match="can happen in any of"):
        shots(1, actions=["fall"], scenes=["sky"])


def test_still_moments_and_cameras_in_the_hand_occur_without_any_fault():
    drawn = shots(200)
    still = [s for s in drawn if not s.moves and not s.camera.sway and len(s.camera.x.legs) == 1]
    held = [s for s in drawn if s.camera.sway]
    panned = [s for s in drawn if len(s.camera.x.legs) > 1]
    zoomed = [s for s in drawn if len(s.camera.zoom.legs) > 1]
    rolled = [s for s in drawn if len(s.camera.roll.legs) > 1]
    assert all(len(group) >= 4 for group in (still, held, panned, zoomed, rolled))
    assert all(shot.severities == () for shot in drawn)


def test_ground_is_there_where_gravity_is():
    for shot in shots(100):
        assert shot.on_floor == (shot.premise.scene in FLOOR_SCENES)
        if shot.premise.action in ("fall", "bounce", "land", "roll_off", "topple"):
            assert shot.on_floor


def test_grain_is_new_in_every_frame_and_as_strong_as_said():
    shot = next(shot for shot in shots(40, actions=["rest"]) if shot.premise.scene == "table")
    shot = replace(shot, camera=Camera(), grade=replace(shot.grade, grain=2.0, contrast=0.0))
    frames = render_shot(shot, (128, 128), 4).frames.astype(float)
    for one, other in itertools.pairwise(frames):
        # Two grains add up in squares; rounding to whole levels adds a little.
        assert np.std(other - one) == pytest.approx(2.0 * np.sqrt(2), rel=0.15)
    bare = replace(shot, grade=replace(shot.grade, grain=0.0))
    still = render_shot(bare, (128, 128), 2).frames
    assert np.array_equal(still[0], still[1])


def test_grading_moves_brightness_as_it_says():
    shot = shots(1)[0]
    flat = replace(shot.grade, contrast=0.0, gamma=1.0, warmth=0.0, vignette=0.0, grain=0.0)
    frames = np.full((2, 64, 96, 3), 100, np.uint8)
    assert np.array_equal(develop(frames, flat), frames)
    assert develop(frames, replace(flat, gamma=1.2)).mean() < 95
    assert (np.diff(develop(frames, replace(flat, warmth=10.0))[0, 0, 0].astype(int)) < 0).all()
    dark = develop(frames, replace(flat, vignette=0.3))[0, ..., 0]
    assert dark[32, 48] == 100
    assert float(dark[0, 0]) == pytest.approx(70, abs=3)
