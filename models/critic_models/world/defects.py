"""What can be wrong with a rendered clip, in graded severities.

Sizes are relative to the frame's shorter side, so that a defect looks the same after a critic has
resized the clip. Severity 0 changes nothing; 0.1 is meant to be just visible; 1 is gross.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from critic_models.world.scene import UNITS

Defect = Literal["blur", "noise", "blocking", "flicker", "jitter", "freeze"]
DEFECTS: tuple[Defect, ...] = get_args(Defect)
IMAGING: tuple[Defect, ...] = ("blur", "noise", "blocking")
TEMPORAL: tuple[Defect, ...] = ("flicker", "jitter", "freeze")

_ORDER: tuple[Defect, ...] = ("jitter", "blur", "flicker", "noise", "blocking", "freeze")
"""Camera, lens, exposure, sensor, compression, delivery."""

_FREEZE_REFERENCE_FRAMES = 8


@dataclass(frozen=True, eq=False)
class Degraded:
    """A clip after some defects, and what they did to each frame.

    Attributes:
        frames: uint8 `[T, H, W, 3]`.
        offsets: float64 `[T, 2]`, displacement `(x, y)` in units.
        gains: float64 `[T]`, factor of brightness.
        sources: int64 `[T]`, which frame is shown.
    """

    frames: np.ndarray
    offsets: np.ndarray
    gains: np.ndarray
    sources: np.ndarray


def apply(
    kind: Defect, severity: float, frames: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Apply one defect.

    Args:
        kind: which.
        severity: in [0, 1].
        frames: uint8 `[T, H, W, 3]`; not changed.
        rng: of everything random in the defect.

    Returns:
        uint8, same shape.

    Raises:
        ValueError: for an unknown kind or a severity outside [0, 1].
    """
    return degrade({kind: severity}, frames, rng).frames


def degrade(
    severities: Mapping[Defect, float], frames: np.ndarray, rng: np.random.Generator
) -> Degraded:
    """Apply several defects in the order in which they happen to a real clip."""
    for kind, severity in severities.items():
        if kind not in DEFECTS:
            raise ValueError(f"no defect {kind!r}; there are: {', '.join(DEFECTS)}")
        if not 0.0 <= severity <= 1.0:
            raise ValueError(f"severity of {kind} must be in [0, 1]; found {severity}")
    count = len(frames)
    unit = min(frames.shape[1:3]) / UNITS
    offsets, gains, sources = np.zeros((count, 2)), np.ones(count), np.arange(count)
    for kind in _ORDER:
        severity = float(severities.get(kind, 0.0))
        if severity == 0.0:
            continue
        if kind == "jitter":
            offsets = _unrest(rng, (count, 2)) * (1.2 + 6.8 * severity)
            frames = _shift(frames, offsets * unit)
        elif kind == "blur":
            frames = _blur(frames, (0.5 + 3.0 * severity) * unit)
        elif kind == "flicker":
            gains = 1.0 + _unrest(rng, (count, 1))[:, 0] * (0.05 + 0.45 * severity)
            frames = _scale(frames, gains)
        elif kind == "noise":
            frames = _add_noise(frames, 4.0 + 46.0 * severity, unit, rng)
        elif kind == "blocking":
            frames = _compress(frames, quality=max(2, round(32 - 30 * severity)), unit=unit)
        else:
            sources = _freeze(count, severity, rng)
            frames = frames[sources]
            offsets, gains = offsets[sources], gains[sources]
    return Degraded(frames, offsets, gains, sources)


def sample_severities(rng: np.random.Generator, rate: float) -> dict[Defect, float]:
    """Draw each defect with probability `rate`, its severity uniform in [0.1, 1]; else 0."""
    return {k: float(rng.uniform(0.1, 1.0)) if rng.random() < rate else 0.0 for k in DEFECTS}


def encode_lightly(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Compress a clip as any clip that was ever stored has been; nothing that is seen as a defect.

    Args:
        frames: uint8 `[T, H, W, 3]`; not changed.
        rng: of the quality.
    """
    return _compress(frames, quality=int(rng.integers(80, 97)), unit=1.0)


def _unrest(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Uniform numbers in [-1, 1], zero mean over frames."""
    values = rng.uniform(-1.0, 1.0, shape)
    return np.clip(values - values.mean(0), -1.0, 1.0)


def _shift(frames: np.ndarray, offsets_px: np.ndarray) -> np.ndarray:
    height, width = frames.shape[1:3]
    out = np.empty_like(frames)
    for target, frame, (x, y) in zip(out, frames, offsets_px, strict=True):
        matrix = np.asarray([[1, 0, x], [0, 1, y]], np.float32)
        cv2.warpAffine(frame, matrix, (width, height), dst=target, borderMode=cv2.BORDER_REFLECT)
    return out


def _blur(frames: np.ndarray, sigma_px: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma_px) for frame in frames])


def _scale(frames: np.ndarray, gains: np.ndarray) -> np.ndarray:
    return np.stack([cv2.convertScaleAbs(f, alpha=g) for f, g in zip(frames, gains, strict=True)])


def _add_noise(
    frames: np.ndarray, deviation: float, unit: float, rng: np.random.Generator
) -> np.ndarray:
    """Add Gaussian grain of about one unit, independent in every frame."""
    height, width = frames.shape[1:3]
    grid = (max(1, round(height / unit)), max(1, round(width / unit)))
    out = np.empty_like(frames)
    for target, frame in zip(out, frames, strict=True):
        grain = rng.standard_normal((*grid, 3), dtype=np.float32) * np.float32(deviation)
        if grid != (height, width):
            grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.add(frame, grain, dst=target, dtype=cv2.CV_8U)
    return out


def _compress(frames: np.ndarray, quality: int, unit: float) -> np.ndarray:
    """Add the error of JPEG at 128 lines, so that a block is always 8 units wide."""
    height, width = frames.shape[1:3]
    grid = (max(8, round(width / unit)), max(8, round(height / unit)))
    out = np.empty_like(frames)
    for target, frame in zip(out, frames, strict=True):
        native = grid == (width, height)
        small = frame if native else cv2.resize(frame, grid, interpolation=cv2.INTER_AREA)
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))
        if native:
            target[:] = decoded
            continue
        error = decoded.astype(np.float32) - small
        error = cv2.resize(error, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.add(frame, error, dst=target, dtype=cv2.CV_8U)
    return out


def _freeze(count: int, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Hold one frame for 2 to 6 eighths of the clip's frames."""
    eighths = 2 + round(4 * severity)
    held = max(1, round(eighths * count / _FREEZE_REFERENCE_FRAMES))
    held = min(held, count - 1)
    first = int(rng.integers(0, count - held))
    sources = np.arange(count)
    sources[first : first + held + 1] = first
    return sources
