"""What the transformers of several papers have in common."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def attend_joined(joined: Tensor, num_heads: int) -> Tensor:
    """Attend with queries, keys and values that come from one projection.

    Args:
        joined: `[B, N, 3 * width]`, queries first, then keys, then values.
        num_heads: into which each of them is cut.

    Returns:
        `[B, N, width]`, before the projection behind attention.
    """
    split = joined.unflatten(-1, (3, num_heads, -1))
    query, key, value = split.permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(query, key, value)
    return mixed.transpose(1, 2).flatten(2)


class Mlp(nn.Module):
    """Two layers with the exact GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., width]` to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block with an MLP of four times its width.

    Args:
        width: of the tokens.
        attention: maps `[B, N, width]` to the same shape.
    """

    def __init__(self, width: int, attention: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = attention
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, N, width]` to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))
