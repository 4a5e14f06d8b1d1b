"""AMT-S (Li et al., All-Pairs Multi-Field Transforms for Efficient Frame Interpolation, CVPR 2023),
with the names of the official checkpoint.

The frame between two others is predicted coarse to fine: features of both are warped to the middle
by the flows found so far, and the flows are corrected by looking into the correlation of all pixels
of one frame with all of the other. The published weights are CC BY-NC 4.0; the code here is not
bound by that, the use of the weights is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from critic_models.dimensions.networks.raft_parts import (
    CorrelationPyramid,
    correlation,
    pixel_grid,
)

MULTIPLE = 16
LEVELS = 4
RADIUS = 3
CHANNELS = (20, 32, 44, 56)
SIDE_CHANNELS = 20
NUM_FLOWS = 3
HALFWAY = 0.5


def scaled(x: Tensor, factor: float) -> Tensor:
    """Resample `[B, C, H, W]` by a factor, bilinearly."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Read `x`, `[B, C, H, W]`, where `flow`, `[B, 2, H, W]` in pixels, points; edges repeat."""
    height, width = x.shape[-2:]
    rows = torch.linspace(-1.0, 1.0, height, device=x.device).view(1, height, 1)
    columns = torch.linspace(-1.0, 1.0, width, device=x.device).view(1, 1, width)
    to_x = columns + flow[:, 0] / ((width - 1.0) / 2.0)
    to_y = rows + flow[:, 1] / ((height - 1.0) / 2.0)
    grid = torch.stack([to_x, to_y], dim=-1)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=True)


def _conv_prelu(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, padding=1), nn.PReLU(out))


class NarrowBlock(nn.Module):
    """A residual block whose 3 x 3 convolution has a quarter of the channels."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        narrow = out // 4
        self.conv1 = nn.Conv2d(channels, narrow, 1)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, padding=1)
        self.conv3 = nn.Conv2d(narrow, out, 1)
        self.norm1 = nn.InstanceNorm2d(narrow)
        self.norm2 = nn.InstanceNorm2d(narrow)
        self.norm3 = nn.InstanceNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride != 1:
            conv = nn.Conv2d(channels, out, 1, stride)
            self.downsample = nn.Sequential(conv, nn.InstanceNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, channels, H, W]` to `[B, out, H / stride, W / stride]`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        return F.relu(shortcut + F.relu(self.norm3(self.conv3(x))))


class CorrelationEncoder(nn.Module):
    """Pictures to the features that are correlated, at an eighth of the resolution."""

    def __init__(self, out: int = 84) -> None:
        super().__init__()
        self.norm1 = nn.InstanceNorm2d(32)
        self.conv1 = nn.Conv2d(3, 32, 7, 2, padding=3)
        self.layer1 = nn.Sequential(NarrowBlock(32, 32, 1), NarrowBlock(32, 32, 1))
        self.layer2 = nn.Sequential(NarrowBlock(32, 64, 2), NarrowBlock(64, 64, 1))
        self.layer3 = nn.Sequential(NarrowBlock(64, 96, 2), NarrowBlock(96, 96, 1))
        self.conv2 = nn.Conv2d(96, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, 3, H, W]` to `[B, out, H / 8, W / 8]`."""
        x = F.relu(self.norm1(self.conv1(x)))
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))


