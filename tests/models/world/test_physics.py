"""The laws that lawful shots obey, measured over time from where bodies are, and their breaches."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from critic_models.world import (
    SPLITS,
    Shot,
    compose,
    make_take,
    sample_ladder,
    sample_shot,
    spoil,
)
from critic_models.world.catalogue import ACTIONS, FLOOR_SCENES, PHYSICS, VIOLATIONS
from critic_models.world.figures import draw_figure
from critic_models.world.geometry import boxes, placements
from critic_models.world.truth import find_truth

FRAMES = 241
TIMES = np.linspace(0.0, 1.0, FRAMES)
STEP = 1.0 / (FRAMES - 1)
SEVERITIES = (0.0, 0.1, 0.3, 0.5, 0.75, 1.0)


def shots(action: str, count: int = 6) -> list[Shot]:
    part = SPLITS["train"]
    return [sample_shot(part.rng(index, 5), part, [action]) for index in range(count)]


def boxes_of(shot: Shot, body: int = 0) -> np.ndarray:
    """Boxes in the world, float64 `[FRAMES, 4]`."""
    one = shot.bodies[body]
    return boxes(one, placements(one, TIMES), one.fold(TIMES))


def centre(shot: Shot, body: int = 0) -> np.ndarray:
    """Where the body's anchor is; the box of what rolls wobbles with its outline."""
    return np.stack([shot.bodies[body].x(TIMES), shot.bodies[body].y(TIMES)], 1)


def foot(shot: Shot) -> np.ndarray:
    """Height of the subject's anchor, downwards positive."""
    return shot.bodies[0].y(TIMES)


def height_above_support(shot: Shot) -> np.ndarray:
    """Distance from the subject's lowest point, upright, to the ground below it."""
    body = shot.bodies[0]
    assert body.floor is not None
    drawn = draw_figure(body.figure.noun, body.figure.variant)
    lowest = (drawn.high[1] - body.anchor[1]) * body.figure.radius
    return body.floor(TIMES) - foot(shot) - lowest


def first_landing(path: np.ndarray) -> int:
    """The frame after which a path goes down no further."""
    return int(np.argmax(np.diff(path) <= 0))


def side_gap(shot: Shot, one: int, other: int) -> np.ndarray:
    """Distance between two boxes from side to side; below 0 where they overlap."""
    a, b = boxes_of(shot, one), boxes_of(shot, other)
    return np.maximum(a[:, 0], b[:, 0]) - np.minimum(a[:, 2], b[:, 2])


def index_of(shot: Shot, noun: str) -> int:
    return next(i for i, body in enumerate(shot.bodies) if body.figure.noun == noun)


def accelerations(path: np.ndarray) -> np.ndarray:
    return np.diff(path, n=2) / STEP**2


# What each breach is measured by: little for what the law allows, more for what is worse.


def of_rise(shot: Shot) -> float:
    """How far, and for how long, the body is above where gravity or its support has it."""
    lawful = compose(shot.premise)
    return float(np.clip(foot(lawful) - foot(shot), 0.0, None).sum() * STEP)


def of_slow(shot: Shot) -> float:
    """How far, and for how long, the body is behind one that falls by the law."""
    lawful = compose(shot.premise)
    if shot.premise.action == "topple":
        late = np.abs(lawful.bodies[0].angle(TIMES)) - np.abs(shot.bodies[0].angle(TIMES))
    else:
        late = foot(lawful) - foot(shot)
    return float(late.clip(0).sum() * STEP)


def of_hang(shot: Shot) -> float:
    """Time for which the body does not fall though nothing holds it."""
    if shot.premise.action == "topple":
        angle = np.abs(shot.bodies[0].angle(TIMES))
        still = (np.abs(np.diff(angle)) < 1e-9) & (angle[1:] < np.pi / 2 - 0.02)
        return float(still.sum() * STEP)
    still = np.abs(np.diff(foot(shot))) < 1e-9
    return float((still & (height_above_support(shot)[1:] > 1.0)).sum() * STEP)


def of_pass_through(shot: Shot) -> float:
    """How deep one body is inside another, in units."""
    if shot.premise.action == "land":
        return float(max(0.0, -height_above_support(shot).min()))
    other = 1 if shot.premise.action == "collide" else index_of(shot, "hand")
    return float(max(0.0, -side_gap(shot, 0, other).min()))


