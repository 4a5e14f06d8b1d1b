"""No figure of wrong results: what is timed must first agree with stock transformers.

Truth is stock transformers, one question per forward, on the same weights in a wider type (fp64 for
fp32, fp32 for bf16). Stock transformers in the type that is timed has an error against it, which is
what rounding does to this model; an implementation that rounds as often, in another order, has an
error of the same size. It may be twice as large, after half a unit of the last place was added for
a model whose own error happens to be small.

An error is the root mean square over 64 answer logits of one question: many sides of one hidden
state, so that its size is steady where a single difference is not. The worst question counts, on
both sides. Probed are the first and the last question of the first and the last item of a batch,
where a mask that leaks, or positions that run on, show most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from critic_models.engine import Branch, WorkItem

from benchmarks.baselines import Baseline, ask
from benchmarks.shapes import copied
from benchmarks.workload import gated

WIDER = {torch.float32: torch.float64, torch.bfloat16: torch.float32, torch.float16: torch.float32}

Items = Sequence[WorkItem]
Key = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Verdict:
    """The error of an implementation, and the bound that it must not exceed."""

    error: float
    bound: float

    @property
    def red(self) -> bool:
        return not self.error <= self.bound

    def __str__(self) -> str:
        return f"logits are off by {self.error:.2g} (root mean square); allowed: {self.bound:.2g}"


class Gate:
    """Judge implementations by stock transformers' answers, computed once for every question.

    Args:
        stock: stock transformers in the type that is timed.
        batches: what will be judged.
    """

    def __init__(self, stock: Any, batches: Sequence[Items]) -> None:
        wide = copied(stock, WIDER[stock.dtype])
        self._last_place = torch.finfo(stock.dtype).eps / 2
        self._truth: dict[Key, torch.Tensor] = {}
        self._stock_error: dict[Key, float] = {}
        for items in batches:
            for _, item, branch in _probes([gated(item) for item in items]):
                key = (item.prefix_key, branch.criterion)
                if key not in self._truth:
                    truth = ask(wide, item, branch)
                    self._truth[key] = truth.cpu()
                    self._stock_error[key] = rms(ask(stock, item, branch).to(truth) - truth)

    def check(self, answer: Baseline, items: Items) -> Verdict:
        """Run an implementation over a whole batch, and judge its ends."""
        asked = [gated(item) for item in items]
        logits = answer(asked).cpu()
        errors, stock_errors, largest = [], [], 0.0
        for row, item, branch in _probes(asked):
            key = (item.prefix_key, branch.criterion)
            truth = self._truth[key]
            errors.append(rms(logits[row].to(truth) - truth))
            stock_errors.append(self._stock_error[key])
            largest = max(largest, float(truth.abs().max()))
        bound = 2 * (max(stock_errors) + self._last_place * largest)
        return Verdict(math.nan if any(map(math.isnan, errors)) else max(errors), bound)


def rms(values: torch.Tensor) -> float:
    return float(values.double().square().mean().sqrt())


def _probes(items: Items) -> Iterator[tuple[int, WorkItem, Branch]]:
    """The first and last question of the first and last item, with their rows in the answers."""
    row = 0
    for index, item in enumerate(items):
        last = len(item.branches) - 1
        if index in (0, len(items) - 1):
            for branch in sorted({0, last}):
                yield row + branch, item, item.branches[branch]
        row += last + 1
