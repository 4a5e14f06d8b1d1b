"""What a training step minimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F

from critic_models.finetune.heads import summary_losses, token_losses

DEEPSTACK_SHARE = 0.3
"""Weight of the dense heads on intermediate features against those on the final ones."""

DENSE_WEIGHTS = {
    "thing": 2.0,
    "body": 4.0,
    "frame": 4.0,
    "imaging": 4.0,
    "so_far": 3.0,
    "defects": 6.0,
    "slot_action": 1.5,
    "slot_object": 1.5,
}
"""Of the slow ones to be learned, against 1: outlines, small displacements, and the energies of
fine detail, which are even functions of what the patch filters see."""


def dense_loss(
    predictions: Sequence[Mapping[str, torch.Tensor]], targets: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, float]]:
    """Add up the losses of the heads on visual tokens.

    Returns:
        The total, and the parts of the final features' heads for the log.
    """
    final, *others = [token_losses(predicted, targets) for predicted in predictions]
    total = weighted(final)
    for losses in others:
        total = total + DEEPSTACK_SHARE * weighted(losses)
    return total, {name: loss.item() for name, loss in final.items()}


def summary_loss(
    predicted: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, float]]:
    """Add up the losses of the heads on the ends of patches; total and parts."""
    losses = summary_losses(predicted, targets)
    return weighted(losses), {name: loss.item() for name, loss in losses.items()}


def weighted(losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Add up losses by `DENSE_WEIGHTS`."""
    return torch.stack([DENSE_WEIGHTS.get(n, 1.0) * loss for n, loss in losses.items()]).sum()


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
        weights: fp32 `[B, Q]`.

    Returns:
        The weighted mean, and every question's `[B, Q]`.
    """
    log_probabilities = logits.log_softmax(-1).gather(-1, answer_ids)
    log_shares = answer_shares.clamp_min(1e-9).log()
    each = (answer_shares * (log_shares - log_probabilities)).sum(-1)
    return (each * weights).sum() / weights.sum().clamp_min(1e-6), each.detach()


def rank_loss(
    logits: torch.Tensor, poles: torch.Tensor, ranks: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the Bradley-Terry loss of pairs: `-log sigmoid(better - worse)` of log-odds.

    Args:
        logits: fp32 `[B, Q, vocabulary]`.
        poles: int64 `[B, Q, 2]`, tokens whose difference is the score.
        ranks: int64 `[R, 4]`, clip and question of the better and of the worse.

    Returns:
        The mean, and how far each better one is ahead, `[R]`.
    """
    ends = logits.gather(-1, poles)
    score = ends[..., 0] - ends[..., 1]
    ahead = score[ranks[:, 0], ranks[:, 1]] - score[ranks[:, 2], ranks[:, 3]]
    return F.softplus(-ahead).sum() / max(1, len(ranks)), ahead.detach()
