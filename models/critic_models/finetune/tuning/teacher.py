"""Writes cases as lessons, in the words and at the positions of serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from critic_models.engine import Branch, WorkItem
from critic_models.finetune.tuning.config import LossWeights
from critic_models.finetune.tuning.lessons import Asked, Lesson, Written, assemble
from critic_models.finetune.tuning.questions import Case, ClipCase, PairCase
from critic_models.rows import Preference3
from critic_models.vlm.criteria import Criterion
from critic_models.vlm.families import Family
from critic_models.vlm.patches import PreparedClip, VisionShape
from critic_models.vlm.positions import prefix_positions
from critic_models.vlm.prompts import (
    build_branch,
    build_prefix,
    pairwise_question,
    pointwise_question,
)
from critic_models.vlm.spec import CriticSpec
from critic_models.vlm.tokens import PromptTokenizer, Special

_END_OF_TURN = Special("<|im_end|>")


class Teacher:
    """Writes cases as lessons, by the questions and positions of a critic's specification.

    Args:
        spec: of the critic.
        tokenizer: its tokenizer.
        family, shape: of its network.
        losses: weights of the terms.
    """

    def __init__(
        self,
        spec: CriticSpec,
        tokenizer: PromptTokenizer,
        family: Family,
        shape: VisionShape,
        losses: LossWeights,
    ) -> None:
        self._spec = spec
        self._tokenizer = tokenizer
        self._family = family
        self._shape = shape
        self._losses = losses
        self._pairwise_ids = tuple(tokenizer.answer_ids(spec.pairwise_answers))

    def lessons(
        self, cases: Sequence[Case], clips: Mapping[str, PreparedClip], max_tokens: int
    ) -> list[Lesson]:
        """Pack cases into as few lessons as the token budget allows; a larger case is alone."""
        written = [self._write(case, clips) for case in cases]
        lessons: list[Lesson] = []
        batch: list[Written] = []
        used = 0
        for case in written:
            if batch and used + case.num_tokens > max_tokens:
                lessons.append(assemble(batch))
                batch, used = [], 0
            batch.append(case)
            used += case.num_tokens
        return [*lessons, assemble(batch)] if batch else lessons

    def _write(self, case: Case, clips: Mapping[str, PreparedClip]) -> Written:
        if isinstance(case, ClipCase):
            asked = [
                self._point(q.criterion, q.prompt, q.shares, q.weight, q.reason)
                for q in case.questions
            ]
            return Written((self._item((clips[case.clip],), asked),), (asked,), (), (), ())
        return self._write_pair(case, clips[case.a], clips[case.b])

    def _write_pair(self, case: PairCase, a: PreparedClip, b: PreparedClip) -> Written:
        items: list[WorkItem] = []
        asked: list[list[Asked]] = []
        if self._losses.pairwise > 0:
            # A reason says "the first video": it is true of one order only.
            forward = [
                self._pair(q.criterion, q.prompt, q.preference, q.weight, q.reason)
                for q in case.questions
            ]
            backward = [
                self._pair(q.criterion, q.prompt, q.preference.swapped, q.weight, "")
                for q in case.questions
            ]
            asked += [forward, backward]
            items += [self._item((a, b), forward), self._item((b, a), backward)]
        if self._losses.bradley_terry == 0:
            return Written(tuple(items), tuple(asked), (), (), ())
        first = sum(len(group) for group in asked)
        count = len(case.questions)
        scored = [self._point(q.criterion, q.prompt, None, 0.0, "") for q in case.questions]
        return Written(
            (*items, self._item((a,), scored), self._item((b,), scored)),
            (*asked, scored, scored),
            tuple((first + i, first + count + i) for i in range(count)),
            tuple((q.preference.a, q.preference.tie, q.preference.b) for q in case.questions),
            tuple(q.weight * self._losses.bradley_terry for q in case.questions),
        )

    def _point(
        self,
        name: str,
        prompt: str | None,
        shares: tuple[float, ...] | None,
        weight: float,
        reason: str,
    ) -> Asked:
        criterion = self._spec.criteria[name]
        ids = tuple(self._tokenizer.answer_ids(criterion.answers))
        return self._ask(
            criterion,
            pointwise_question(criterion, prompt),
            (criterion.answers, ids),
            shares or (0.0,) * len(ids),
            grades_of(criterion),
            weight * self._losses.pointwise,
            False,
            (reason, weight),
        )

    def _pair(
        self, name: str, prompt: str | None, label: Preference3, weight: float, reason: str
    ) -> Asked:
        criterion = self._spec.criteria[name]
        return self._ask(
            criterion,
            pairwise_question(self._spec.pairwise_question, criterion, prompt),
            (self._spec.pairwise_answers, self._pairwise_ids),
            (label.a, label.b, label.tie),
            (0.0, 0.0, 0.0),
            # Both orders together weigh as much as one row.
            0.5 * weight * self._losses.pairwise,
            True,
            (reason, weight),
        )

    def _ask(
        self,
        criterion: Criterion,
        question: str,
        answers: tuple[tuple[str, ...], tuple[int, ...]],
        shares: tuple[float, ...],
        grades: tuple[float, ...],
        weight: float,
        is_pairwise: bool,
        reason: tuple[str, float],
    ) -> Asked:
        words, ids = answers
        text, reason_weight = reason[0], reason[1] * self._losses.reason
        forced: tuple[int, ...] = ()
        if text and reason_weight > 0:
            spoken = self._tokenizer.encode([f". {text}", _END_OF_TURN])
            forced = (ids[int(np.argmax(shares))], *spoken)
        branch = build_branch(self._tokenizer, question)
        # The last token is only predicted; nothing comes after it.
        seen = np.concatenate([branch, np.asarray(forced[:-1], np.int64)])
        return Asked(
            Branch(criterion.name, seen, words, ids),
            shares,
            grades,
            weight,
            is_pairwise,
            forced,
            reason_weight,
        )

    def _item(self, clips: tuple[PreparedClip, ...], asked: Sequence[Asked]) -> WorkItem:
        grids = [clip.grid for clip in clips]
        prefix = build_prefix(self._tokenizer, self._family, grids, self._spec.system)
        positions, start = prefix_positions(
            prefix, self._family, self._spec.positions, self._shape.tokens_per_second
        )
        return WorkItem(clips, prefix, positions, start, tuple(q.branch for q in asked))


def grades_of(criterion: Criterion) -> tuple[float, ...]:
    """Worth of each answer in [0, 1], as the readout takes it."""
    if criterion.read_from == "yes_no":
        return (1.0, 0.0)
    return tuple(np.linspace(0.0, 1.0, len(criterion.answers)).tolist())
