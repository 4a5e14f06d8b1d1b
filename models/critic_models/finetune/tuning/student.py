"""The network as a module that answers for its lessons: one forward, the sum of weighted losses."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from critic_models.engine import PackedBatch
from critic_models.finetune.tuning.lessons import Lesson
from critic_models.finetune.tuning.losses import (
    answer_divergence,
    comparison_log_probabilities,
    score_log_odds,
)
from critic_models.vlm.model import AnswerLogits, CriticModel

TERMS = ("pointwise", "pairwise", "bradley_terry", "reason")


class Student(nn.Module):
    """A critic's network, trained through the engine's own forward.

    Args:
        critic: the network as the engine runs it; its attention must be differentiable.
        tie_theta: see `LossWeights`.
        recompute_answers: compute logits twice instead of keeping them for the backward.
        low_precision: compute both towers in bfloat16, whatever their weights are kept in.
    """

    def __init__(
        self,
        critic: CriticModel,
        tie_theta: float,
        recompute_answers: bool = False,
        low_precision: bool = False,
    ) -> None:
        super().__init__()
        self.network: nn.Module = critic.network
        self._critic = critic
        self._tie_theta = tie_theta
        self._recompute = recompute_answers
        self._low_precision = low_precision

    def forward(self, lesson: Lesson) -> dict[str, torch.Tensor]:
        """Return, for every term, the sum of its weighted losses, and `<term>_weight` beside it."""
        device = self._critic.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._low_precision):
            hidden = encode_packed(self._critic, lesson.packed)
        # Logits are computed in fp32, as the engine does.
        answers = self._read(hidden[lesson.rows.to(device)], lesson.answer_ids.to(device))
        losses = self._answers(lesson, answers, device)
        losses["bradley_terry"] = self._comparisons(lesson, answers, device)
        losses["reason"] = self._reasons(lesson, hidden, device)
        out: dict[str, torch.Tensor] = {}
        for term in TERMS:
            values, weights = losses[term]
            out[term] = (values * weights).sum()
            out[f"{term}_weight"] = weights.sum()
        return out

    def _answers(
        self, lesson: Lesson, answers: AnswerLogits, device: torch.device
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        log_probabilities = answers.logits - answers.log_normalizer[:, None]
        each = answer_divergence(log_probabilities, lesson.shares.to(device))
        weights, is_pairwise = lesson.weights.to(device), lesson.is_pairwise.to(device)
        return {
            "pointwise": (each, weights * ~is_pairwise),
            "pairwise": (each, weights * is_pairwise),
        }

    def _comparisons(
        self, lesson: Lesson, answers: AnswerLogits, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = lesson.pairs.to(device).unbind(-1)
        grades = lesson.grades.to(device)
        difference = score_log_odds(answers.logits[first], grades[first]) - score_log_odds(
            answers.logits[second], grades[second]
        )
        chances = comparison_log_probabilities(difference, self._tie_theta)
        each = answer_divergence(chances, lesson.outcomes.to(device))
        return each, lesson.pair_weights.to(device)

    def _reasons(
        self, lesson: Lesson, hidden: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weights = lesson.reason_weights.to(device)
        if not len(weights):
            return weights, weights
        spoken = self._read(
            hidden[lesson.reason_rows.to(device)], lesson.reason_ids.to(device)[:, None]
        )
        return spoken.log_normalizer - spoken.logits[:, 0], weights

    def _read(self, hidden: torch.Tensor, ids: torch.Tensor) -> AnswerLogits:
        if not self._recompute:
            return self._critic.read_answers(hidden, ids)

        def read(state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            answers = self._critic.read_answers(state, ids)
            return answers.logits, answers.log_normalizer

        logits, normalizer = checkpoint(read, hidden, use_reentrant=False)
        return AnswerLogits(logits, normalizer)


def encode_packed(critic: CriticModel, packed: PackedBatch) -> torch.Tensor:
    """Run both towers over a packed batch, with gradients; `[L, hidden]`."""
    vision = critic.encode_clips(packed.patches, packed.grids)
    rows = packed.vision_rows.to(critic.device)
    return critic.encode_text(
        packed.ids, packed.positions, packed.layout, packed.visual_rows, vision.select(rows)
    )
