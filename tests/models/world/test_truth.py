from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from critic_models.world import SPLITS, render_shot, sample_shot, spoil
from critic_models.world.camera import views, world_to_screen
from critic_models.world.catalogue import ACTIONS
from critic_models.world.recording import jitter_offsets
from critic_models.world.shot import UNITS, Camera, Shot
from critic_models.world.truth import Truth, draw_owners, find_truth


def shot_of(action: str, index: int = 0, split: str = "train") -> Shot:
    part = SPLITS[split]
    return sample_shot(part.rng(index, sorted(ACTIONS).index(action)), part, [action])


def without(shot: Shot, index: int) -> Shot:
    return replace(shot, bodies=shot.bodies[:index] + shot.bodies[index + 1 :])


def quiet(shot: Shot) -> Shot:
    return replace(shot, grade=replace(shot.grade, grain=0.0), camera=Camera())


def box_of_mask(mask: np.ndarray) -> np.ndarray:
    """The box around a mask of 256 lines, in units from the middle."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.asarray([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return box * UNITS / 256 - UNITS / 2


def disagreement(shot: Shot, truth: Truth) -> float:
    """Largest distance of a true box from the mask of that body drawn alone, in units."""
    worst = 0.0
    for index, body in enumerate(shot.bodies):
        if body.role == "prop":
            continue
        alone = replace(shot, bodies=(body,))
        one = find_truth(alone, (256, 256), len(truth.times))
        owners = draw_owners(alone, one, (256, 256))
        for t, owner in enumerate(owners):
            box = truth.boxes[t, index]
            if np.abs(box).max() > 62:
                continue
            worst = max(worst, float(np.abs(box_of_mask(owner > 0) - box).max()))
    return worst


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_boxes_are_around_the_masks(action):
    for index in range(3):
        shot = shot_of(action, index)
        truth = find_truth(shot, (256, 256), 5)
        # A mask of 256 lines is half a unit coarse; outlines are cut to 1/16 of that.
        assert disagreement(shot, truth) < 1.3


def test_a_wrong_truth_is_noticed():
    shot = shot_of("move", 1)
    truth = find_truth(shot, (256, 256), 5)
    shifted = replace(truth, boxes=truth.boxes + 2.0)
    late = replace(truth, boxes=np.roll(truth.boxes, 1, axis=0))
    assert disagreement(shot, shifted) > 1.3
    assert disagreement(shot, late) > 1.3


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_pixels_change_where_the_mask_says_a_body_is(action):
    shot = quiet(shot_of(action, 2))
    clip = render_shot(shot, (128, 128), 4)
    truth, owners = clip.truth, clip.owners((128, 128))
    bare = render_shot(replace(without(shot, 0), camera=Camera()), (128, 128), 4)
    changed = np.abs(clip.frames.astype(int) - bare.frames.astype(int)).max(-1) > 24
    for t in range(4):
        inside = owners[t] == 1
        if truth.visible[t, 0] < 0.5 or inside.sum() < 40:
            continue
        shadow_free = changed[t] & inside
        assert shadow_free.sum() > 0.45 * inside.sum()


def test_centres_are_the_middles_of_boxes():
    truth = find_truth(shot_of("move"), (128, 128), 4)
    assert np.allclose(truth.centres, (truth.boxes[..., :2] + truth.boxes[..., 2:]) / 2)


def test_what_is_hidden_or_outside_is_not_visible():
    hidden = find_truth(quiet(shot_of("hide")), (128, 128), 9).visible[:, 0]
    assert hidden[4] < 0.05
    assert min(hidden[0], hidden[-1]) > 0.95
    gone = find_truth(quiet(shot_of("leave")), (128, 128), 9).visible[:, 0]
    assert gone[0] > 0.95
    assert gone[-1] == 0.0


def test_a_wide_frame_sees_more():
    shot = quiet(shot_of("leave"))
    square = find_truth(shot, (128, 128), 17).visible[:, 0]
    wide = find_truth(shot, (128, 227), 17).visible[:, 0]
    assert (wide > 0.5).sum() > (square > 0.5).sum()
    assert wide[-1] == 0.0


def test_masks_name_the_body_in_front():
    shot = quiet(shot_of("hide"))
    truth = find_truth(shot, (128, 128), 9)
    owners = draw_owners(shot, truth, (64, 64))
    pillar = 1 + next(i for i, body in enumerate(shot.bodies) if body.figure.noun == "pillar")
    x, y = ((truth.centres[4, 0] + UNITS / 2) * 64 / UNITS).astype(int)
    assert owners[4, y, x] == pillar
    assert not (owners[4] == 1).any()
    assert (owners[0] == 1).any()


@pytest.mark.parametrize("action", ["move", "fall", "spin", "squeeze", "fold", "hide", "take"])
def test_a_static_twin_does_not_move_at_all(action):
    for index in range(2):
        shot = replace(shot_of(action, index), tempo=shot_of(action, index).tempo)
        shot = replace(shot, grade=replace(shot.grade, grain=0.0))
        twin = spoil(shot, {"stillness": 1.0}, seed=index)
        clip = render_shot(twin, (64, 64), 6)
        assert clip.truth.body_motion.max() == 0.0
        assert clip.truth.camera_motion == 0.0
        assert (clip.frames == clip.frames[0]).all()
        moving = find_truth(shot, (64, 64), 6)
        assert moving.body_motion[0] > 5.0


def test_motion_falls_with_stillness():
    shot = shot_of("move")
    paths = [
        find_truth(spoil(shot, {"stillness": s}, 1), (128, 128), 9).body_motion[0]
        for s in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert all(later < earlier for earlier, later in itertools.pairwise(paths))


def test_the_picture_follows_the_camera():
    """A point of the world is where the map says: compare with the definition, step by step."""
    path = np.asarray([[4.0, -3.0, 0.2, 0.1]])
    point = np.asarray([10.0, 20.0])
    moved = point - path[0, :2]
    cos, sin = np.cos(0.1), np.sin(0.1)
    turned = np.asarray([cos * moved[0] + sin * moved[1], -sin * moved[0] + cos * moved[1]])
    matrix = world_to_screen(path)[0]
    assert np.allclose(matrix[:, :2] @ point + matrix[:, 2], np.exp(0.2) * turned)


def test_a_shake_displaces_the_picture_by_itself():
    camera = shot_of("rest", 3).camera
    times, shake = np.linspace(0, 1, 5), np.asarray([[3.0, -1.0]] * 5)
    still, shaken = (world_to_screen(views(camera, times, s)) for s in (None, shake))
    assert np.allclose((shaken - still)[:, :, 2], shake)
    assert np.allclose(shaken[:, :, :2], still[:, :, :2])


def roughness(path: np.ndarray) -> float:
    """Root mean square of the second difference: what is left of a smooth path is little."""
    return float(np.sqrt((np.diff(path, n=2, axis=0) ** 2).mean()))


def test_a_hand_moves_the_camera_smoothly_and_jitter_does_not():
    part = SPLITS["train"]
    held = [s for s in (sample_shot(part.rng(i), part) for i in range(150)) if s.camera.sway]
    times = np.linspace(0, 1, 24)
    hands = [views(shot.camera, times)[:, :2] for shot in held]
    rough = [roughness(path) for path in hands]
    travelled = [np.abs(np.diff(path, axis=0)).sum() for path in hands]
    jitter = [roughness(jitter_offsets(0.1, 24, seed)) for seed in range(len(held))]
    assert len(held) > 30
    assert np.median(travelled) > 10.0
    assert np.quantile(rough, 0.95) < np.quantile(jitter, 0.05)


def test_what_is_nearer_covers_what_is_behind_it():
    part = SPLITS["train"]
    drawn = [sample_shot(part.rng(i), part, ["rest"], ["room", "desert"]) for i in range(250)]
    checked = set()
    for shot in map(quiet, drawn):
        relation = shot.premise.relation
        if relation not in ("behind", "in front of"):
            continue
        ours, other = find_truth(shot, (128, 128), 1).visible[0, :2]
        nearer, further = (ours, other) if relation == "in front of" else (other, ours)
        assert nearer > 0.97
        assert 0.3 < further < 0.97
        checked.add(relation)
        # The picture shows the same as the masks: the nearer one looks as if it were alone.
        front = 0 if relation == "in front of" else 1
        both = render_shot(shot, (128, 128), 1)
        alone = render_shot(replace(shot, bodies=(shot.bodies[front],)), (128, 128), 1)
        inside = alone.owners((128, 128))[0] == 1
        apart = np.abs(both.frames[0].astype(int) - alone.frames[0].astype(int)).max(-1)
        assert (apart[inside] > 24).mean() < 0.12
    assert checked == {"behind", "in front of"}
