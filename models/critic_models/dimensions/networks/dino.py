"""The vision transformer of DINO (Caron et al., Emerging Properties in Self-Supervised Vision
Transformers, ICCV 2021), with the names of the official ViT-B/16 checkpoint.

Pictures need not be square. The grid of positional embeddings is then resampled as the official
code does: by a factor of `(n + 0.1) / 14` for each side, not to a size, which moves every sampling
point a little. Networks that resample to a size (transformers, timm) give other features.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from critic_models.dimensions.networks.transformer import Block, attend_joined

PATCH = 16


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each row of `x`, `[B, N, width]`."""
        return self.proj(attend_joined(self.qkv(x), self.num_heads))


class PatchEmbedding(nn.Module):
    """A linear map of each square patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures `[B, 3, H, W]` to a grid `[B, width, H // 16, W // 16]`."""
        return self.proj(x)


class DinoViT(nn.Module):
    """DINO's backbone: pictures to the normalised class token.

    Args:
        width: of the tokens; 768 for ViT-B.
        depth: blocks.
        num_heads: of each block.
        grid: side of the trained grid of positions.
    """

    def __init__(
        self, width: int = 768, depth: int = 12, num_heads: int = 12, grid: int = 14
    ) -> None:
        super().__init__()
        self.grid = grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, grid * grid + 1, width))
        self.patch_embed = PatchEmbedding(width)
        self.blocks = nn.ModuleList(Block(width, Attention(width, num_heads)) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features of pictures.

        Args:
            pictures: float `[B, 3, H, W]`, normalised by ImageNet's mean and deviation.

        Returns:
            `[B, width]`, not normalised to a length.
        """
        patches = self.patch_embed(pictures)
        positions = self._positions(patches.shape[-2], patches.shape[-1])
        tokens = patches.flatten(2).transpose(1, 2) + positions
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        x = torch.cat([cls, tokens], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, 0])

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Return the embeddings of a grid, `[1, rows * columns, width]`."""
        trained = self.pos_embed[:, 1:]
        if rows == columns == self.grid:
            return trained
        side = math.sqrt(trained.shape[1])
        square = trained.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        factors = ((rows + 0.1) / side, (columns + 0.1) / side)
        resampled = F.interpolate(square, scale_factor=factors, mode="bicubic")
        return resampled.flatten(2).transpose(1, 2)
