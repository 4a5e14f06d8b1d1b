"""What can go wrong when a clip is recorded, compressed and delivered, in graded severities.

These defects can be put on any footage. Sizes are relative to the frame's shorter side and times
to the clip, so that a defect looks the same at every size and frame rate. Severity 0 changes
nothing; 0.1 is just visible; 1 is gross.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from critic_models.world import pixels
from critic_models.world.catalogue import FILMED
from critic_models.world.shot import UNITS

_ORDER = (
    "jitter",
    "blur",
    "exposure",
    "flicker",
    "noise",
    "ghosting",
    "banding",
    "blocking",
    "shuffle",
    "drop",
    "freeze",
)
"""Camera, lens, exposure, sensor, its denoising and quantisation, compression, delivery."""

_EIGHTHS = 8
_ACTIVITY_STEP = 4


@dataclass(frozen=True, eq=False)
class Recorded:
    """A clip as delivered, and what was done to each of its frames.

    Attributes:
        frames: uint8 `[T, H, W, 3]`.
        offsets: float64 `[T, 2]`, displacement `(x, y)` by jitter, in units.
        gains: float64 `[T]`, factor of brightness by flicker and exposure.
        sources: int64 `[T]`, which of the frames that were taken is shown.
        trail: share of the frame before, an eighth of the clip ago, that shines through.
    """

    frames: np.ndarray
    offsets: np.ndarray
    gains: np.ndarray
    sources: np.ndarray
    trail: float


def record(
    frames: np.ndarray,
    severities: Mapping[str, float],
    seed: int,
    shake: np.ndarray | None = None,
) -> Recorded:
    """Put defects on a clip, in the order in which they happen to a real one.

    Each defect has random numbers of its own: adding one does not change what another does.

    Args:
        frames: uint8 `[T, H, W, 3]`; not changed.
        severities: by defect; names that are not of recording are refused.
        seed: of everything random.
        shake: float64 `[T, 2]`, jitter that is already in the frames; the severity of jitter is
            then taken as done.

    Raises:
        ValueError: for an unknown defect, or a severity outside [0, 1].
    """
    for kind, severity in severities.items():
        if kind not in FILMED:
            raise ValueError(f"{kind!r} cannot be put on footage; allowed: {', '.join(FILMED)}")
        if not 0.0 <= severity <= 1.0:
            raise ValueError(f"severity of {kind} must be in [0, 1]; found {severity}")
    count, unit = len(frames), min(frames.shape[1:3]) / UNITS
    offsets = np.zeros((count, 2)) if shake is None else shake
    gains, sources, trail = np.ones(count), np.arange(count), 0.0
    for index, kind in enumerate(_ORDER):
        severity = float(severities.get(kind, 0.0))
        rng = np.random.default_rng([seed, index])
        if severity == 0.0:
            continue
        if kind == "jitter" and shake is None:
            offsets = jitter_offsets(severity, count, seed)
            frames = pixels.shift(frames, offsets * unit)
        elif kind == "blur":
            frames = pixels.blur(frames, (0.4 + 2.8 * severity) * unit)
        elif kind == "exposure":
            stops = float(rng.choice((-1.0, 1.0))) * (0.2 + 1.5 * severity)
            frames, gains = pixels.scale(frames, np.full(count, 2.0**stops)), gains * 2.0**stops
        elif kind == "flicker":
            factors = 1.0 + (0.04 + 0.42 * severity) * _unrest(rng, (count, 1))[:, 0]
            frames, gains = pixels.scale(frames, factors), gains * factors
        elif kind == "noise":
            frames = pixels.add_noise(frames, 4.0 + 44.0 * severity, unit, rng)
        elif kind == "ghosting":
            trail = 0.2 + 0.65 * severity
            frames = pixels.trail(frames, trail ** (_EIGHTHS / count))
        elif kind == "banding":
            frames = pixels.posterise(frames, round(26 * (4 / 26) ** severity), rng)
        elif kind == "blocking":
            frames = pixels.compress(frames, max(2, round(32 - 30 * severity)), unit)
        elif kind in ("shuffle", "drop", "freeze"):
            order = _reorder(kind, severity, frames, rng)
            frames, sources = frames[order], sources[order]
            offsets, gains = offsets[order], gains[order]
    return Recorded(frames, offsets, gains, sources, trail)


def jitter_offsets(severity: float, count: int, seed: int) -> np.ndarray:
    """Displace every frame anew, float64 `[T, 2]` in units; zero for severity 0."""
    if severity == 0.0:
        return np.zeros((count, 2))
    rng = np.random.default_rng([seed, _ORDER.index("jitter")])
    return _unrest(rng, (count, 2)) * (1.0 + 7.0 * severity)


def encode_lightly(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Compress a clip as any that was ever stored has been; nothing that is seen as a defect.

    Args:
        frames: uint8 `[T, H, W, 3]`; not changed.
        rng: of the quality.
    """
    return pixels.compress(frames, int(rng.integers(80, 97)), 1.0)


def _unrest(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Uniform numbers in [-1, 1], zero mean over frames."""
    values = rng.uniform(-1.0, 1.0, shape)
    return np.clip(values - values.mean(0), -1.0, 1.0)


def _reorder(
    kind: str, severity: float, frames: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Choose which frame is shown when, int64 `[T]`; where the clip moves, if it does."""
    count = len(frames)
    order = np.arange(count)
    if count < 2:
        return order
    activity = _activity(frames)
    eighth = max(1, round(count / _EIGHTHS))
    if kind == "shuffle":
        spread = (0.5 + 2.6 * severity) * count / _EIGHTHS
        order = np.argsort(order + rng.normal(0.0, spread, count), kind="stable")
        if (np.diff(order) > 0).all():
            at = int(rng.choice(count - 1, p=activity))
            order[[at, at + 1]] = order[[at + 1, at]]
    elif kind == "drop":
        chances = activity[: (count - 1) // eighth * eighth].reshape(-1, eighth).sum(1)
        for _ in range(1 + round(3 * severity)):
            if not chances.any():
                break
            slot = int(rng.choice(len(chances), p=chances / chances.sum()))
            start = slot * eighth
            order[start + 1 : start + eighth + 1] = start
            # Two drops in a row would be a freeze.
            chances[max(0, slot - 1) : slot + 2] = 0.0
    else:
        held = min(round((2 + 4 * severity) * count / _EIGHTHS), count - 1)
        windows = np.convolve(activity, np.ones(max(held, 1)), "valid")
        first = int(rng.choice(len(windows), p=windows / windows.sum()))
        order[first : first + held + 1] = first
    return order


def _activity(frames: np.ndarray) -> np.ndarray:
    """Share of the clip's change that happens after each frame but the last, float64 `[T - 1]`."""
    small = frames[:, ::_ACTIVITY_STEP, ::_ACTIVITY_STEP].astype(np.float32)
    change = np.abs(np.diff(small, axis=0)).mean((1, 2, 3)).astype(np.float64)
    change = change**2 + 1e-3
    return np.asarray(change / change.sum())
