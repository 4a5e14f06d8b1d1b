"""Bodies as pictures that are moved over the frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from critic_models.world.shot import Body, Figure
from critic_models.world.sprites import Sprite, draw_sprite

_COARSE_BELOW = 0.62
"""Magnification of a sprite below which half as many pixels are enough."""

_SHADOW_SIDE = 32


@dataclass(frozen=True, eq=False)
class Picture:
    """Colours multiplied by coverage, and where they belong.

    Attributes:
        pixels: uint8 `[h, w, 4]`.
        to_radii: float64 `[2, 3]`, from pixels to radii.
    """

    pixels: np.ndarray
    to_radii: np.ndarray


class Puppet:
    """Draws one body, whatever it turns into."""

    def __init__(self, body: Body, scale: float, light: float, into: Figure | None) -> None:
        """Prepare the pictures.

        Args:
            body: the body.
            scale: pixels to a radius, at its largest.
            light: the direction that light comes from, in radians.
            into: what it turns into, if anything.
        """
        self._rolls = body.rolls
        self._sprite = draw_sprite(body.figure, scale, light, into)
        self._into = draw_sprite(into, scale, light, body.figure) if into else None
        self._plain = None if body.rolls else _finish(self._sprite)
        self._coarse: Picture | None = None

    def picture(self, change: float, angle: float, magnification: float) -> Picture:
        """Draw it.

        Args:
            change: how far it has turned into the other, from 0 to 1.
            angle: by which it has rolled under the light, in radians.
            magnification: pixels of the frame to one of the sprite.
        """
        if change == 0.0 and self._plain is not None:
            picture = self._plain
        else:
            sprite = self._sprite if change == 0.0 else _morph(self._sprite, self._into, change)
            picture = _finish(_rolled(sprite, angle) if self._rolls else sprite)
        if magnification >= _COARSE_BELOW:
            return picture
        if picture is not self._plain:
            return _halved(picture)
        if self._coarse is None:
            self._coarse = _halved(picture)
        return self._coarse


def _finish(sprite: Sprite) -> Picture:
    red, green, blue, coverage = cv2.split(sprite.albedo)
    lit = cv2.multiply(cv2.merge([red, green, blue]), cv2.merge([sprite.shade] * 3), scale=1 / 128)
    lit = cv2.multiply(lit, cv2.merge([coverage] * 3), scale=1 / 255)
    step = 1.0 / sprite.scale
    to_radii = np.asarray([[step, 0.0, sprite.origin[0]], [0.0, step, sprite.origin[1]]])
    return Picture(cv2.merge([*cv2.split(lit), coverage]), to_radii)


def _halved(picture: Picture) -> Picture:
    height, width = picture.pixels.shape[:2]
    small = ((width + 1) // 2, (height + 1) // 2)
    pixels = cv2.resize(picture.pixels, small, interpolation=cv2.INTER_AREA)
    across, down = width / small[0], height / small[1]
    grow = np.asarray(
        [[across, 0.0, (across - 1) / 2], [0.0, down, (down - 1) / 2], [0.0, 0.0, 1.0]]
    )
    return Picture(pixels, picture.to_radii @ grow)


def _rolled(sprite: Sprite, angle: float) -> Sprite:
    """Turn the surface around the origin of the radii, and leave the light where it is."""
    centre = (-sprite.origin[0] * sprite.scale, -sprite.origin[1] * sprite.scale)
    turn = cv2.getRotationMatrix2D(centre, -np.degrees(angle), 1.0)
    size = sprite.albedo.shape[1::-1]
    albedo = cv2.warpAffine(sprite.albedo, turn, size, borderMode=cv2.BORDER_REPLICATE)
    albedo[..., 3] = sprite.albedo[..., 3]
    return Sprite(albedo, sprite.shade, sprite.origin, sprite.scale)


def _morph(one: Sprite, other: Sprite | None, share: float) -> Sprite:
    """Blend surfaces, and let the outline pass through those between the two."""
    if other is None:
        raise ValueError("a body that changes needs something to change into")
    albedo = cv2.addWeighted(one.albedo, 1.0 - share, other.albedo, share, 0.0)
    shade = cv2.addWeighted(one.shade, 1.0 - share, other.shade, share, 0.0)
    if np.array_equal(one.albedo[..., 3], other.albedo[..., 3]):
        return Sprite(albedo, shade, one.origin, one.scale)
    outside = (1.0 - share) * _distance(one) + share * _distance(other)
    albedo[..., 3] = cv2.convertScaleAbs(np.clip(0.5 - outside, 0.0, 1.0), alpha=255)
    return Sprite(albedo, shade, one.origin, one.scale)


def _distance(sprite: Sprite) -> np.ndarray:
    """Distance to the outline in pixels, below 0 inside."""
    solid = (sprite.albedo[..., 3] > 127).astype(np.uint8)
    away = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 3)
    return np.asarray(away - cv2.distanceTransform(solid, cv2.DIST_L2, 3))


def _soft_disc() -> np.ndarray:
    at = (np.arange(_SHADOW_SIDE) + 0.5) / (_SHADOW_SIDE / 2) - 1
    away = np.hypot(at[None], at[:, None])
    disc = np.zeros((_SHADOW_SIDE, _SHADOW_SIDE, 4), np.uint8)
    disc[..., 3] = 255 * np.clip(1.0 - away, 0, 1) ** 0.7
    return disc


_SHADOW = Picture(
    _soft_disc(),
    np.asarray(
        [
            [2 / _SHADOW_SIDE, 0.0, 1 / _SHADOW_SIDE - 1],
            [0.0, 2 / _SHADOW_SIDE, 1 / _SHADOW_SIDE - 1],
        ]
    ),
)


def contact_shadow() -> Picture:
    """Return the shadow of what stands on the ground: a soft disc of radius 1."""
    return _SHADOW


def cast_shadow(picture: Picture, softness_px: float) -> Picture:
    """Return the shadow that a picture throws on a wall behind it."""
    shadow = np.zeros_like(picture.pixels)
    shadow[..., 3] = cv2.GaussianBlur(picture.pixels[..., 3], (0, 0), softness_px)
    return Picture(shadow, picture.to_radii)


def fold_apart(picture: Picture, angle: float) -> tuple[Picture, Picture]:
    """Split a sheet into its left half and its right half, which is turned by an angle."""
    crease = round(-picture.to_radii[0, 2] / picture.to_radii[0, 0])
    left, right = picture.pixels.copy(), picture.pixels.copy()
    left[:, crease:] = 0
    right[:, :crease] = 0
    light = 1.0 - 0.45 * np.sin(angle / 2)
    right[..., :3] = cv2.convertScaleAbs(right[..., :3], alpha=light)
    turn = np.diag([np.cos(angle), 1.0])
    return Picture(left, picture.to_radii), Picture(right, turn @ picture.to_radii)


def paste(frame: np.ndarray, picture: Picture, to_frame: np.ndarray, opacity: float = 1.0) -> None:
    """Lay a picture over a frame.

    Args:
        frame: uint8 `[H, W, 3]`; changed in place.
        picture: what to draw.
        to_frame: float64 `[2, 3]`, from radii to pixels of the frame.
        opacity: from 0 to 1.
    """
    linear, inner = to_frame[:, :2], picture.to_radii
    matrix = linear @ inner
    matrix[:, 2] += to_frame[:, 2]
    height, width = picture.pixels.shape[:2]
    corners = np.asarray([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    reach = corners @ matrix[:, :2].T + matrix[:, 2]
    left, top = np.maximum(np.floor(reach.min(0)).astype(int) - 1, 0)
    right = min(int(np.ceil(reach[:, 0].max())) + 2, frame.shape[1])
    bottom = min(int(np.ceil(reach[:, 1].max())) + 2, frame.shape[0])
    if right <= left or bottom <= top or opacity <= 0.0:
        return
    matrix[:, 2] -= (left, top)
    warped = cv2.warpAffine(picture.pixels, matrix, (int(right - left), int(bottom - top)))
    if opacity < 1.0:
        warped = cv2.convertScaleAbs(warped, alpha=opacity)
    red, green, blue, coverage = cv2.split(warped)
    clear = cv2.bitwise_not(coverage)
    patch = frame[top:bottom, left:right]
    kept = cv2.multiply(patch, cv2.merge([clear, clear, clear]), scale=1 / 255)
    cv2.add(kept, cv2.merge([red, green, blue]), dst=patch)
