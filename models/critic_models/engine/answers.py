"""Answer logits on their way back: one copy for each forward, read when it has arrived."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from critic_models.engine.work import WorkItem
from critic_models.errors import CriticError, EngineError
from critic_models.vlm.readout import Answer
from critic_models.vlm.vocabulary import AnswerLogits

Answers = tuple[Answer, ...]


@dataclass(frozen=True, eq=False)
class PendingAnswers:
    """Logits of a forward that may still be running.

    Attributes:
        rows: on the host, `[B, A + 1]`: the answers' logits, and the log-normaliser last.
        arrived: on CUDA, what to wait for before they are read.
    """

    rows: torch.Tensor
    arrived: torch.cuda.Event | None

    @classmethod
    def of(cls, read: AnswerLogits) -> PendingAnswers:
        """Begin the copy to the host, without waiting for it."""
        rows = torch.cat([read.logits, read.log_normalizer[:, None]], dim=1)
        if rows.device.type != "cuda":
            return cls(rows, None)
        host = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
        host.copy_(rows, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record(torch.cuda.current_stream(rows.device))
        return cls(host, arrived)

    def for_items(self, items: Sequence[WorkItem]) -> list[Answers | CriticError]:
        """Wait for the copy; give each item the answers to its branches, or an error of its own."""
        if self.arrived is not None:
            self.arrived.synchronize()
        rows = iter(self.rows.tolist())
        return [_answers(item, rows) for item in items]


def _answers(item: WorkItem, rows: Iterator[list[float]]) -> Answers | CriticError:
    own = []
    for branch in item.branches:
        *logits, log_normalizer = next(rows)
        own.append(
            Answer(
                branch.criterion, branch.words, tuple(logits[: len(branch.words)]), log_normalizer
            )
        )
    if all(math.isfinite(logit) for answer in own for logit in answer.logits):
        return tuple(own)
    return EngineError("the critic's logits are not finite")
