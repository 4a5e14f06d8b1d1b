"""RAFT (Teed and Deng, Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020), the large
model, with the names of the official checkpoints without their `module.` prefix.
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

HIDDEN = 128
LEVELS = 4
RADIUS = 4


def _norm(kind: str, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, out: int, norm: str, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.norm1 = _norm(norm, out)
        self.norm2 = _norm(norm, out)
        self.downsample: nn.Module | None = None
        if stride != 1:
            # The checkpoints hold this norm under two names.
            self.norm3 = _norm(norm, out)
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride), self.norm3)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, channels, H, W]` to `[B, out, H / stride, W / stride]`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(shortcut + F.relu(self.norm2(self.conv2(x))))


class FeatureEncoder(nn.Module):
    """Pictures to features at an eighth of the resolution."""

    def __init__(self, out: int, norm: str) -> None:
        super().__init__()
        self.norm1 = _norm(norm, 64)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3)
        self.layer1 = self._layer(64, 64, norm, 1)
        self.layer2 = self._layer(64, 96, norm, 2)
        self.layer3 = self._layer(96, 128, norm, 2)
        self.conv2 = nn.Conv2d(128, out, 1)

    @staticmethod
    def _layer(channels: int, out: int, norm: str, stride: int) -> nn.Sequential:
        return nn.Sequential(
            ResidualBlock(channels, out, norm, stride), ResidualBlock(out, out, norm, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, 3, H, W]` to `[B, out, H / 8, W / 8]`."""
        x = F.relu(self.norm1(self.conv1(x)))
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))


class MotionEncoder(nn.Module):
    """What the correlation says around the present flow, and that flow."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(LEVELS * (2 * RADIUS + 1) ** 2, 256, 1)
        self.convc2 = nn.Conv2d(256, 192, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 128, 7, padding=3)
        self.convf2 = nn.Conv2d(128, 64, 3, padding=1)
        self.conv = nn.Conv2d(192 + 64, 126, 3, padding=1)

    def forward(self, flow: Tensor, found: Tensor) -> Tensor:
        """Return `[B, 128, h, w]`."""
        found = F.relu(self.convc2(F.relu(self.convc1(found))))
        motion = F.relu(self.convf2(F.relu(self.convf1(flow))))
        return torch.cat([F.relu(self.conv(torch.cat([found, motion], 1))), flow], 1)


class SeparableGru(nn.Module):
    """A gated recurrent unit whose convolutions run along rows, then along columns."""

    def __init__(self) -> None:
        super().__init__()
        for suffix, kernel, padding in (("1", (1, 5), (0, 2)), ("2", (5, 1), (2, 0))):
            for gate in "zrq":
                layer = nn.Conv2d(3 * HIDDEN, HIDDEN, kernel, padding=padding)
                self.add_module(f"conv{gate}{suffix}", layer)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        """Return the next hidden state, of the shape of `hidden`."""
        for suffix in "12":
            update, reset, new = (self.get_submodule(f"conv{gate}{suffix}") for gate in "zrq")
            both = torch.cat([hidden, x], 1)
            share = torch.sigmoid(update(both))
            kept = torch.sigmoid(reset(both)) * hidden
            hidden = (1 - share) * hidden + share * torch.tanh(new(torch.cat([kept, x], 1)))
        return hidden


class FlowHead(nn.Module):
    """The hidden state to a change of flow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(HIDDEN, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, 128, h, w]` to `[B, 2, h, w]`."""
        return self.conv2(F.relu(self.conv1(x)))


class UpdateBlock(nn.Module):
    """One step of refinement."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MotionEncoder()
        self.gru = SeparableGru()
        self.flow_head = FlowHead()
        self.mask = nn.Sequential(
            nn.Conv2d(HIDDEN, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 64 * 9, 1)
        )

    def forward(
        self, hidden: Tensor, context: Tensor, found: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the next hidden state and the change of flow."""
        hidden = self.gru(hidden, torch.cat([context, self.encoder(flow, found)], 1))
        return hidden, self.flow_head(hidden)


class Raft(nn.Module):
    """Optical flow between pictures, `[B, 3, H, W]` with sides divisible by 8."""

    def __init__(self) -> None:
        super().__init__()
        self.fnet = FeatureEncoder(256, "instance")
        self.cnet = FeatureEncoder(2 * HIDDEN, "batch")
        self.update_block = UpdateBlock()

    def forward(self, first: Tensor, second: Tensor, num_steps: int = 20) -> Tensor:
        """Return the flow from `first` to `second`.

        Args:
            first: float `[B, 3, H, W]`, RGB, 0 to 255.
            second: the same.
            num_steps: refinements.

        Returns:
            `[B, 2, H, W]`, pixels to the right and down.
        """
        first, second = (2 * (each / 255.0) - 1.0 for each in (first, second))
        features = self.fnet(torch.cat([first, second])).chunk(2)
        pyramid = CorrelationPyramid(correlation(*features), LEVELS, RADIUS)
        state, context = self.cnet(first).split(HIDDEN, dim=1)
        hidden, context = torch.tanh(state), F.relu(context)
        start = pixel_grid(hidden)
        points = start
        for _ in range(num_steps):
            found = pyramid.around(points)
            hidden, change = self.update_block(hidden, context, found, points - start)
            points = points + change
        # Only the last flow is brought to the full size; those before it were for training.
        return upsample(points - start, 0.25 * self.update_block.mask(hidden))


def upsample(flow: Tensor, mask: Tensor) -> Tensor:
    """Bring a flow to eight times its size.

    Every new pixel is a weighted mean of its nine old neighbours.

    Args:
        flow: `[B, 2, h, w]`.
        mask: `[B, 9 * 64, h, w]`, logarithms of the weights.

    Returns:
        `[B, 2, 8 * h, 8 * w]`.
    """
    height, width = flow.shape[-2:]
    weights = mask.unflatten(1, (1, 9, 8, 8)).softmax(dim=2)
    neighbours = F.unfold(8 * flow, 3, padding=1).view(-1, 2, 9, 1, 1, height, width)
    fine = (weights * neighbours).sum(dim=2)
    return fine.permute(0, 1, 4, 2, 5, 3).reshape(-1, 2, 8 * height, 8 * width)