def of_uncaused(shot: Shot) -> float:
    """Distance to what could have moved it, when the body begins to move; or how far it goes."""
    action = shot.premise.action
    if action == "rest":
        return float(np.abs(centre(shot) - centre(shot)[0]).max())
    moved = 1 if action == "collide" else 0
    begins = int(np.argmax(np.linalg.norm(np.diff(centre(shot, moved), axis=0), axis=1) > 1e-9))
    if action == "collide":
        return float(side_gap(shot, 0, 1)[begins])
    hand = index_of(shot, "hand")
    if action == "push":
        return float(side_gap(shot, 0, hand)[begins])
    return float(boxes_of(shot)[begins, 1] - boxes_of(shot, hand)[begins, 3])


def of_opacity(shot: Shot) -> float:
    """How much of the body is missing when most of it is."""
    return float(1.0 - shot.bodies[0].opacity(TIMES).min())


def of_teleport(shot: Shot) -> float:
    """The largest leap from one frame to the next, in units."""
    return float(np.linalg.norm(np.diff(centre(shot), axis=0), axis=1).max())


def of_changed(shot: Shot) -> float:
    """How different it is when it comes out from behind the pillar."""
    return float(find_truth(shot, (128, 128), 9).subject_change[-1, 0])


def of_bounce_gain(shot: Shot) -> float:
    """Height after the first landing by the height before it."""
    path = foot(shot)
    landing = first_landing(path)
    return float((path[landing] - path[landing:].min()) / (path[landing] - path[0]))


def of_unsupported(shot: Shot) -> float:
    """Height above the ground."""
    return float(height_above_support(shot).max())


MEASURES: dict[str, tuple[Callable[[Shot], float], float]] = {
    "rise": (of_rise, 1e-9),
    "slow": (of_slow, 1e-9),
    "hang": (of_hang, 1e-9),
    "pass_through": (of_pass_through, 0.05),
    "uncaused": (of_uncaused, 1.5),
    "vanish": (of_opacity, 0.0),
    "appear": (of_opacity, 0.0),
    "teleport": (of_teleport, 1.0),
    "changed": (of_changed, 0.0),
    "bounce_gain": (of_bounce_gain, 0.8),
    "unsupported": (of_unsupported, 1e-9),
}
"""A measure of each breach, and the most of it that a lawful shot has.

What moves goes at most one unit in a 240th of a clip, and a hand that comes 1.5. The outline of
what rolls is a polygon of 48 points: its box is up to 0.05 units narrower than the circle.
"""

CASES = [(kind, action) for kind in PHYSICS for action in VIOLATIONS[kind]]


def test_every_breach_is_measured():
    assert set(MEASURES) == set(PHYSICS)


@pytest.mark.parametrize(("kind", "action"), CASES)
def test_lawful_shots_keep_the_law_and_breaches_grow_with_severity(kind, action):
    measure, most = MEASURES[kind]
    part = SPLITS["train"]
    scenes = FLOOR_SCENES if action == "rest" else ACTIONS[action].scenes
    for index in range(4):
        shot = sample_shot(part.rng(index, 9), part, [action], scenes)
        if shot.premise.relation == "under":
            continue
        broken = [measure(spoil(shot, {kind: s} if s else {}, seed=index)) for s in SEVERITIES]
        assert broken[0] <= most, broken
        assert broken[1] > broken[0], broken
        assert all(b >= a - 1e-9 for a, b in itertools.pairwise(broken)), broken
        assert broken[-1] > most, broken


@pytest.mark.parametrize("action", ["fall", "bounce", "land"])
def test_free_fall_has_the_shots_gravity(action):
    for shot in shots(action):
        path = foot(shot)
        flight = accelerations(path[: first_landing(path)])
        assert len(flight) > 20
        assert np.allclose(flight, shot.gravity, rtol=1e-6)


def test_a_body_that_rolls_off_goes_on_evenly_and_falls_past_the_edge():
    for shot in shots("roll_off"):
        x, path = centre(shot)[:, 0], foot(shot)
        assert np.allclose(np.diff(x), np.diff(x)[0], atol=1e-9)
        begun = int(np.argmax(np.diff(path) > 1e-9)) + 1
        ended = begun + first_landing(path[begun:])
        assert np.allclose(accelerations(path[begun:ended]), shot.gravity, rtol=1e-6)
        edge = boxes_of(shot, index_of(shot, "block"))[0]
        beyond = x - edge[2] if shot.premise.direction == "right" else edge[0] - x
        assert (beyond[: begun - 1] <= 1e-9).all()
        assert beyond[begun] > 0


