"""Scenes to frames."""

from __future__ import annotations

import cv2
import numpy as np

from critic_models.world.scene import UNITS, Scene
from critic_models.world.textures import draw_texture

_MARGIN = 12.0
_SUBPIXEL_BITS = 4
_SQUARE = np.asarray([(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)])
_TRIANGLE = np.asarray([(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9)])


def render(scene: Scene, size: tuple[int, int], num_frames: int) -> np.ndarray:
    """Draw a clip.

    Args:
        scene: what to draw; the same scene looks alike at every size and number of frames.
        size: height and width in pixels.
        num_frames: at even steps over the scene's duration.

    Returns:
        uint8 `[num_frames, height, width, 3]`, RGB.
    """
    height, width = size
    unit = min(size) / UNITS
    margin = round(_MARGIN * unit)
    canvas = draw_texture(
        scene.texture, scene.texture_seed, height + 2 * margin, width + 2 * margin
    )
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    paths = zip(scene.camera_path(num_frames), scene.object_path(num_frames), strict=True)
    for frame, (camera, centre) in zip(frames, paths, strict=True):
        shift = np.asarray([[1, 0, margin], [0, 1, margin]], np.float32)
        shift[:, 2] += camera * unit
        cv2.warpAffine(
            canvas,
            shift,
            (width, height),
            dst=frame,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        _draw_object(frame, scene, centre * unit, unit, scene.rgb)
    return frames


def object_mask(
    scene: Scene, size: tuple[int, int], num_frames: int, offsets: np.ndarray | None = None
) -> np.ndarray:
    """Draw where the object is.

    Args:
        scene: the clip's scene.
        size: height and width of the mask; it may be coarser than the frames.
        num_frames: as rendered.
        offsets: float `[num_frames, 2]`, `(x, y)` in units, by which each frame was displaced.

    Returns:
        uint8 `[num_frames, height, width]`, 255 inside the object.
    """
    unit = min(size) / UNITS
    path = scene.object_path(num_frames)
    if offsets is not None:
        path = path + offsets
    mask = np.zeros((num_frames, *size), np.uint8)
    for frame, centre in zip(mask, path, strict=True):
        _draw_object(frame, scene, centre * unit, unit, (255,))
    return mask


def _draw_object(
    frame: np.ndarray, scene: Scene, centre: np.ndarray, unit: float, value: tuple[int, ...]
) -> None:
    height, width = frame.shape[:2]
    middle = np.asarray([width / 2, height / 2]) + centre
    radius = scene.radius * unit
    fixed = 1 << _SUBPIXEL_BITS
    if scene.shape == "circle":
        at = tuple(int(v) for v in np.round(middle * fixed))
        cv2.circle(frame, at, round(radius * fixed), value, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        return
    corners = _SQUARE if scene.shape == "square" else _TRIANGLE
    points = np.round((corners * radius + middle) * fixed).astype(np.int32)
    cv2.fillPoly(frame, [points], value, cv2.LINE_AA, _SUBPIXEL_BITS)
