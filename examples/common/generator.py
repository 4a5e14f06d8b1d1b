"""A tiny text-to-video generator: flow matching over the latents of a clip's frames."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

WIDTH, LAYERS, HEADS = 128, 3, 4
STEPS = 16


class Generator(nn.Module):
    """A transformer over frames that predicts the velocity from noise to a clip.

    Words are a bag: the mean of their vectors. What is not in the vocabulary says nothing.

    Args:
        words: the vocabulary.
        num_frames: of a clip.
        num_components: of the latents.
    """

    def __init__(self, words: Iterable[str], num_frames: int, num_components: int) -> None:
        super().__init__()
        self.vocabulary = {word: index for index, word in enumerate(sorted(set(words)))}
        self.shape = (num_frames, num_components)
        self.words = nn.EmbeddingBag(len(self.vocabulary), WIDTH, mode="mean")
        self.time = nn.Sequential(nn.Linear(16, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.place = nn.Parameter(0.02 * torch.randn(num_frames, WIDTH))
        self.inward = nn.Linear(num_components, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.outward = nn.Linear(WIDTH, num_components)

    def forward(self, noisy: Tensor, time: Tensor, captions: Sequence[str]) -> Tensor:
        """Predict the velocity.

        Args:
            noisy: `[B, T, K]`.
            time: `[B]`, 0 for noise and 1 for a clip.
            captions: one for each.

        Returns:
            `[B, T, K]`.
        """
        angles = time[:, None] * torch.pi * 2.0 ** torch.arange(8)
        about = self.time(torch.cat([angles.sin(), angles.cos()], 1)) + self.read(captions)
        return self.outward(self.layers(self.inward(noisy) + self.place + about[:, None]))

    def read(self, captions: Sequence[str]) -> Tensor:
        """Map texts to `[B, WIDTH]`."""
        known = [
            [self.vocabulary[w] for w in words_of(c) if w in self.vocabulary] for c in captions
        ]
        starts = torch.tensor([0, *map(len, known)]).cumsum(0)[:-1]
        return self.words(
            torch.tensor([i for each in known for i in each], dtype=torch.long), starts
        )

    def errors(self, clips: Tensor, captions: Sequence[str], noise: Tensor, time: Tensor) -> Tensor:
        """Return the mean squared error of the velocity of each clip, `[B]`.

        Args:
            clips: `[B, T, K]`.
            captions: one for each.
            noise: `[B, T, K]`, standard normal.
            time: `[B]`, in [0, 1].
        """
        blend = time[:, None, None]
        velocity = self((1 - blend) * noise + blend * clips, time, captions)
        return (velocity - (clips - noise)).square().mean((1, 2))

    @torch.no_grad()
    def sample(
        self, captions: Sequence[str], seed: int, steps: int = STEPS, alike: int = 1
    ) -> Tensor:
        """Make clips, `[B, T, K]`, by Heun's method.

        Args:
            captions: one for each clip.
            seed: of the noise; equal seeds give equal noise.
            steps: from noise to clip.
            alike: so many clips in a row begin with the same noise.
        """
        generator = torch.Generator().manual_seed(seed)
        groups = -(-len(captions) // alike)
        noise = torch.randn(groups, *self.shape, generator=generator)
        clips = noise.repeat_interleave(alike, 0)[: len(captions)]
        for step in range(steps):
            now = torch.full((len(captions),), step / steps)
            velocity = self(clips, now, captions)
            ahead = self(clips + velocity / steps, now + 1 / steps, captions)
            clips = clips + (velocity + ahead) / (2 * steps)
        return clips

    def frozen(self) -> Generator:
        """Return a copy that is not trained."""
        return copy.deepcopy(self).eval().requires_grad_(False)


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"[a-z]+", text.lower())