def test_bounces_keep_the_shots_share_of_speed():
    for shot in shots("bounce"):
        path = foot(shot)
        landing = first_landing(path)
        floor = path[landing] + height_above_support(shot)[landing]
        full = floor - shot.bodies[0].y.legs[0].value
        rise = floor - path[landing:].min()
        # The highest frame is at most half a step from the top of the arc.
        missed = shot.gravity * STEP**2 / 8
        assert rise <= shot.restitution**2 * full + 1e-9
        assert rise >= shot.restitution**2 * full - missed - 1e-9


def impact(shot: Shot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Velocities before and after, and masses, of the two that meet."""
    speeds = np.stack([np.diff(centre(shot, i)[:, 0]) / STEP for i in (0, 1)])
    masses = np.asarray([shot.bodies[i].figure.radius ** 2 for i in (0, 1)])
    return speeds[:, 0], speeds[:, -1], masses


def test_collisions_conserve_momentum_and_keep_the_restitution():
    for shot in shots("collide", 12):
        before, after, masses = impact(shot)
        assert masses @ after == pytest.approx(masses @ before, rel=1e-9)
        apart, closing = after[1] - after[0], before[0] - before[1]
        assert apart == pytest.approx(shot.restitution * closing, rel=1e-9)


@pytest.mark.parametrize("severity", [0.2, 0.6, 1.0])
def test_what_passes_through_is_held_back_too_little(severity):
    for shot in shots("collide"):
        before, after, _ = impact(spoil(shot, {"pass_through": severity}, 1))
        apart, closing = after[1] - after[0], before[0] - before[1]
        # Instead of e times the closing speed: a mean of that and of going on as if alone.
        expected = ((1 - severity) * shot.restitution - severity) * closing
        assert apart == pytest.approx(expected, rel=1e-6)


def test_what_rests_on_the_ground_stands_on_it():
    part = SPLITS["train"]
    for index in range(40):
        shot = sample_shot(part.rng(index, 6), part, ["rest"], ["room", "field"])
        for i, body in enumerate(shot.bodies):
            here = boxes_of(shot, i)
            assert body.floor is not None
            assert here[0, 3] == pytest.approx(body.floor(TIMES)[0], abs=1e-9)
            assert (here == here[0]).all()


def test_a_squeezed_body_gives_way_and_the_hand_stays_on_it():
    for shot in shots("squeeze"):
        here = boxes_of(shot)
        width, height = here[:, 2] - here[:, 0], here[:, 3] - here[:, 1]
        assert height[-1] < 0.6 * height[0]
        assert width[-1] > 1.4 * width[0]
        hand = boxes_of(shot, index_of(shot, "hand"))[:, 3]
        squeezed = height < height[0] - 1e-6
        # A fingertip is an arc of 48 points, none of them quite at its end.
        assert np.allclose(hand[squeezed], here[squeezed, 1], atol=0.01)


def test_a_toppling_body_tips_ever_faster_and_lies_on_the_ground():
    for shot in shots("topple"):
        angle = np.abs(shot.bodies[0].angle(TIMES))
        falling = np.diff(angle[angle < np.pi / 2 - 1e-3])
        assert (np.diff(falling) > 0).all()
        assert angle[-1] == pytest.approx(np.pi / 2)
        floor = shot.bodies[0].floor
        assert floor is not None
        assert boxes_of(shot)[-1, 3] == pytest.approx(floor(TIMES)[-1], abs=1e-6)


def test_a_breach_leaves_all_else_as_it_was():
    for kind, action in CASES:
        if kind == "changed":
            continue
        ladder = sample_ladder(kind, SPLITS["train"].rng(3), SPLITS["train"], (0.0, 1.0))
        clean = ladder[0].shot
        broken = spoil(clean, {kind: 1.0}, ladder[1].seed)
        untouched = [i for i, body in enumerate(clean.bodies) if body == broken.bodies[i]]
        assert len(clean.bodies) == len(broken.bodies)
        assert len(clean.bodies) - len(untouched) <= 2, (kind, action)
        assert replace(broken, bodies=(), severities=()) == replace(clean, bodies=())


def test_a_breach_that_does_not_suit_is_refused():
    shot = shots("move")[0]
    with pytest.raises(ValueError, match="does not suit"):
        spoil(shot, {"bounce_gain": 0.5}, 0)
    with pytest.raises(ValueError, match="only one of"):
        spoil(shot, {"vanish": 0.5, "teleport": 0.5}, 0)
    with pytest.raises(ValueError, match="only one of subject_colour, changed"):
        spoil(shots("hide")[0], {"subject_colour": 0.5, "changed": 0.5}, 0)
    with pytest.raises(ValueError, match="does not suit"):
        make_take(shot, {"hang": 0.2}, 0)
