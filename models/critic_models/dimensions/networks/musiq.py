"""MUSIQ (Ke et al., Multi-scale Image Quality Transformer, ICCV 2021), with the names of the
published PyTorch checkpoints of its SPAQ, KonIQ and PaQ-2-PiQ versions.

A picture is seen at three scales: the longer side brought to 224 and to 384 pixels, and as it is.
Each scale is cut into patches of 32 pixels, and each patch passes a small ResNet by itself before a
transformer reads them all. A patch's position is its place on a grid of 10 x 10, whatever the
picture's shape; all pictures of a batch have one size, so every token counts and nothing is masked
but the padding of the two fixed scales, which has no influence on the score.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from critic_models.dimensions.networks.transformer import Mlp

PATCH = 32
GRID = 10
LONGER_SIDES = (224, 384)
_STEM = 64
_GROUPS = 32


class StandardisedConv(nn.Conv2d):
    """A convolution whose filters have no mean and unit deviation; padded as TensorFlow pads."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `[B, C, H, W]`."""
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(
            same_padding(x, self.kernel_size[0], self.stride[0]), weight, None, self.stride
        )


def same_padding(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad with zeros so that windows of `kernel` at every `stride` are `ceil(size / stride)`."""
    height, width = x.shape[-2:]
    rows = max((math.ceil(height / stride) - 1) * stride + kernel - height, 0)
    columns = max((math.ceil(width / stride) - 1) * stride + kernel - width, 0)
    sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return F.pad(x, sides)


class Bottleneck(nn.Module):
    """The one residual block of the patch encoder: 64 channels to 256."""

    def __init__(self) -> None:
        super().__init__()
        wide = 4 * _STEM
        self.conv1 = StandardisedConv(_STEM, _STEM, 1, bias=False)
        self.gn1 = nn.GroupNorm(_GROUPS, _STEM, eps=1e-4)
        self.conv2 = StandardisedConv(_STEM, _STEM, 3, bias=False)
        self.gn2 = nn.GroupNorm(_GROUPS, _STEM, eps=1e-4)
        self.conv3 = StandardisedConv(_STEM, wide, 1, bias=False)
        self.gn3 = nn.GroupNorm(_GROUPS, wide, eps=1e-4)
        self.conv_proj = StandardisedConv(_STEM, wide, 1, bias=False)
        self.gn_proj = nn.GroupNorm(_GROUPS, wide, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, 64, h, w]` to `[B, 256, h, w]`."""
        shortcut = self.gn_proj(self.conv_proj(x))
        x = F.relu(self.gn1(self.conv1(x)))
        x = F.relu(self.gn2(self.conv2(x)))
        return F.relu(self.gn3(self.conv3(x)) + shortcut)


class Attention(nn.Module):
    """Multi-head self-attention in which padding attends to nothing and is not attended to."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each row of `x`, `[B, N, width]`."""
        query, key, value = (
            layer(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, hidden: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, num_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, N, width]` to the same shape."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PositionEmbedding(nn.Module):
    """One learned vector for each cell of the grid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.position_emb = nn.Parameter(torch.zeros(1, GRID * GRID, width))


class ScaleEmbedding(nn.Module):
    """One learned vector for each scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_emb = nn.Parameter(torch.zeros(len(LONGER_SIDES) + 1, width))


class Encoder(nn.Module):
    """The transformer over the patches of all scales."""

    def __init__(self, width: int, hidden: int, num_heads: int, depth: int) -> None:
        super().__init__()
        self.posembed_input = PositionEmbedding(width)
        self.scaleembed_input = ScaleEmbedding(width)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.transformer = nn.ModuleDict(
            {f"encoderblock_{i}": Block(width, hidden, num_heads) for i in range(depth)}
        )

    def forward(self, tokens: Tensor, cells: Tensor, scales: Tensor) -> Tensor:
        """Return the normalised class token.

        Args:
            tokens: `[B, N, width]`.
            cells: int64 `[N]`, each token's cell of the grid.
            scales: int64 `[N]`, each token's scale.

        Returns:
            `[B, width]`.
        """
        tokens = tokens + self.posembed_input.position_emb[0, cells]
        tokens = tokens + self.scaleembed_input.scale_emb[scales]
        x = torch.cat([self.cls.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.transformer.values():
            x = block(x)
        return self.encoder_norm(x[:, 0])


class Musiq(nn.Module):
    """Quality of pictures, on the scale of the data that it was trained on (SPAQ: 0 to 100).

    Args:
        width: of the tokens.
        hidden: of the blocks' inner layer.
        num_heads: of each block.
        depth: blocks.
    """

    def __init__(
        self, width: int = 384, hidden: int = 1152, num_heads: int = 6, depth: int = 14
    ) -> None:
        super().__init__()
        self.conv_root = StandardisedConv(3, _STEM, 7, 2, bias=False)
        self.gn_root = nn.GroupNorm(_GROUPS, _STEM, eps=1e-6)
        self.block1 = Bottleneck()
        self.embedding = nn.Linear(4 * _STEM * (PATCH // 4) ** 2, width)
        self.transformer_encoder = Encoder(width, hidden, num_heads, depth)
        self.head = nn.Linear(width, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the quality of each picture.

        Args:
            pictures: float `[B, 3, H, W]` in [0, 1], of one size.

        Returns:
            `[B]`.
        """
        patches, cells, scales = multiscale_patches(pictures * 2 - 1)
        # One picture at a time: the stem keeps 64 planes of every patch at once.
        tokens = torch.stack([self._encode(each) for each in patches])
        return self.head(self.transformer_encoder(tokens, cells, scales))[:, 0]

    def _encode(self, patches: Tensor) -> Tensor:
        """Map the patches of one picture, `[N, 3, 32, 32]`, to tokens `[N, width]`."""
        x = F.relu(self.gn_root(self.conv_root(patches)))
        x = F.max_pool2d(same_padding(x, 3, 2), 3, 2)
        x = self.block1(x)
        # The order of TensorFlow, in which the embedding was trained: rows, columns, channels.
        return self.embedding(x.permute(0, 2, 3, 1).flatten(1))


def multiscale_patches(pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cut pictures into patches at every scale.

    Args:
        pictures: float `[B, 3, H, W]` in [-1, 1].

    Returns:
        Patches `[B, N, 3, 32, 32]`, their cells of the grid and their scales, int64 `[N]`.
    """
    height, width = pictures.shape[-2:]
    patches, cells, scales = [], [], []
    for scale, longer in enumerate((*LONGER_SIDES, None)):
        seen = pictures
        if longer is not None:
            ratio = longer / max(height, width)
            size = (round(height * ratio), round(width * ratio))
            seen = F.interpolate(pictures, size, mode="bicubic", align_corners=False)
        patches.append(_cut(seen))
        rows, columns = (math.ceil(side / PATCH) for side in seen.shape[-2:])
        cells.append(grid_cells(rows, columns).to(pictures.device))
        scales.append(torch.full_like(cells[-1], scale))
    return torch.cat(patches, dim=1), torch.cat(cells), torch.cat(scales)


def _cut(pictures: Tensor) -> Tensor:
    padded = same_padding(pictures, PATCH, PATCH)
    return F.unfold(padded, PATCH, stride=PATCH).transpose(1, 2).unflatten(2, (3, PATCH, PATCH))


def grid_cells(rows: int, columns: int) -> Tensor:
    """Return the cell of the 10 x 10 grid that each patch falls into, int64 `[rows * columns]`."""
    grid = torch.arange(GRID, dtype=torch.float32).view(1, 1, GRID)
    row = F.interpolate(grid, rows, mode="nearest").long().view(rows, 1)
    column = F.interpolate(grid, columns, mode="nearest").long().view(1, columns)
    return (row * GRID + column).flatten()