class ContextEncoder(nn.Module):
    """Pictures to features at a half, a quarter, an eighth and a sixteenth."""

    def __init__(self) -> None:
        super().__init__()
        before = 3
        for level, channels in enumerate(CHANNELS, 1):
            steps = nn.Sequential(_conv_prelu(before, channels, 2), _conv_prelu(channels, channels))
            self.add_module(f"pyramid{level}", steps)
            before = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the four levels, finest first."""
        levels = []
        for level in range(1, len(CHANNELS) + 1):
            x = self.get_submodule(f"pyramid{level}")(x)
            levels.append(x)
        return levels


class SideBlock(nn.Module):
    """A residual block in which the last channels pass two more convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv_prelu(channels, channels)
        self.conv2 = _conv_prelu(SIDE_CHANNELS, SIDE_CHANNELS)
        self.conv3 = _conv_prelu(channels, channels)
        self.conv4 = _conv_prelu(SIDE_CHANNELS, SIDE_CHANNELS)
        self.conv5 = nn.Conv2d(channels, channels, 3, padding=1)
        self.prelu = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, channels, H, W]` to the same shape."""
        y = self.conv3(self._side(self.conv1(x), self.conv2))
        return self.prelu(x + self.conv5(self._side(y, self.conv4)))

    @staticmethod
    def _side(x: Tensor, layer: nn.Module) -> Tensor:
        main, side = x[:, :-SIDE_CHANNELS], x[:, -SIDE_CHANNELS:]
        return torch.cat([main, layer(side)], 1)


class Decoder(nn.Module):
    """One level: features to `out` channels at twice the resolution."""

    def __init__(self, channels: int, inputs: int, out: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            _conv_prelu(inputs, channels),
            SideBlock(channels),
            nn.ConvTranspose2d(channels, out, 4, 2, padding=1),
        )

    def forward(self, *features: Tensor) -> Tensor:
        """Decode what is given, side by side."""
        return self.convblock(torch.cat(features, 1))


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


def _head(out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(76, 76, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(76, out, 3, padding=1)
    )


class UpdateBlock(nn.Module):
    """Correct features and flows by what the correlation says, at an eighth of the resolution.

    Args:
        channels: of the features.
        factor: how much finer they are than the correlation.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.convc1 = nn.Conv2d(2 * LEVELS * (2 * RADIUS + 1) ** 2, 64, 1)
        self.convf1 = nn.Conv2d(4, 40, 7, padding=3)
        self.convf2 = nn.Conv2d(40, 20, 3, padding=1)
        self.conv = nn.Conv2d(64 + 20, 68, 3, padding=1)
        self.gru = nn.Sequential(
            nn.Conv2d(68 + 4 + channels, 76, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(76, 76, 3, padding=1),
        )
        self.feat_head = _head(channels)
        self.flow_head = _head(4)

    def forward(self, features: Tensor, flow: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to add to the features and to both flows."""
        if self.factor != 1:
            features = scaled(features, 1 / self.factor)
        motion = _leaky(self.convf2(_leaky(self.convf1(flow))))
        seen = _leaky(self.conv(torch.cat([_leaky(self.convc1(found)), motion], 1)))
        state = self.gru(torch.cat([seen, flow, features], 1))
        more_features, more_flow = self.feat_head(state), self.flow_head(state)
        if self.factor != 1:
            more_features = scaled(more_features, self.factor)
            more_flow = self.factor * scaled(more_flow, self.factor)
        return more_features, more_flow


class AmtS(nn.Module):
    """The frame halfway between two others."""

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4 = CHANNELS
        self.feat_encoder = CorrelationEncoder()
        self.encoder = ContextEncoder()
        self.decoder4 = Decoder(2 * c4, 2 * c4 + 1, c3 + 4)
        self.decoder3 = Decoder(3 * c3, 3 * c3 + 4, c2 + 4)
        self.decoder2 = Decoder(3 * c2, 3 * c2 + 4, c1 + 4)
        self.decoder1 = Decoder(3 * c1, 3 * c1 + 4, 8 * NUM_FLOWS)
        self.update4 = UpdateBlock(c3, 1)
        self.update3 = UpdateBlock(c2, 2)
        self.update2 = UpdateBlock(c1, 4)
        self.comb_block = nn.Sequential(
            nn.Conv2d(3 * NUM_FLOWS, 6 * NUM_FLOWS, 3, padding=1),
            nn.PReLU(6 * NUM_FLOWS),
            nn.Conv2d(6 * NUM_FLOWS, 3, 3, padding=1),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Predict the frame between.

        Args:
            first: float `[B, 3, H, W]` in [0, 1], sides divisible by 16.
            second: the same.

        Returns:
            `[B, 3, H, W]` in [0, 1].
        """
        mean = torch.cat([first, second], 2).mean((1, 2, 3), keepdim=True)
        first, second = first - mean, second - mean
        both = self.feat_encoder(torch.cat([first, second])).chunk(2)
        look = _Look(*both)
        levels = self.encoder(torch.cat([first, second]))
        (f1, s1), (f2, s2), (f3, s3), (f4, s4) = (level.chunk(2) for level in levels)

        half = torch.full_like(f4[:, :1], HALFWAY)
        flow, features = _split(self.decoder4(f4, s4, half))
        flow, features = look.correct(self.update4, features, flow)
        flow, features = self._finer(self.decoder3, features, f3, s3, flow)
        flow, features = look.correct(self.update3, features, flow)
        flow, features = self._finer(self.decoder2, features, f2, s2, flow)
        flow, features = look.correct(self.update2, features, flow)

        out = self._decode(self.decoder1, features, f1, s1, flow)
        sizes = [2 * NUM_FLOWS, 2 * NUM_FLOWS, NUM_FLOWS, 3 * NUM_FLOWS]
        more_first, more_second, mask, residue = out.split(sizes, 1)
        coarse_first, coarse_second = (2.0 * scaled(each, 2.0) for each in flow.chunk(2, 1))
        flow_first = more_first + coarse_first.repeat(1, NUM_FLOWS, 1, 1)
        flow_second = more_second + coarse_second.repeat(1, NUM_FLOWS, 1, 1)

        def fields(x: Tensor) -> Tensor:
            return x.unflatten(1, (NUM_FLOWS, -1)).flatten(0, 1)

        def repeated(x: Tensor) -> Tensor:
            return x.repeat_interleave(NUM_FLOWS, 0)

        share = fields(torch.sigmoid(mask))
        merged = share * warp(repeated(first), fields(flow_first))
        merged = merged + (1 - share) * warp(repeated(second), fields(flow_second))
        merged = (merged + repeated(mean) + fields(residue)).unflatten(0, (-1, NUM_FLOWS))
        return (merged.mean(1) + self.comb_block(merged.flatten(1, 2))).clamp(0, 1)

    def _finer(
        self, decoder: nn.Module, features: Tensor, first: Tensor, second: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        change, features = _split(self._decode(decoder, features, first, second, flow))
        return change + 2.0 * scaled(flow, 2.0), features

    @staticmethod
    def _decode(
        decoder: nn.Module, features: Tensor, first: Tensor, second: Tensor, flow: Tensor
    ) -> Tensor:
        to_first, to_second = flow.chunk(2, 1)
        return decoder(features, warp(first, to_first), warp(second, to_second), flow)


def _split(out: Tensor) -> tuple[Tensor, Tensor]:
    """Split a decoder's output into flows from the middle to both frames, and features."""
    return out[:, :4], out[:, 4:]


class _Look:
    """The correlation of both frames, in both directions."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        volume = correlation(first, second)
        shape = first.shape[-2:]
        back = volume.flatten(2).transpose(1, 2).unflatten(2, shape)
        self._forward = CorrelationPyramid(volume, LEVELS, RADIUS)
        self._back = CorrelationPyramid(back, LEVELS, RADIUS)
        self._grid = pixel_grid(first)

    def correct(self, update: UpdateBlock, features: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Return flow and features with what `update` adds to them."""
        coarse = flow
        if update.factor != 1:
            coarse = scaled(flow, 1 / update.factor) / update.factor
        to_first, to_second = coarse.chunk(2, 1)
        # If motion is even, the way between the frames is twice the way from the middle.
        seen = [
            self._forward.around(self._grid + to_second / (1 - HALFWAY)),
            self._back.around(self._grid + to_first / HALFWAY),
        ]
        more_features, more_flow = update(features, coarse, torch.cat(seen, 1))
        return flow + more_flow, features + more_features
