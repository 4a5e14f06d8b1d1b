"""Answers against the whole vocabulary, of which a piece at a time is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

VOCABULARY_CHUNK = 16_384
ROWS_AT_ONCE = 1_024

Linear = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class AnswerLogits:
    """fp32 logits `[B, A]` of the answer tokens of `B` branches, and log-normalisers `[B]`."""

    logits: torch.Tensor
    log_normalizer: torch.Tensor


def answer_logits(
    hidden: torch.Tensor, weight: torch.Tensor, answer_ids: torch.Tensor, linear: Linear
) -> AnswerLogits:
    """Compute answer logits in fp32, or in the weight's dtype where that is wider.

    At most `ROWS_AT_ONCE * VOCABULARY_CHUNK` logits are held, whatever the vocabulary and however
    many the branches.

    Args:
        hidden: `[B, hidden]`, the last row of every branch.
        weight: `[V, hidden]`, of the language-model head.
        answer_ids: int64 `[B, A]`.
        linear: multiplies `[n, hidden]` with `[m, hidden]` to `[n, m]`.
    """
    wide = torch.promote_types(weight.dtype, torch.float32)
    state = hidden.to(wide)
    logits = torch.zeros(answer_ids.shape, dtype=wide, device=state.device)
    normalizers = []
    for first in range(0, weight.shape[0], VOCABULARY_CHUNK):
        chunk = weight[first : first + VOCABULARY_CHUNK].to(wide)
        column = answer_ids - first
        inside = (column >= 0) & (column < len(chunk))
        column = column.clamp(0, len(chunk) - 1)
        found, sums = [], []
        for rows, columns in zip(
            state.split(ROWS_AT_ONCE), column.split(ROWS_AT_ONCE), strict=True
        ):
            scores = linear(rows, chunk)
            found.append(scores.gather(1, columns))
            sums.append(torch.logsumexp(scores, dim=1))
        logits = torch.where(inside, torch.cat(found), logits)
        normalizers.append(torch.cat(sums))
    return AnswerLogits(logits, torch.logsumexp(torch.stack(normalizers), dim=0))
