"""What the throw-away heads are to say of one clip: all that the world knows of every place in it.

A language model's loss reaches a new vision tower too weakly to teach it shape or direction, and a
new language model too weakly to teach it what changes over time. The world knows where things are,
how they move, what was done to every frame, and where each thing would be if nature's laws held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from critic_models.finetune.questions import strength
from critic_models.world import ACTIONS, DEFECTS, Clip, Facts, Take
from critic_models.world.camera import world_to_screen
from critic_models.world.catalogue import (
    COLOURS,
    DIRECTIONS,
    NOUNS,
    NUMBERS,
    PHYSICS,
    PROPS,
    RELATIONS,
    SCENES,
)
from critic_models.world.geometry import boxes, chain, placements
from critic_models.world.shot import UNITS

THINGS = (*NOUNS, *PROPS)
ROLES = ("subject", "bystander", "prop")
IMAGING_HEADS = ("blur", "noise", "blocking", "banding", "exposure", "ghosting")
MOTION_WIDTH = 16
SLOT_VALUES: dict[str, tuple[str, ...]] = {
    "object": NOUNS,
    "colour": COLOURS,
    "count": NUMBERS,
    "direction": DIRECTIONS,
    "relation": RELATIONS,
    "action": tuple(ACTIONS),
    "scene": SCENES,
}
SO_FAR = ("subject", "scene", "violation")
UNKNOWN = -1

_CELL = 16
_FLOW, _STRETCH, _LIGHT, _PLACE = 8.0, 0.25, 0.25, 32.0
_DEVIATION = 12.0
_LIMIT = 4.0


@dataclass(frozen=True, eq=False)
class DenseTargets:
    """Of `P` temporal patches of two frames and `N = h * w` merged tokens each.

    Attributes:
        roles: float32 `[P, N, 3]`, share of the token's square that subjects, bystanders and props
            cover.
        thing, colour: int64 `[P, N]`, what the largest body there is, or -1.
        weight: float32 `[P, N]`, share of the square that this body covers, less what it has
            turned into something else.
        motion: float32 `[P, N, 16]`: of that body its displacement and stretching between the two
            frames, its place and size, what changed in it and how far it is from where it would
            lawfully be; of the backdrop its displacement there; of the whole frame the change of
            brightness, brightness itself, the change of the backdrop and the step of time.
        of_body: float32 `[16]`, which of those speak of a body.
        frozen: float32 `[P]`, whether both frames are equal to the last bit.
        scene: int64 `[P]`, or -1 where the backdrop has changed.
        imaging: float32 `[6]`, how strong each defect of `IMAGING_HEADS` is.
        so_far: float32 `[P, 3]`, the most that a subject and the backdrop have changed, and that
            anything has strayed from its lawful path, up to each patch; in [0, 1].
        defects: float32 `[32]`, how strong every defect is.
        slots: int64 `[7]`, the value of every slot, or -1.
    """

    roles: np.ndarray
    thing: np.ndarray
    colour: np.ndarray
    weight: np.ndarray
    motion: np.ndarray
    frozen: np.ndarray
    scene: np.ndarray
    imaging: np.ndarray
    so_far: np.ndarray
    defects: np.ndarray
    slots: np.ndarray


OF_BODY = np.asarray([1.0] * 9 + [0.0] * 7, np.float32)
"""Which of the motions speak of the body in a token's square, and which of the frame."""


def dense_targets(
    clip: Clip, facts: Facts, grid: tuple[int, int], chosen: np.ndarray
) -> DenseTargets:
    """Compute the targets of one clip.

    Args:
        clip: as filmed, all its frames.
        facts: that are known of it.
        grid: `(h, w)` merged tokens of a frame.
        chosen: int64 `[2 P]`, the frames that the critic sees.
    """
    sources = clip.recorded.sources[chosen]
    first, second = sources[0::2], sources[1::2]
    take, shot, truth = clip.take, clip.shot, clip.truth
    bodies = shot.bodies

    shares = _shares(clip, grid, chosen)
    roles = np.stack([shares[[b.role == role for b in bodies]].sum(0) for role in ROLES], -1)
    largest = shares.argmax(0)
    weight = np.take_along_axis(shares, largest[None], 0)[0]

    things = np.asarray([THINGS.index(b.figure.noun) for b in bodies])
    colours = np.asarray([_index(COLOURS, b.figure.colour) for b in bodies])
    known = 1.0 - np.minimum(1.0, truth.subject_change[sources].reshape(len(first), 2, -1).max(1))
    patches = np.arange(len(first))[:, None]

    of_bodies = _body_motion(clip, first, second)
    of_frame = _frame_motion(clip, first, second, chosen, grid)
    motion = np.concatenate([of_bodies[patches, largest], of_frame], -1)
    strayed = _strayed(take, clip)
    scene_change = truth.scene_change[sources].reshape(-1, 2).max(1)
    so_far = np.stack(
        [
            truth.subject_change[sources].max(1),
            truth.scene_change[sources],
            np.minimum(1.0, strayed[sources].max(1)),
        ],
        1,
    )
    so_far = np.maximum.accumulate(so_far, 0)[1::2]
    scene = np.where(scene_change < 0.5, SCENES.index(shot.premise.scene), UNKNOWN)
    return DenseTargets(
        roles=roles.astype(np.float32),
        thing=things[largest],
        colour=colours[largest],
        weight=(weight * known[patches, largest]).astype(np.float32),
        motion=np.clip(motion, -_LIMIT, _LIMIT).astype(np.float32),
        frozen=_frozen(clip.frames[chosen]),
        scene=scene.astype(np.int64),
        imaging=np.asarray([strength(take.severity(k)) for k in IMAGING_HEADS], np.float32),
        so_far=so_far.astype(np.float32),
        defects=np.asarray([strength(take.severity(k)) for k in DEFECTS], np.float32),
        slots=np.asarray([_index(v, facts.value(k)) for k, v in SLOT_VALUES.items()]),  # type: ignore[arg-type]
    )


