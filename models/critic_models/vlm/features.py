"""What a vision tower says of some clips, on its way into the language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class VisionFeatures:
    """Output of the vision tower for the merged tokens of some clips.

    Attributes:
        tokens: `[N, hidden]`.
        deepstack: features for the first layers of the language model, each `[N, hidden]`.
    """

    tokens: torch.Tensor
    deepstack: tuple[torch.Tensor, ...]

    @property
    def num_bytes(self) -> int:
        return sum(x.numel() * x.element_size() for x in (self.tokens, *self.deepstack))

    @classmethod
    def joined(cls, parts: Sequence[VisionFeatures]) -> VisionFeatures:
        """Put the features of clips one after another."""
        if len(parts) == 1:
            return parts[0]
        layers = zip(*(part.deepstack for part in parts), strict=True)
        return cls(
            torch.cat([part.tokens for part in parts]), tuple(torch.cat(layer) for layer in layers)
        )

    def split(self, lengths: Sequence[int]) -> list[VisionFeatures]:
        """Cut into views of consecutive clips of so many tokens."""
        tokens = self.tokens.split(list(lengths))
        layers = [layer.split(list(lengths)) for layer in self.deepstack]
        return [
            VisionFeatures(part, tuple(layer[i] for layer in layers))
            for i, part in enumerate(tokens)
        ]

    def copy(self) -> VisionFeatures:
        """Return features that share no memory with these."""
        return VisionFeatures(self.tokens.clone(), tuple(d.clone() for d in self.deepstack))

    def select(self, rows: torch.Tensor) -> VisionFeatures:
        """Gather rows, in the order they appear in a packed sequence."""
        return VisionFeatures(self.tokens[rows], tuple(d[rows] for d in self.deepstack))
