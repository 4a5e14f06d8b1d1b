"""What is true of every frame of a shot: where things are, what of them is seen, what changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from critic_models.world.camera import views, world_to_screen
from critic_models.world.figures import draw_figure
from critic_models.world.geometry import boxes, chain, folded, halves, placements
from critic_models.world.shot import UNITS, Body, SceneChange, Shot, SubjectChange
from critic_models.world.tempo import action_times

_VISIBILITY_SIDE = 48
_SUBPIXEL_BITS = 4
_OPAQUE = 0.5


@dataclass(frozen=True, eq=False)
class Truth:
    """Of `T` frames and `N` bodies in the order of `Shot.bodies`; lengths in units.

    Attributes:
        times: float64 `[T]`, the moment of the action that is seen; the clip's own time runs
            evenly from 0 to 1.
        camera: float64 `[T, 4]`, middle of the view, logarithm of the magnification, and roll.
        view: float64 `[T, 2, 3]`, map from world to screen.
        placed: float64 `[T, N, 2, 3]`, maps from each body's radii to the world.
        world_boxes: float64 `[T, N, 4]`, left, top, right and bottom in the world.
        boxes: float64 `[T, N, 4]`, the same on the screen, from its middle; of the whole
            silhouette, whatever covers it or cuts it off, and of what a body was at first.
        centres: float64 `[T, N, 2]`, of `boxes`.
        visible: float64 `[T, N]`, share of the silhouette that is seen: inside the frame, in front
            of all others, and opaque.
        subject_change: float64 `[T, N]`, how far each body has turned into something else; a change
            of size is in its boxes.
        scene_change: float64 `[T]`, how far the backdrop has.
    """

    times: np.ndarray
    camera: np.ndarray
    view: np.ndarray
    placed: np.ndarray
    world_boxes: np.ndarray
    boxes: np.ndarray
    centres: np.ndarray
    visible: np.ndarray
    subject_change: np.ndarray
    scene_change: np.ndarray

    @property
    def body_motion(self) -> np.ndarray:
        """Longest path of a point of each body in the world, float64 `[N]`, in units.

        Points are the corners of its box, and those one radius around its middle: a star that
        spins moves, though its box hardly does.
        """
        corners = self.world_boxes.reshape(len(self.times), -1, 2, 2)
        around = np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [-1.0, 0.0, 1.0], [0.0, -1.0, 1.0]])
        points = np.concatenate([corners, around @ self.placed.transpose(0, 1, 3, 2)], 2)
        steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
        return np.asarray(steps.sum(0).max(-1))

    @property
    def camera_motion(self) -> float:
        """Longest path of a point at the frame's edge that is due to the camera, in units."""
        edge = np.asarray([[x, y, 1.0] for x in (-64.0, 64.0) for y in (-64.0, 64.0)])
        paths = edge @ self.view.transpose(0, 2, 1)
        return float(np.linalg.norm(np.diff(paths, axis=0), axis=-1).sum(0).max())


def find_truth(
    shot: Shot, size: tuple[int, int], num_frames: int, shake: np.ndarray | None = None
) -> Truth:
    """Compute the truth of a clip.

    Args:
        shot: the shot.
        size: height and width of the frames; only their ratio matters.
        num_frames: at even steps over the clip.
        shake: float64 `[T, 2]`, by which jitter displaces each frame, in units.
    """
    clock = np.linspace(0.0, 1.0, num_frames)
    times = action_times(shot.tempo, clock)
    # The camera holds still with the world, and does not hurry or stumble with it.
    camera_times = action_times(replace(shot.tempo, haste=0.0, stutter=0.0), clock)
    camera = views(shot.camera, camera_times, shake)
    view = world_to_screen(camera)
    placed = [placements(body, times) for body in shot.bodies]
    folds = [body.fold(times) for body in shot.bodies]
    each = list(zip(shot.bodies, placed, folds, strict=True))
    world = np.stack([boxes(body, maps, angles) for body, maps, angles in each], 1)
    screen = np.stack([boxes(body, chain(view, maps), angles) for body, maps, angles in each], 1)
    changes = np.zeros((num_frames, len(shot.bodies)))
    for change in shot.subject_changes:
        changes[:, change.body] = np.maximum(changes[:, change.body], progress(change, clock))
    scene_change = np.zeros(num_frames)
    for scene in shot.scene_changes:
        scene_change = np.maximum(scene_change, progress(scene, clock))
    truth = Truth(
        times=times,
        camera=camera,
        view=view,
        placed=np.stack(placed, 1),
        world_boxes=world,
        boxes=screen,
        centres=(screen[..., :2] + screen[..., 2:]) / 2,
        visible=np.empty(0),
        subject_change=changes,
        scene_change=scene_change,
    )
    return replace(truth, visible=_visible(shot, truth, size))