def _frozen(frames: np.ndarray) -> np.ndarray:
    pairs = zip(frames[0::2], frames[1::2], strict=True)
    return np.asarray([np.array_equal(one, other) for one, other in pairs], np.float32)


def _index(values: tuple[str, ...], value: str | None) -> int:
    return values.index(value) if value in values else UNKNOWN


def _shares(clip: Clip, grid: tuple[int, int], chosen: np.ndarray) -> np.ndarray:
    """Share of every token's square that each body covers, float64 `[bodies, P, N]`."""
    rows, columns = grid
    owners = clip.owners((rows * _CELL, columns * _CELL))[chosen]
    cells = owners.reshape(-1, 2, rows, _CELL, columns, _CELL)
    each = [
        (cells == index + 1).mean((1, 3, 5)).reshape(len(cells), -1)
        for index in range(len(clip.shot.bodies))
    ]
    return np.stack(each)


def _body_motion(clip: Clip, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What each body does in each patch, float64 `[P, bodies, 9]`."""
    truth = clip.truth
    sides = np.maximum(truth.boxes[..., 2:] - truth.boxes[..., :2], 1.0)
    logs, centres = np.log(sides), truth.centres
    opacity = np.stack([body.opacity(truth.times) for body in clip.shot.bodies], 1)
    strayed = _strayed(clip.take, clip)
    return np.concatenate(
        [
            (centres[second] - centres[first]) / _FLOW,
            (logs[second] - logs[first]) / _STRETCH,
            (centres[second] + centres[first]) / (2 * _PLACE),
            (logs[second].mean(-1) - np.log(24.0))[..., None],
            (
                truth.subject_change[second]
                - truth.subject_change[first]
                + opacity[first]
                - opacity[second]
            )[..., None],
            strayed[second][..., None],
        ],
        -1,
    )


def _frame_motion(
    clip: Clip, first: np.ndarray, second: np.ndarray, chosen: np.ndarray, grid: tuple[int, int]
) -> np.ndarray:
    """What the backdrop and the light do, float64 `[P, N, 7]`."""
    truth, recorded = clip.truth, clip.recorded
    rows, columns = grid
    unit = UNITS / min(rows, columns)
    x, y = (
        (np.arange(columns) + 0.5 - columns / 2) * unit,
        (np.arange(rows) + 0.5 - rows / 2) * unit,
    )
    places = np.stack([*(g.reshape(-1) for g in np.meshgrid(x, y)), np.ones(rows * columns)], 1)
    whole = np.concatenate([truth.view, np.tile([[[0.0, 0.0, 1.0]]], (len(truth.view), 1, 1))], 1)
    step = whole[second] @ np.linalg.inv(whole[first])
    moved = places @ step[:, :2].transpose(0, 2, 1) - places[:, :2]
    gains = np.log(np.maximum(recorded.gains[chosen], 0.05)).reshape(-1, 2)
    ahead = np.maximum(np.diff(chosen.reshape(-1, 2), axis=1)[:, 0], 1)
    of_frame = np.stack(
        [
            (gains[:, 1] - gains[:, 0]) / _LIGHT,
            gains.mean(1),
            truth.scene_change[second] - truth.scene_change[first],
            (second - first) / ahead - 1.0,
            (truth.times[second] - truth.times[first]) * (len(truth.times) - 1) / ahead - 1.0,
        ],
        1,
    )
    spread = np.repeat(of_frame[:, None], len(places), 1)
    return np.concatenate([moved / _FLOW, spread], -1)


def _strayed(take: Take, clip: Clip) -> np.ndarray:
    """How far each body is from where it lawfully would be, float64 `[T, bodies]`; 1 is far."""
    truth, shot = clip.truth, clip.shot
    away = np.zeros((len(truth.times), len(shot.bodies)))
    if not any(name in PHYSICS for name, _ in take.severities):
        return away
    if take.severity("changed"):
        return np.asarray(truth.subject_change)
    view = world_to_screen(truth.camera)
    for index, (body, lawful) in enumerate(zip(shot.bodies, take.shot.bodies, strict=False)):
        maps = chain(view, placements(lawful, truth.times))
        box = boxes(lawful, maps, lawful.fold(truth.times))
        centre = (box[:, :2] + box[:, 2:]) / 2
        distance = np.linalg.norm(truth.centres[:, index] - centre, axis=1) / _DEVIATION
        seen = np.abs(body.opacity(truth.times) - lawful.opacity(truth.times))
        away[:, index] = np.clip(distance + seen, 0.0, 1.0)
    return away
