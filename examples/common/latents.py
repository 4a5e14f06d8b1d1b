"""Frames to a few numbers and back: the linear autoencoder in which the generator works."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_POWER = 0.5
_OVERSAMPLED = 16


@dataclass(frozen=True, eq=False)
class Latents:
    """Principal components of frames.

    Attributes:
        mean: `[P]`, of pixels in [-1, 1].
        basis: `[P, K]`, orthonormal columns.
        scale: `[K]`, by which coordinates are divided: a power of their deviation, so that what is
            faint weighs more than in the pixels and less than if all were made equal.
        shape: of a frame.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor
    shape: tuple[int, ...]

    @classmethod
    def fit(cls, frames: np.ndarray, num_components: int, seed: int = 0) -> Latents:
        """Find the components of uint8 `[N, T, H, W, 3]`."""
        pixels = _pixels(frames).flatten(0, 1)
        mean = pixels.mean(0)
        # A sketch of the range by random projection, then exact components inside it (Halko,
        # Martinsson and Tropp, 2011); whole images would need a decomposition of 3072 x 3072.
        generator = torch.Generator().manual_seed(seed)
        width = min(num_components + _OVERSAMPLED, *pixels.shape)
        centred = pixels - mean
        sketch = torch.randn(pixels.shape[1], width, generator=generator)
        for _ in range(2):
            sketch = torch.linalg.qr(centred.T @ (centred @ sketch)).Q
        _, deviations, rows = torch.linalg.svd(centred @ sketch, full_matrices=False)
        basis = (sketch @ rows.T)[:, :num_components]
        deviations = deviations[:num_components] / len(pixels) ** 0.5
        scale = (deviations / deviations.mean()).pow(_POWER) * deviations.mean()
        return cls(mean, basis, scale, frames.shape[2:])

    def encode(self, frames: np.ndarray) -> Tensor:
        """Map uint8 `[N, T, H, W, 3]` to float `[N, T, K]`."""
        return (_pixels(frames) - self.mean) @ self.basis / self.scale

    def decode(self, latents: Tensor) -> np.ndarray:
        """Map float `[N, T, K]` to uint8 `[N, T, H, W, 3]`."""
        pixels = (latents * self.scale) @ self.basis.T + self.mean
        levels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return levels.view(*latents.shape[:2], *self.shape).numpy()


def _pixels(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).float().flatten(2) / 127.5 - 1
