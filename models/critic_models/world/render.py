"""Shots to frames, with the truth of every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from critic_models.world.backdrops import LOOKS, Ground
from critic_models.world.curves import hold
from critic_models.world.geometry import chain, placements
from critic_models.world.grade import develop
from critic_models.world.puppets import (
    Puppet,
    cast_shadow,
    contact_shadow,
    fold_apart,
    paste,
)
from critic_models.world.shot import UNITS, Body, SceneChange, Shot
from critic_models.world.truth import Truth, draw_order, draw_owners, find_truth

_EDGE_PX = 3
_BEND = 16.0
_SHADOW_DEPTH = 0.55
_SHADOW_FADES_OVER = 90.0
_WALL_SHADOW = 0.4
_WALL_GAP = 3.0
_WALL_SOFTNESS = 1.5


@dataclass(frozen=True, eq=False)
class Rendered:
    """A clip before any defect of recording.

    Attributes:
        shot: what was drawn.
        frames: uint8 `[T, H, W, 3]`, RGB.
        truth: of every frame.
    """

    shot: Shot
    frames: np.ndarray
    truth: Truth

    def owners(self, size: tuple[int, int]) -> np.ndarray:
        """Draw coarse masks: uint8 `[T, h, w]`, 0 or one more than the index of a body."""
        return draw_owners(self.shot, self.truth, size)


def render_shot(
    shot: Shot, size: tuple[int, int], num_frames: int, shake: np.ndarray | None = None
) -> Rendered:
    """Draw a clip.

    Args:
        shot: what to draw; the same shot looks alike at every size and number of frames.
        size: height and width in pixels.
        num_frames: at even steps over the clip, at least 1.
        shake: float64 `[T, 2]`, by which jitter displaces each frame, in units.
    """
    truth = find_truth(shot, size, num_frames, shake)
    unit = min(size) / UNITS
    to_pixels = truth.view * unit
    to_pixels[:, :, 2] += np.asarray([size[1], size[0]]) / 2 - 0.5
    frames = _backdrop(shot, truth, to_pixels, size, unit)
    layers = [(shot.bodies[i], i, _puppet(shot, i, truth, unit)) for i in draw_order(shot.bodies)]
    for body, index, puppet in layers:
        _draw_body(frames, shot, truth, to_pixels, body, index, puppet)
    return Rendered(shot, develop(frames, shot.grade), truth)


def _backdrop(
    shot: Shot, truth: Truth, to_pixels: np.ndarray, size: tuple[int, int], unit: float
) -> np.ndarray:
    height, width = size
    rim = np.asarray([[x, y] for x in (-1.0, width) for y in (-1.0, height)])
    inverse = np.stack([cv2.invertAffineTransform(matrix) for matrix in to_pixels])
    seen = (rim @ inverse[:, :, :2].transpose(0, 2, 1) + inverse[:, None, :, 2]).reshape(-1, 2)
    pixel = 1.0 / unit
    left, top = seen.min(0) - _EDGE_PX * pixel
    across, down = np.ceil((seen.max(0) + _EDGE_PX * pixel - (left, top)) * unit).astype(int)

    def canvas(look: str, seed: int) -> np.ndarray:
        ground = Ground(float(left), float(top), pixel, int(across), int(down), shot.horizon, seed)
        image = LOOKS[look](ground)
        if shot.grade.defocus:
            image = cv2.GaussianBlur(image, (0, 0), shot.grade.defocus * unit)
        return image

    # Middle of the first pixel of the canvas, and the step to the next, in the world.
    place = np.asarray(
        [[pixel, 0.0, left + pixel / 2], [0.0, pixel, top + pixel / 2], [0.0, 0.0, 1.0]]
    )
    base = canvas(shot.look, shot.backdrop_seed)
    change = shot.scene_changes[0] if shot.scene_changes else None
    fades = change is not None and change.kind == "fade"
    other = canvas(change.look, change.seed) if change is not None and fades else None
    bend = _bending(change, base.shape[:2], unit) if change is not None and not fades else None
    frames = np.empty((len(to_pixels), height, width, 3), np.uint8)
    for frame, matrix, share in zip(frames, to_pixels, truth.scene_change, strict=True):
        source = base
        if share and other is not None:
            source = cv2.addWeighted(base, 1.0 - share, other, share, 0.0)
        elif share and bend is not None:
            still, shift = bend
            source = cv2.remap(
                base,
                still + np.float32(share) * shift,
                None,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
        cv2.warpAffine(
            source, matrix @ place, (width, height), dst=frame, borderMode=cv2.BORDER_REFLECT
        )
    return frames


def _bending(
    change: SceneChange, size: tuple[int, int], unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return where every pixel comes from, and by how much that moves at full strength."""
    rng = np.random.default_rng([change.seed, 31])
    height, width = size
    coarse = rng.standard_normal((7, 7, 2)).astype(np.float32) * np.float32(_BEND * unit)
    shift = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], -1), shift


