"""A tiny prompt optimiser: a recurrent language model that goes on from a user's query."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 96
LONGEST = 28
_BEGIN, _END, _PAD = "<begin>", "<end>", "<pad>"


class PromptOptimiser(nn.Module):
    """Writes a prompt for a query, word by word.

    Args:
        words: that it can read and write, commas among them.
    """

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__()
        self.words = [_PAD, _BEGIN, _END, *sorted(set(words))]
        self._ids = {word: index for index, word in enumerate(self.words)}
        self.inward = nn.Embedding(len(self.words), WIDTH)
        self.memory = nn.GRU(2 * WIDTH, WIDTH, batch_first=True)
        self.outward = nn.Linear(WIDTH, len(self.words))

    def log_likelihoods(self, queries: Sequence[str], prompts: Sequence[str]) -> Tensor:
        """Return the logarithm of the probability of each prompt, `[B]`."""
        rows = [[_BEGIN, *split(prompt), _END] for prompt in prompts]
        length = max(map(len, rows))
        ids = self._indices([row + [_PAD] * (length - len(row)) for row in rows])
        logits, _ = self._step(ids[:, :-1], self._about(queries), None)
        chosen = F.log_softmax(logits, -1).gather(-1, ids[:, 1:, None])[..., 0]
        return (chosen * (ids[:, 1:] != self._ids[_PAD])).sum(1)

    @torch.no_grad()
    def write(self, queries: Sequence[str], temperature: float, seed: int) -> list[str]:
        """Write a prompt for each query; at temperature 0 the likeliest words."""
        rng = torch.Generator().manual_seed(seed)
        about, state = self._about(queries), None
        last = self._indices([[_BEGIN]] * len(queries))
        written: list[list[int]] = [[] for _ in queries]
        for _ in range(LONGEST):
            logits, state = self._step(last, about, state)
            logits = logits[:, -1]
            logits[:, [self._ids[_PAD], self._ids[_BEGIN]]] = -torch.inf
            if temperature:
                shares = torch.softmax(logits / temperature, -1)
                last = torch.multinomial(shares, 1, generator=rng)
            else:
                last = logits.argmax(-1, keepdim=True)
            for row, word in zip(written, last[:, 0].tolist(), strict=True):
                row.append(word)
        return [self._text(row) for row in written]

    def frozen(self) -> PromptOptimiser:
        """Return a copy that is not trained."""
        return copy.deepcopy(self).eval().requires_grad_(False)

    def _about(self, queries: Sequence[str]) -> Tensor:
        known = [[w for w in split(query) if w in self._ids] for query in queries]
        return torch.stack([self.inward(self._indices([row]))[0].mean(0) for row in known])

    def _step(self, ids: Tensor, about: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        beside = about[:, None].expand(-1, ids.shape[1], -1)
        found, state = self.memory(torch.cat([self.inward(ids), beside], -1), state)
        return self.outward(found), state

    def _indices(self, rows: Sequence[Sequence[str]]) -> Tensor:
        return torch.tensor([[self._ids[word] for word in row] for row in rows])

    def _text(self, row: Sequence[int]) -> str:
        end = self._ids[_END]
        words = [self.words[i] for i in (row[: row.index(end)] if end in row else row)]
        return " ".join(words).replace(" ,", ",")


def split(text: str) -> list[str]:
    """Return words and commas, in lower case."""
    return text.lower().replace(",", " ,").split()


def sft(model: PromptOptimiser, queries: Sequence[str], prompts: Sequence[str]) -> Tensor:
    """Return the mean negative log-likelihood of a word."""
    words = sum(len(split(prompt)) + 1 for prompt in prompts)
    return -model.log_likelihoods(queries, prompts).sum() / words


def dpo(
    model: PromptOptimiser,
    reference: PromptOptimiser,
    queries: Sequence[str],
    chosen: Sequence[str],
    rejected: Sequence[str],
    beta: float,
) -> Tensor:
    """Return the loss of DPO (Rafailov et al., 2023, equation 7)."""
    with torch.no_grad():
        before_w = reference.log_likelihoods(queries, chosen)
        before_l = reference.log_likelihoods(queries, rejected)
    gain_w = model.log_likelihoods(queries, chosen) - before_w
    gain_l = model.log_likelihoods(queries, rejected) - before_l
    return -F.logsigmoid(beta * (gain_w - gain_l)).mean()
