"""Antialiased bicubic resampling of one axis: the weights of every output index.

The cubic is that of Keys (1981) with a = -0.5. When an axis shrinks, the filter widens by the same
factor, which removes what the smaller grid cannot hold (Heckbert, 1989). Fixed-point weights follow
the arithmetic of torch's resize of uint8 images on a CPU to the last bit: weights in double
precision, summed one after another, scaled by the greatest power of two that keeps the largest
below 2^15, rounded half away from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

Resample = Literal["uint8", "float"]

TAP_GROUP = 4
_A = -0.5
_REACH = 2.0
_MAX_SHIFT = 22
_MAX_WEIGHT = 1 << 15


@dataclass(frozen=True, eq=False)
class Axis:
    """How one axis is resampled: `out[i] = sum over k of weights[k, i] * in[first[i] + k]`.

    Attributes:
        num_in: length of the input axis; `first[i] + taps` never passes it.
        taps: weights of an output index, the greatest number that any of them needs.
        first: int32 `[num_out]`.
        weights: `[K, num_out]`, `K` being `taps` rounded up to whole groups of 4 with zeros.
            int32 fixed point for uint8, float32 for float.
        shift: fixed-point weights are scaled by `2 ** shift`; 0 for float.
    """

    num_in: int
    taps: int
    first: np.ndarray
    weights: np.ndarray
    shift: int

    @property
    def num_out(self) -> int:
        return len(self.first)

    def matrix(self) -> np.ndarray:
        """The same as a dense float64 `[num_in, num_out]`."""
        dense = np.zeros((self.num_in, self.num_out))
        columns = np.arange(self.num_out)
        for tap in range(self.taps):
            dense[self.first + tap, columns] = self.weights[tap]
        return dense


@lru_cache(maxsize=256)
def axis(num_in: int, num_out: int, resample: Resample) -> Axis:
    """Build the weights that take `num_in` samples to `num_out`; equal lengths copy.

    The cache is bounded; clips of a service come in few sizes.
    """
    if num_in == num_out:
        first, weights = np.arange(num_out), np.ones((1, num_out))
        return _packed(num_in, first, weights, 0, resample)
    first, weights = _cubic(num_in, num_out)
    return _packed(num_in, first, weights, _shift(weights) if resample == "uint8" else 0, resample)


def _cubic(num_in: int, num_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first input index and the float64 weights `[taps, num_out]`."""
    scale = num_in / num_out
    stretch = max(scale, 1.0)
    reach = _REACH * stretch
    centre = scale * (np.arange(num_out) + 0.5)
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + reach + 0.5).astype(np.int64), num_in) - first
    taps = int(count.max())
    # At the far edge a window starts earlier and its first weights are zero, so that no output
    # index reads past the end.
    moved = np.minimum(first, num_in - taps)
    tap = np.arange(taps)[:, None]
    used = (tap >= first - moved) & (tap < first - moved + count)
    distance = np.abs((tap + moved - centre + 0.5) * (1.0 / stretch))
    near = ((_A + 2) * distance - (_A + 3)) * distance * distance + 1
    far = ((distance - 5) * distance + 8) * distance * _A - 4 * _A
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    weights[~used] = 0.0
    # `accumulate` adds in order; `sum` may add in pairs, which can move the last bit.
    return moved, weights / np.add.accumulate(weights, axis=0)[-1]


def _shift(weights: np.ndarray) -> int:
    """Return the precision at which the largest weight still fits 15 bits, at most 22."""
    largest = float(weights.max())
    for shift in range(_MAX_SHIFT):
        if int(0.5 + largest * (1 << (shift + 1))) >= _MAX_WEIGHT:
            return shift
    return _MAX_SHIFT


def _packed(
    num_in: int, first: np.ndarray, weights: np.ndarray, shift: int, resample: Resample
) -> Axis:
    taps = len(weights)
    padded = np.zeros((-(-taps // TAP_GROUP) * TAP_GROUP, len(first)))
    padded[:taps] = weights
    if resample == "float":
        values = padded.astype(np.float32)
    else:
        scaled = padded * (1 << shift)
        values = np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int32)
    return Axis(num_in, taps, first.astype(np.int32), values, shift)
