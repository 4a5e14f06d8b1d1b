"""What RAFT and AMT share: correlation of two feature maps, and looking into it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def pixel_grid(like: Tensor) -> Tensor:
    """Return where each pixel of `[B, C, H, W]` is, float `[B, 2, H, W]`: x, then y."""
    batch, _, height, width = like.shape
    device = like.device
    rows, columns = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([columns, rows]).expand(batch, -1, -1, -1)


def sample_pixels(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps between pixels, 0 outside.

    Args:
        maps: `[B, C, H, W]`.
        points: `[B, h, w, 2]`, x and y in pixels.

    Returns:
        `[B, C, h, w]`.
    """
    height, width = maps.shape[-2:]
    size = points.new_tensor([width - 1, height - 1])
    return F.grid_sample(maps, 2 * points / size - 1, align_corners=True)


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return the product of every pixel's features with every other's.

    Args:
        first: `[B, C, H, W]`.
        second: `[B, C, H, W]`.

    Returns:
        `[B, H * W, H, W]`: for each pixel of `first`, a map over `second`.
    """
    products = first.flatten(2).transpose(1, 2) @ second.flatten(2)
    return products.unflatten(2, second.shape[-2:]) / math.sqrt(first.shape[1])


class CorrelationPyramid:
    """A correlation at several resolutions, and the neighbourhood of any point in it.

    Args:
        volume: `[B, H * W, H, W]` of `correlation`.
        num_levels: resolutions, each half the one before.
        radius: of the neighbourhood, in pixels of its level.
    """

    def __init__(self, volume: Tensor, num_levels: int, radius: int) -> None:
        self.levels = [volume.flatten(0, 1).unsqueeze(1)]
        for _ in range(num_levels - 1):
            self.levels.append(F.avg_pool2d(self.levels[-1], 2, stride=2))
        steps = torch.linspace(-radius, radius, 2 * radius + 1, device=volume.device)
        # The first axis of the neighbourhood moves x: the order in which the weights were trained.
        self._around = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)

    def around(self, points: Tensor) -> Tensor:
        """Look up the neighbourhoods of points.

        Args:
            points: `[B, 2, H, W]`, x and y in pixels of the finest level.

        Returns:
            `[B, num_levels * (2 * radius + 1)**2, H, W]`.
        """
        batch, _, height, width = points.shape
        centres = points.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        found = [
            sample_pixels(level, centres / 2**i + self._around).view(batch, height, width, -1)
            for i, level in enumerate(self.levels)
        ]
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()
