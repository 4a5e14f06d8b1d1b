"""What a training step minimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from critic_models.finetune.heads import dense_losses

DEEPSTACK_SHARE = 0.3
"""Weight of the dense heads on intermediate features against those on the final ones."""

DENSE_WEIGHTS = {"shape": 2.0, "motion": 3.0, "imaging": 4.0}
"""Of the slow ones to be learned, against 1: outlines, small displacements, and the energies of
fine detail, which are even functions of what the patch filters see."""


def dense_loss(
    predictions: Sequence[Mapping[str, torch.Tensor]], targets: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, float]]:
    """Add up the dense heads' losses.

    Returns:
        The total, and the parts of the final features' heads for the log.
    """
    total = torch.zeros(())
    parts: dict[str, float] = {}
    for depth, predicted in enumerate(predictions):
        losses = dense_losses(predicted, targets)
        weighted = sum(loss * DENSE_WEIGHTS.get(name, 1.0) for name, loss in losses.items())
        total = total + weighted * (1.0 if depth == 0 else DEEPSTACK_SHARE)
        if depth == 0:
            parts = {name: loss.item() for name, loss in losses.items()}
    return total, parts


def answer_loss(
    logits: torch.Tensor,
    answer_ids: torch.Tensor,
    answer_shares: torch.Tensor,
    weights: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the cross-entropy of the whole vocabulary against the shares of the right answers.

    The vocabulary, and not the answers alone, so that all probability goes to answers; and less
    the entropy of the shares, so that a perfect critic has loss 0.

    Args:
        logits: fp32 `[B, Q, vocabulary]`.
        answer_ids: int64 `[B, Q, A]`.
        answer_shares: fp32 `[B, Q, A]`.
        weights: fp32 `[Q]`.

    Returns:
        The weighted mean, and the mean of every question `[Q]`.
    """
    log_probabilities = logits.log_softmax(-1).gather(-1, answer_ids)
    log_shares = answer_shares.clamp_min(1e-9).log()
    each = (answer_shares * (log_shares - log_probabilities)).sum(-1).mean(0)
    return (each * weights).sum() / weights.sum(), each.detach()
