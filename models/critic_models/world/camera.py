"""Where the camera looks in every frame.

A hand moves a camera slowly and a little; that is no fault. Jitter, which is one, is a new
displacement in every frame, and is handed in from outside.
"""

from __future__ import annotations

import numpy as np

from critic_models.world.curves import Curve, ease, hold, line
from critic_models.world.shot import Camera

_KINDS = ("still", "pan", "zoom", "roll", "hand", "hand and pan")
_SHARES = (0.28, 0.16, 0.12, 0.08, 0.24, 0.12)
_WAVES = 3


def sample_camera(rng: np.random.Generator, calm: bool, zooms: bool) -> Camera:
    """Draw a camera.

    Args:
        rng: of all its choices.
        calm: whether it must not outrun the action, whose direction is told.
        zooms: whether it may come closer or go away.
    """
    kind = str(rng.choice(_KINDS, p=_SHARES))
    reach = 7.0 if calm else 14.0
    along, magnification, turn = rng.uniform(-1, 1, 2) * reach, rng.uniform(0.06, 0.22), 0.09
    sign = float(rng.choice((-1.0, 1.0)))
    even = bool(rng.random() < 0.6)
    seed = int(rng.integers(2**31))
    sway = tuple(
        (
            float(rng.normal(0, 2.6)),
            float(rng.normal(0, 2.0)),
            float(rng.normal(0, 0.008)),
            float(rng.uniform(0.25, 1.7)),
            float(rng.uniform(0, 2 * np.pi)),
        )
        for _ in range(_WAVES)
    )
    tremor = float(rng.uniform(0.0, 0.35))
    x = y = zoom = roll = hold(0.0)
    if "pan" in kind:
        x, y = _sweep(float(along[0]), even), _sweep(0.6 * float(along[1]), even)
    if kind == "zoom" and zooms:
        zoom = _sweep(sign * float(magnification), even)
    if kind == "roll":
        roll = _sweep(sign * turn, even)
    if "hand" not in kind:
        sway, tremor = (), 0.0
    return Camera(x, y, zoom, roll, sway, tremor, seed)


def _sweep(by: float, even: bool) -> Curve:
    return line(0.0, -by / 2, 1.0, by / 2) if even else ease(0.05, -by / 2, 0.95, by / 2)


def views(camera: Camera, times: np.ndarray, shake: np.ndarray | None = None) -> np.ndarray:
    """Compute what the camera sees in every frame.

    Args:
        camera: the camera.
        times: float64 `[T]`, which moment of its path each frame shows; equal moments are seen
            from exactly the same place.
        shake: float64 `[T, 2]`, by which the picture is displaced in each frame, in units.

    Returns:
        float64 `[T, 4]`: middle of the view `(x, y)` in units, logarithm of the magnification, and
        roll in radians.
    """
    path = np.stack([c(times) for c in (camera.x, camera.y, camera.zoom, camera.roll)], 1)
    for right, down, turn, cycles, phase in camera.sway:
        angle = 2 * np.pi * cycles * times + phase
        path[:, 0] += right * np.sin(angle)
        path[:, 1] += down * np.sin(angle + 1.3)
        path[:, 3] += turn * np.sin(angle + 2.6)
    if camera.tremor:
        rng = np.random.default_rng([camera.seed, 11])
        unrest = rng.standard_normal((len(times), 2)) * camera.tremor
        path[:, :2] += unrest[np.unique(times, return_inverse=True)[1]]
    if shake is not None:
        cos, sin = np.cos(path[:, 3]), np.sin(path[:, 3])
        scale = np.exp(-path[:, 2])
        path[:, 0] -= scale * (cos * shake[:, 0] - sin * shake[:, 1])
        path[:, 1] -= scale * (sin * shake[:, 0] + cos * shake[:, 1])
    return path


def world_to_screen(path: np.ndarray) -> np.ndarray:
    """Write views as maps from world to screen, both in units; float64 `[T, 2, 3]`."""
    scale, cos, sin = np.exp(path[:, 2]), np.cos(path[:, 3]), np.sin(path[:, 3])
    turn = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1) * scale[:, None, None]
    shift = -(turn @ path[:, :2, None])
    return np.concatenate([turn, shift], 2)
