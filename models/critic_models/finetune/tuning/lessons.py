"""Cases as one packed forward with its targets: the engine's own packing.

Every question of a case is a branch of its clip's prefix, as in serving. Where a row has a reason,
the branch goes on after the question with the right answer and the reason's words, which the critic
is taught token by token; what it answers is read where it is read in serving, at the end of the
question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from critic_models.engine import Branch, PackedBatch, WorkItem, pack
from critic_models.finetune.tuning.config import LossWeights
from critic_models.finetune.tuning.questions import Case, ClipCase


@dataclass(frozen=True, eq=False)
class Lesson:
    """One forward and what it should have said.

    Attributes:
        packed: the batch.
        rows: int64 `[Q]`, the packed row at which each question is answered.
        answer_ids: int64 `[Q, A]`; questions with fewer answers repeat their first.
        shares: fp32 `[Q, A]`, probabilities of the right answers; 0 for repeated ones.
        weights: fp32 `[Q]`; 0 for questions that only give a score to compare.
        is_pairwise: bool `[Q]`.
        pairs: int64 `[P, 2]`, questions whose scores are compared.
        grades: fp32 `[Q, A]`, worth of each answer in [0, 1]; NaN for repeated ones.
        outcomes: fp32 `[P, 3]`, probabilities that the first wins, neither, the second.
        pair_weights: fp32 `[P]`.
        reason_rows, reason_ids: int64 `[R]`, rows that predict tokens of reasons, and the tokens.
        reason_weights: fp32 `[R]`, summing to its own weight for each reason.
    """

    packed: PackedBatch
    rows: torch.Tensor
    answer_ids: torch.Tensor
    shares: torch.Tensor
    weights: torch.Tensor
    is_pairwise: torch.Tensor
    pairs: torch.Tensor
    grades: torch.Tensor
    outcomes: torch.Tensor
    pair_weights: torch.Tensor
    reason_rows: torch.Tensor
    reason_ids: torch.Tensor
    reason_weights: torch.Tensor

    @property
    def weight(self) -> float:
        """Total weight of all terms."""
        terms = (self.weights, self.pair_weights, self.reason_weights)
        return sum(float(w.double().sum()) for w in terms)


@dataclass(frozen=True)
class Asked:
    """One question as a branch, its right answers, and the tokens that are taught after it.

    Attributes:
        branch: the question, and all of `forced` but its last token.
        shares, grades: by answer, as in `Lesson`.
        weight, is_pairwise: as in `Lesson`.
        forced: the right answer and the tokens of its reason; empty without a reason.
        reason_weight: of the reason as a whole.
    """

    branch: Branch
    shares: tuple[float, ...]
    grades: tuple[float, ...]
    weight: float
    is_pairwise: bool
    forced: tuple[int, ...]
    reason_weight: float


@dataclass(frozen=True, eq=False)
class Written:
    """A case as items of the engine; `pairs` count its questions from 0."""

    items: tuple[WorkItem, ...]
    asked: tuple[Sequence[Asked], ...]
    pairs: tuple[tuple[int, int], ...]
    outcomes: tuple[tuple[float, float, float], ...]
    pair_weights: tuple[float, ...]

    @property
    def num_tokens(self) -> int:
        return sum(item.num_tokens for item in self.items)


def case_weight(case: Case, losses: LossWeights) -> float:
    """Weight of all terms of a case; what its lesson has, without its clips."""
    if isinstance(case, ClipCase):
        pair_terms, own = 0.0, losses.pointwise
    else:
        pair_terms, own = losses.bradley_terry, losses.pairwise
    speaks = losses.reason > 0 and (isinstance(case, ClipCase) or losses.pairwise > 0)
    return sum(
        q.weight * (own + pair_terms + (losses.reason if q.reason and speaks else 0.0))
        for q in case.questions
    )


def assemble(cases: Sequence[Written]) -> Lesson:
    """Pack some cases into one lesson."""
    packed = pack([item for case in cases for item in case.items])
    asked = [q for case in cases for group in case.asked for q in group]
    ends = packed.branch_ends.numpy()
    most = max(len(q.branch.answer_ids) for q in asked)
    rows: list[int] = []
    reason_rows: list[int] = []
    reason_ids: list[int] = []
    reason_weights: list[float] = []
    for end, q in zip(ends, asked, strict=True):
        spoken = len(q.forced)
        row = int(end) - max(0, spoken - 1)
        rows.append(row)
        reason_rows += range(row + 1, row + spoken)
        reason_ids += q.forced[1:]
        reason_weights += [q.reason_weight / max(1, spoken - 1)] * max(0, spoken - 1)
    pairs, start = [], 0
    for case in cases:
        pairs += [(start + first, start + second) for first, second in case.pairs]
        start += sum(len(group) for group in case.asked)
    return Lesson(
        packed=packed,
        rows=torch.tensor(rows, dtype=torch.int64),
        answer_ids=torch.tensor(
            [_padded(q.branch.answer_ids, most, q.branch.answer_ids[0]) for q in asked]
        ),
        shares=_float([_padded(q.shares, most, 0.0) for q in asked]),
        weights=_float([q.weight for q in asked]),
        is_pairwise=torch.tensor([q.is_pairwise for q in asked]),
        pairs=torch.tensor(pairs, dtype=torch.int64).view(-1, 2),
        grades=_float([_padded(q.grades, most, float("nan")) for q in asked]),
        outcomes=_float([o for case in cases for o in case.outcomes]).view(-1, 3),
        pair_weights=_float([w for case in cases for w in case.pair_weights]),
        reason_rows=torch.tensor(reason_rows, dtype=torch.int64),
        reason_ids=torch.tensor(reason_ids, dtype=torch.int64),
        reason_weights=_float(reason_weights),
    )


def for_training(lesson: Lesson, dtype: torch.dtype) -> Lesson:
    """Keep of the clips only the packed patches, in the dtype in which the network reads them."""
    packed = lesson.packed
    patches = packed.patches.to(dtype)
    return replace(lesson, packed=replace(packed, clips={}, to_encode=(), patches=patches))


def _padded(values: Sequence[float], length: int, filler: float) -> list[float]:
    return [*values, *[filler] * (length - len(values))]


def _float(values: Sequence[object]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)