def progress(change: SubjectChange | SceneChange, clock: np.ndarray) -> np.ndarray:
    """How far a change has gone at each time of the clip, float64 `[T]`."""
    if change.end <= change.begin:
        return change.amount * (clock >= change.begin)
    return change.amount * np.clip((clock - change.begin) / (change.end - change.begin), 0, 1)


def draw_owners(shot: Shot, truth: Truth, size: tuple[int, int]) -> np.ndarray:
    """Draw which body is seen where.

    Args:
        shot: the shot.
        truth: of the clip.
        size: height and width of the maps, in the ratio of the frames; they may be coarser.

    Returns:
        uint8 `[T, h, w]`: 0 for the backdrop, and one more than the index of the body in front.
    """
    outlines = [_outlines(shot, truth, index, size) for index in range(len(shot.bodies))]
    return _paint_owners(shot, truth, outlines, size)


def draw_order(bodies: tuple[Body, ...]) -> list[int]:
    """Return indices from back to front."""
    return sorted(range(len(bodies)), key=lambda index: bodies[index].depth)


_Outline = list[list[np.ndarray]]
"""Contours of each part in one frame, as OpenCV draws them."""


def _paint_owners(
    shot: Shot, truth: Truth, outlines: list[list[_Outline]], size: tuple[int, int]
) -> np.ndarray:
    owners = np.zeros((len(truth.times), *size), np.uint8)
    for index in draw_order(shot.bodies):
        opaque = shot.bodies[index].opacity(truth.times) >= _OPAQUE
        for owner, outline, shown in zip(owners, outlines[index], opaque, strict=True):
            if shown:
                _fill(owner, outline, index + 1)
    return owners


def _visible(shot: Shot, truth: Truth, size: tuple[int, int]) -> np.ndarray:
    """Compare what is seen of each silhouette with the whole of it."""
    scale = _VISIBILITY_SIDE / min(size)
    height, width = round(size[0] * scale), round(size[1] * scale)
    outlines = [_outlines(shot, truth, i, (height, width)) for i in range(len(shot.bodies))]
    owners = _paint_owners(shot, truth, outlines, (height, width))
    shares = np.zeros((len(owners), len(shot.bodies)))
    # Room on all sides, so that what the frame cuts off is counted too.
    whole = np.empty((3 * height, 3 * width), np.uint8)
    corner = (width, height)
    for index, body in enumerate(shot.bodies):
        seen = [cv2.countNonZero(cv2.inRange(owner, index + 1, index + 1)) for owner in owners]
        for t, outline in enumerate(outlines[index]):
            whole[:] = 0
            _fill(whole, outline, 1, corner)
            shares[t, index] = seen[t] / max(cv2.countNonZero(whole), 1)
        shares[:, index] *= body.opacity(truth.times)
    return shares


def _fill(
    canvas: np.ndarray, outline: _Outline, value: int, offset: tuple[int, int] = (0, 0)
) -> None:
    for contours in outline:
        cv2.fillPoly(canvas, contours, value, cv2.LINE_8, _SUBPIXEL_BITS, offset)


def _outlines(shot: Shot, truth: Truth, index: int, size: tuple[int, int]) -> list[_Outline]:
    """Compute a body's outline in every frame."""
    body = shot.bodies[index]
    drawing = draw_figure(body.figure.noun, body.figure.variant, body.figure.extent)
    fixed = 1 << _SUBPIXEL_BITS
    scale = min(size) / UNITS * fixed
    middle = (np.asarray(size[::-1]) / 2 - 0.5) * fixed
    parts = [part.contours for part in drawing.outlines]
    frames = []
    maps = chain(truth.view, truth.placed[:, index])
    for matrix, angle in zip(maps, body.fold(truth.times), strict=True):
        pieces = parts
        if angle != 0.0:
            # Halves apart: where they lie on each other, an even-odd fill would leave a hole.
            cut = [[halves(contour) for contour in part] for part in parts]
            pieces = [tuple(left for left, _ in part) for part in cut]
            pieces += [tuple(folded(right, float(angle)) for _, right in part) for part in cut]
        turn, shift = matrix[:, :2].T * scale, matrix[:, 2] * scale + middle
        frames.append(
            [[np.round(c @ turn + shift).astype(np.int32) for c in piece] for piece in pieces]
        )
    return frames
