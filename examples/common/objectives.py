"""What generators are trained on: losses of errors by clip, as published for diffusion models.

In flow matching the error of the velocity takes the place of the error of the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from examples.common.generator import Generator

GRADIENT_NORM = 1.0


@dataclass(frozen=True, eq=False)
class Batch:
    """Latent clips `[B, T, K]` with captions, and a number for each: a weight or a sign."""

    clips: Tensor
    captions: Sequence[str]
    numbers: Tensor | None = None

    def __len__(self) -> int:
        return len(self.captions)

    def draw(self, count: int, rng: torch.Generator) -> Batch:
        """Choose clips at random, with repetition."""
        chosen = torch.randint(len(self), (count,), generator=rng)
        numbers = None if self.numbers is None else self.numbers[chosen]
        return Batch(self.clips[chosen], [self.captions[i] for i in chosen], numbers)


@dataclass(frozen=True, eq=False)
class PairBatch:
    """Preferred and rejected latent clips `[B, T, K]` of the same captions."""

    chosen: Tensor
    rejected: Tensor
    captions: Sequence[str]

    def __len__(self) -> int:
        return len(self.captions)

    def draw(self, count: int, rng: torch.Generator) -> PairBatch:
        """Choose pairs at random, with repetition."""
        picked = torch.randint(len(self), (count,), generator=rng)
        captions = [self.captions[i] for i in picked]
        return PairBatch(self.chosen[picked], self.rejected[picked], captions)


Loss = Callable[[torch.Generator], Tensor]


def train(model: Generator, loss: Loss, steps: int, learning_rate: float, seed: int) -> list[float]:
    """Take steps of AdamW on a loss; return its values."""
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.0)
    rng = torch.Generator().manual_seed(seed)
    model.train()
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(rng)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
        optimizer.step()
        values.append(float(value.detach()))
    model.eval()
    return values


def likelihood(model: Generator, batch: Batch, rng: torch.Generator) -> Tensor:
    """Return the mean error; with numbers, each clip's error times its number.

    With rewards as numbers it is reward-weighted regression (Furuta et al., arXiv 2412.02617).
    """
    errors = model.errors(batch.clips, batch.captions, *_noise(batch.clips, rng))
    return errors.mean() if batch.numbers is None else (batch.numbers * errors).mean()


def diffusion_dpo(
    model: Generator, reference: Generator, pairs: PairBatch, beta: float, rng: torch.Generator
) -> Tensor:
    """Return the loss of Diffusion-DPO (Wallace et al., 2023, equation 14).

    `-log sigmoid(-beta · [(e_w - e_w_ref) - (e_l - e_l_ref)])`; both clips of a pair get the same
    noise and time. `beta` stands for the source's product of beta, steps and weight.
    """
    noise, time = _noise(pairs.chosen, rng)
    both = torch.cat([pairs.chosen, pairs.rejected])
    doubled = (both, [*pairs.captions, *pairs.captions], noise.repeat(2, 1, 1), time.repeat(2))
    with torch.no_grad():
        before_w, before_l = reference.errors(*doubled).chunk(2)
    now_w, now_l = model.errors(*doubled).chunk(2)
    return -F.logsigmoid(-beta * ((now_w - before_w) - (now_l - before_l))).mean()


def diffusion_kto(
    model: Generator, reference: Generator, signed: Batch, beta: float, rng: torch.Generator
) -> Tensor:
    """Return the loss of Diffusion-KTO (Li et al., 2024, equation 8).

    `1 - sigmoid(w · (beta · (e_ref - e) - Q))` with `w` the sign of a clip, and `Q` the mean gain
    of the batch, not below 0, through which no gradient goes.
    """
    if signed.numbers is None:
        raise ValueError("clips need signs")
    given = (signed.clips, signed.captions, *_noise(signed.clips, rng))
    with torch.no_grad():
        before = reference.errors(*given)
    gain = beta * (before - model.errors(*given))
    usual = gain.detach().mean().clamp(min=0.0)
    return (1 - torch.sigmoid(signed.numbers * (gain - usual))).mean()


def balanced(signed: Batch, count: int, rng: torch.Generator) -> Batch:
    """Draw desirable and undesirable clips with equal chance, whatever their numbers."""
    if signed.numbers is None:
        raise ValueError("clips need signs")
    sides = [torch.nonzero(signed.numbers * side > 0)[:, 0] for side in (1.0, -1.0)]
    chosen = torch.cat(
        [
            side[torch.randint(len(side), (count // 2,), generator=rng)]
            for side in sides
            if len(side)
        ]
    )
    return Batch(signed.clips[chosen], [signed.captions[i] for i in chosen], signed.numbers[chosen])


def _noise(clips: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(clips.shape, generator=rng), torch.rand(len(clips), generator=rng)
