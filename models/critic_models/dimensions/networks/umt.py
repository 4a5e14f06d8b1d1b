"""The video transformer of UMT (Li et al., Unmasked Teacher: Towards Training-Efficient Video
Foundation Models, ICCV 2023), fine-tuned to classify, with the names of the official checkpoint.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from critic_models.dimensions.networks.transformer import Block, attend_joined

PATCH = 16
GRID = 14
NUM_FRAMES = 16
_TRAINED_FRAMES = 8


class Attention(nn.Module):
    """Multi-head self-attention; keys have no bias."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each row of `x`, `[B, N, width]`."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        return self.proj(attend_joined(F.linear(x, self.qkv.weight, bias), self.num_heads))


class TubeEmbedding(nn.Module):
    """A linear map of each patch of each frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, (1, PATCH, PATCH), (1, PATCH, PATCH))


class Umt(nn.Module):
    """Clips of 16 frames to logits of actions.

    Args:
        width: of the tokens.
        depth: blocks.
        num_heads: of each block.
        num_classes: actions.
    """

    def __init__(
        self, width: int = 1024, depth: int = 24, num_heads: int = 16, num_classes: int = 400
    ) -> None:
        super().__init__()
        # Trained as it is, or left as it is computed: some checkpoints do not hold it.
        self.pos_embed = nn.Parameter(position_table(width))
        self.patch_embed = TubeEmbedding(width)
        self.blocks = nn.ModuleList(Block(width, Attention(width, num_heads)) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames `[B, 16, 3, 224, 224]` to logits `[B, num_classes]`."""
        patches = self.patch_embed.proj(frames.transpose(1, 2))
        x = patches.flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.fc_norm(x.mean(1)))


def position_table(width: int) -> Tensor:
    """Return sines and cosines of positions, `[1, 16 * 14 * 14, width]`.

    They count the patches of 8 frames through, as in the pre-training, and are stretched to 16.
    """
    places = np.arange(_TRAINED_FRAMES * GRID * GRID)[:, None]
    rates = np.power(10000, 2 * (np.arange(width) // 2) / width)
    angles = places / rates
    angles[:, 0::2], angles[:, 1::2] = np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])
    table = torch.from_numpy(angles).float().view(_TRAINED_FRAMES, GRID * GRID, width)
    stretched = F.interpolate(table.permute(1, 2, 0), NUM_FRAMES, mode="linear")
    return stretched.permute(2, 0, 1).reshape(1, -1, width)
