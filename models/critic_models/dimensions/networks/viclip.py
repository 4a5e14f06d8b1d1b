"""ViCLIP (Wang et al., InternVid: A Large-scale Video-Text Dataset for Multimodal Understanding and
Generation, ICLR 2024), with the names of the official checkpoint.

CLIP's ViT-L/14 with every patch of eight frames in one sequence, and CLIP's text tower with a
context of 32 tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

PATCH = 14
CONTEXT = 32
VOCABULARY = 49408


class QuickGelu(nn.Module):
    """CLIP's approximation of the GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` to the same shape."""
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """CLIP's pre-norm transformer block."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        layers = [
            ("c_fc", nn.Linear(width, 4 * width)),
            ("gelu", QuickGelu()),
            ("c_proj", nn.Linear(4 * width, width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Map `[B, N, width]` to the same shape; `hidden` is True where a token must not look."""
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=hidden)[0]
        return x + self.mlp(self.ln_2(x))


class Blocks(nn.Module):
    """A stack of blocks."""

    def __init__(self, width: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, num_heads) for _ in range(depth))

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Pass `[B, N, width]` through all of them."""
        for block in self.resblocks:
            x = block(x, hidden)
        return x


class VideoTower(nn.Module):
    """Frames to one feature."""

    def __init__(
        self, width: int, depth: int, num_heads: int, out: int, num_frames: int, grid: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, width, (1, PATCH, PATCH), (1, PATCH, PATCH), bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(grid * grid + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.temporal_positional_embedding = nn.Parameter(torch.zeros(1, num_frames, width))
        self.transformer = Blocks(width, depth, num_heads)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, out))

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames `[B, T, 3, H, W]` to `[B, out]`."""
        patches = self.conv1(frames.transpose(1, 2)).flatten(3)  # [B, width, T, patches]
        tokens = patches.permute(0, 2, 3, 1) + self.positional_embedding[1:]
        tokens = tokens + self.temporal_positional_embedding.unsqueeze(2)
        # Tokens are ordered patch by patch, each through all frames.
        tokens = tokens.transpose(1, 2).flatten(1, 2)
        cls = (self.class_embedding + self.positional_embedding[0]).expand(len(frames), 1, -1)
        x = self.transformer(self.ln_pre(torch.cat([cls, tokens], 1)))
        return self.ln_post(x[:, 0]) @ self.proj


class TextTower(nn.Module):
    """Tokens to one feature."""

    def __init__(self, width: int, depth: int, num_heads: int, out: int, vocabulary: int) -> None:
        super().__init__()
        self.transformer = Blocks(width, depth, num_heads)
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(CONTEXT, width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, out))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, int64 `[B, 32]`, to `[B, out]`, read at the end of the text."""
        x = self.token_embedding(tokens) + self.positional_embedding
        later = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool, device=tokens.device).triu(1)
        x = self.ln_final(self.transformer(x, later))
        # The token that ends a text has the greatest number of the vocabulary.
        ends = tokens.argmax(1)
        return x[torch.arange(len(x), device=x.device), ends] @ self.text_projection


class ViClip(nn.Module):
    """Both towers.

    Args:
        width: of the video tower.
        depth: its blocks.
        num_heads: of each of its blocks.
        text_width: of the text tower.
        text_depth: its blocks.
        text_heads: of each of its blocks.
        out: width of the features.
        vocabulary: tokens there are.
    """

    def __init__(
        self,
        width: int = 1024,
        depth: int = 24,
        num_heads: int = 16,
        text_width: int = 768,
        text_depth: int = 12,
        text_heads: int = 12,
        out: int = 768,
        vocabulary: int = VOCABULARY,
    ) -> None:
        super().__init__()
        self.vision_encoder = VideoTower(width, depth, num_heads, out, num_frames=8, grid=16)
        self.text_encoder = TextTower(text_width, text_depth, text_heads, out, vocabulary)
        self.temp = nn.Parameter(torch.ones(()))

    def forward(self, frames: Tensor) -> Tensor:
        """Map eight frames of clips, `[B, 8, 3, 224, 224]`, to features `[B, out]`."""
        return self.vision_encoder(frames)

    def read_tokens(self, tokens: Sequence[int]) -> Tensor:
        """Map the tokens of a text, padded to the context, to a feature `[out]`."""
        given = torch.tensor([list(tokens)], device=self.temp.device)
        return self.text_encoder(given)[0]