def _puppet(shot: Shot, index: int, truth: Truth, unit: float) -> Puppet:
    body = shot.bodies[index]
    largest = float(np.exp(truth.camera[:, 2]).max() * body.size(truth.times).max())
    into = next((c.into for c in shot.subject_changes if c.body == index), None)
    return Puppet(body, body.figure.radius * largest * unit, shot.grade.light, into)


def _draw_body(
    frames: np.ndarray,
    shot: Shot,
    truth: Truth,
    to_pixels: np.ndarray,
    body: Body,
    index: int,
    puppet: Puppet,
) -> None:
    """Draw a body and its shadow into every frame."""
    times = truth.times
    opacity, angles, folds = body.opacity(times), body.angle(times), body.fold(times)
    size = body.size(times) * np.exp(truth.camera[:, 2])
    magnification = size / size.max()
    placed = truth.placed[:, index]
    if body.rolls:
        placed = placements(replace(body, angle=hold(0.0)), times)
    to_frames = chain(to_pixels, placed)
    on_wall = shot.premise.scene == "wall" and body.role != "prop"
    unit = min(frames.shape[1:3]) / UNITS
    gap = np.zeros((2, 3))
    gap[:, 2] = (
        -_WALL_GAP * unit * np.cos(shot.grade.light),
        -_WALL_GAP * unit * np.sin(shot.grade.light),
    )
    if body.floor is not None:
        boxes, floor = truth.world_boxes[:, index], body.floor(times)
        _draw_contact(frames, to_pixels, boxes, floor, opacity, shot.grade.light)
    for t, frame in enumerate(frames):
        picture = puppet.picture(
            float(truth.subject_change[t, index]), float(angles[t]), float(magnification[t])
        )
        pieces = fold_apart(picture, float(folds[t])) if folds[t] else (picture,)
        for piece in pieces if on_wall else ():
            shadow = cast_shadow(piece, _WALL_SOFTNESS * unit)
            paste(frame, shadow, to_frames[t] + gap, _WALL_SHADOW * float(opacity[t]))
        for piece in pieces:
            paste(frame, piece, to_frames[t], float(opacity[t]))


def _draw_contact(
    frames: np.ndarray,
    to_pixels: np.ndarray,
    boxes: np.ndarray,
    floor: np.ndarray,
    opacity: np.ndarray,
    light: float,
) -> None:
    """Darken the ground under a body; the higher it is, the less, and the further to the side."""
    height = np.maximum(0.0, floor - boxes[:, 3])
    strength = _SHADOW_DEPTH * np.maximum(0.0, 1.0 - height / _SHADOW_FADES_OVER)
    strength = strength * opacity
    half = (boxes[:, 2] - boxes[:, 0]) / 2 * (1.12 + height / 160)
    discs = np.zeros((len(floor), 2, 3))
    discs[:, 0, 0], discs[:, 1, 1] = half, 0.24 * np.minimum(half, 30.0)
    discs[:, 0, 2] = (boxes[:, 0] + boxes[:, 2]) / 2 - 0.25 * height * np.cos(light)
    discs[:, 1, 2] = floor
    for frame, to_frame, dark in zip(frames, chain(to_pixels, discs), strength, strict=True):
        paste(frame, contact_shadow(), to_frame, float(dark))
