"""The engine: packs work, runs the network, reads answers. One thread at a time; no futures."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch

from critic_models.engine.packing import PackedBatch, pack, split_by_budget
from critic_models.engine.work import WorkItem
from critic_models.errors import CriticError, EngineError
from critic_models.vlm.model import CriticModel
from critic_models.vlm.readout import Answer

log = logging.getLogger(__name__)

Answers = tuple[Answer, ...]


class Engine:
    """Answer every question of many items in as few forwards as the token budget allows.

    Args:
        model: the critic's network.
        max_batch_tokens: of one forward; a larger single item still runs, alone.
    """

    def __init__(self, model: CriticModel, max_batch_tokens: int) -> None:
        self.model = model
        self.max_batch_tokens = max_batch_tokens

    def run(self, items: Sequence[WorkItem]) -> list[Answers | CriticError]:
        """Answer all items, in order.

        Returns:
            For each item the answers to its branches, or the error of that item alone.

        Raises:
            EngineError: where a whole forward failed.
        """
        results: list[Answers | CriticError] = []
        for run in split_by_budget(items, self.max_batch_tokens):
            results += self._forward([items[i] for i in run])
        return results

    def _forward(self, items: Sequence[WorkItem]) -> list[Answers | CriticError]:
        try:
            hidden = self._hidden_at_ends(pack(items))
            return self._read(items, hidden)
        except (RuntimeError, ValueError, IndexError) as error:
            log.exception("forward over %d items failed", len(items))
            raise EngineError("the critic's forward failed", items=len(items)) from error

    @torch.inference_mode()
    def _hidden_at_ends(self, batch: PackedBatch) -> torch.Tensor:
        vision = self.model.encode_clips(batch.patches, batch.grids)
        hidden = self.model.encode_text(
            batch.ids,
            batch.positions,
            batch.layout,
            batch.visual_rows,
            vision.select(batch.vision_rows.to(vision.tokens.device)),
        )
        return hidden[batch.branch_ends.to(hidden.device)]

    @torch.inference_mode()
    def _read(self, items: Sequence[WorkItem], hidden: torch.Tensor) -> list[Answers | CriticError]:
        branches = [branch for item in items for branch in item.branches]
        most = max(len(b.answer_ids) for b in branches)
        # Rows of fewer answers are padded with their first answer; the padding is never read.
        padded = [b.answer_ids + b.answer_ids[:1] * (most - len(b.answer_ids)) for b in branches]
        read = self.model.read_answers(hidden, torch.tensor(padded, dtype=torch.int64))
        logits, normalizers = read.logits.cpu(), read.log_normalizer.cpu()
        answers = [
            Answer(
                branch.criterion,
                branch.words,
                tuple(logits[i, : len(branch.words)].tolist()),
                float(normalizers[i]),
            )
            for i, branch in enumerate(branches)
        ]
        results: list[Answers | CriticError] = []
        position = 0
        for item in items:
            own = tuple(answers[position : position + len(item.branches)])
            position += len(item.branches)
            finite = all(math.isfinite(logit) for answer in own for logit in answer.logits)
            results.append(own if finite else EngineError("the critic's logits are not finite"))
        return results
