"""Lessons ask what serving asks, token for token, and their targets are where they should be."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from critic_models.engine import pack
from critic_models.finetune.tuning.config import LossWeights
from critic_models.finetune.tuning.lessons import Lesson, case_weight
from critic_models.finetune.tuning.questions import Case, cases_of
from critic_models.finetune.tuning.teacher import Teacher
from critic_models.judging import Judge
from critic_models.rows import PairRow, PointRow, Preference3, Row
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.patches import PreparedClip
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_critics import FAMILY_NAMES, tiny_model, tokenizer
from tuning_rows import prepared_clip, small_spec

TOKENIZER = tokenizer()
WEIGHTS = LossWeights(pointwise=1.0, pairwise=2.0, bradley_terry=0.5, reason=0.25)
LABEL = Preference3(0.7, 0.2, 0.1)
ROWS: list[Row] = [
    PointRow(clip="a", criterion="brightness", label=0.75, weight=3.0),
    PointRow(clip="a", criterion="text_alignment", label="no", prompt="a cat"),
    PointRow(clip="b", criterion="exposure", label="Good", reason="A bright day."),
    PairRow(a="a", b="b", criterion="brightness", preference=LABEL, reason="A is lit."),
]


@cache
def teacher(losses: LossWeights = WEIGHTS, model_type: str = "qwen3_vl") -> Teacher:
    shape = tiny_model(model_type).vision_shape
    return Teacher(small_spec(model_type), TOKENIZER, FAMILIES[model_type], shape, losses)


@cache
def clips(model_type: str = "qwen3_vl") -> dict[str, PreparedClip]:
    return {name: prepared_clip(model_type, name) for name in ("a", "b")}


def cases(rows: Sequence[Row] = ROWS) -> list[Case]:
    return cases_of(rows, small_spec())


def one_lesson(losses: LossWeights = WEIGHTS, rows: Sequence[Row] = ROWS) -> Lesson:
    (lesson,) = teacher(losses).lessons(cases(rows), clips(), 1 << 20)
    return lesson


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_a_lesson_without_reasons_is_the_batch_that_serving_packs(model_type):
    spec = small_spec(model_type)
    judge = Judge(tiny_model(model_type), TOKENIZER, spec, "x")
    a, b = clips(model_type).values()
    served = pack(
        [
            judge.pointwise(a, None, ["brightness"]),
            judge.pointwise(a, "a cat", ["text_alignment"]),
            judge.pointwise(b, None, ["exposure"]),
            *judge.pairwise(a, b, None, ["brightness"]),
            judge.pointwise(a, None, ["brightness"]),
            judge.pointwise(b, None, ["brightness"]),
        ]
    )
    silent = dataclasses.replace(WEIGHTS, reason=0.0)
    (lesson,) = teacher(silent, model_type).lessons(cases(), clips(model_type), 1 << 20)
    taught = lesson.packed
    assert taught.ids.tolist() == served.ids.tolist()
    assert taught.positions.tolist() == served.positions.tolist()
    assert taught.visual_rows.tolist() == served.visual_rows.tolist()
    assert taught.vision_rows.tolist() == served.vision_rows.tolist()
    assert torch.equal(taught.patches, served.patches)
    assert taught.layout.mask().equal(served.layout.mask())
    assert lesson.rows.tolist() == served.branch_ends.tolist()


def test_targets_of_every_question():
    lesson = one_lesson()
    words = [TOKENIZER.answer_ids(("yes", "no"))] * 2
    yes, no = words[0]
    first, second, tie = TOKENIZER.answer_ids(("A", "B", "tie"))
    assert lesson.answer_ids[0].tolist() == [yes, no, yes]
    assert lesson.answer_ids[3].tolist() == [first, second, tie]
    assert lesson.shares[:3].tolist() == [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 1]]
    # The tie is the last answer of a pair; in the other order the clips change places.
    forward, backward = lesson.shares[3:5].tolist()
    assert forward == pytest.approx([0.7, 0.1, 0.2])
    assert backward == pytest.approx([0.1, 0.7, 0.2])
    assert lesson.weights.tolist() == [3.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert lesson.is_pairwise.tolist() == [False] * 3 + [True] * 2 + [False] * 2
    assert lesson.pairs.tolist() == [[5, 6]]
    assert lesson.outcomes[0].tolist() == pytest.approx([0.7, 0.2, 0.1])
    assert lesson.pair_weights.tolist() == [0.5]
    assert lesson.grades[5, :2].tolist() == [1.0, 0.0]
    assert lesson.grades[2].tolist() == [0.0, 0.5, 1.0]


def test_a_reason_follows_the_answer_and_is_read_back_from_its_rows():
    """Rows of the packed sequence before each reason token predict that token."""
    lesson = one_lesson()
    ids, end = lesson.packed.ids, TOKENIZER.special_id("<|im_end|>")
    (good,) = TOKENIZER.answer_ids(("good",))
    spoken = [*TOKENIZER.encode_text(". A bright day."), end]
    row = int(lesson.rows[2])
    assert ids[row + 1].item() == good
    assert ids[row + 2 : row + 1 + len(spoken)].tolist() == spoken[:-1]
    count = len(spoken)
    assert lesson.reason_rows[:count].tolist() == list(range(row + 1, row + 1 + count))
    assert lesson.reason_ids[:count].tolist() == spoken
    assert lesson.reason_weights[:count].sum().item() == pytest.approx(0.25)
    # A reason of a pair speaks of one order.
    said = [*TOKENIZER.encode_text(". A is lit."), end]
    assert lesson.reason_ids[count:].tolist() == said
    assert lesson.reason_rows[count:].min() > lesson.rows[3]
    assert lesson.reason_rows[count:].max() < lesson.rows[4]


def test_what_is_answered_is_read_before_the_answer_is_shown():
    """The mutant: reading at the branch's end would let the critic copy the forced answer."""
    lesson = one_lesson()
    silent = one_lesson(dataclasses.replace(WEIGHTS, reason=0.0))
    question = silent.packed.ids[int(silent.rows[2]) - 3 : int(silent.rows[2]) + 1]
    at = int(lesson.rows[2])
    assert torch.equal(lesson.packed.ids[at - 3 : at + 1], question)
    assert lesson.packed.branch_ends[2] > lesson.rows[2]


@pytest.mark.parametrize(
    "losses",
    [
        WEIGHTS,
        LossWeights(),
        LossWeights(pairwise=0.0),
        LossWeights(bradley_terry=0.0),
        LossWeights(pointwise=0.0, reason=0.0),
    ],
)
def test_a_lesson_weighs_what_its_cases_weigh(losses):
    lessons = teacher(losses).lessons(cases(), clips(), 1 << 20)
    expected = sum(case_weight(case, losses) for case in cases())
    assert sum(lesson.weight for lesson in lessons) == pytest.approx(expected, rel=1e-6)


def test_terms_without_weight_cost_no_tokens():
    whole = one_lesson().packed.num_tokens
    assert one_lesson(dataclasses.replace(WEIGHTS, bradley_terry=0.0)).pairs.shape == (0, 2)
    only_scores = one_lesson(dataclasses.replace(WEIGHTS, pairwise=0.0))
    assert not only_scores.is_pairwise.any()
    assert only_scores.packed.num_tokens < whole


rows = st.lists(
    st.builds(
        PointRow,
        clip=st.sampled_from(["a", "b"]),
        criterion=st.sampled_from(["brightness", "exposure"]),
        label=st.floats(0, 1),
        reason=st.sampled_from(["", "So it is."]),
    )
    | st.just(ROWS[-1]),
    min_size=1,
    max_size=6,
)


@given(rows, st.integers(1, 400))
@settings(max_examples=15, deadline=None)
def test_packing_loses_nothing_and_keeps_to_the_budget(rows, budget):
    lessons = teacher().lessons(cases(rows), clips(), budget)
    expected = sum(case_weight(case, WEIGHTS) for case in cases(rows))
    assert sum(lesson.weight for lesson in lessons) == pytest.approx(expected, rel=1e-6)
    alone = [teacher().lessons([case], clips(), 1)[0] for case in cases(rows)]
    assert sum(len(x.rows) for x in lessons) == sum(len(x.rows) for x in alone)
    for lesson in lessons:
        ends = lesson.rows
        assert (ends < lesson.packed.num_tokens).all()
        assert lesson.pairs.numel() == 0 or lesson.pairs.max() < len(ends)
    whole = np.concatenate([lesson.shares.numpy()[:, :2] for lesson in lessons])
    assert np.isfinite(whole).all()


def test_a_case_that_is_too_large_runs_alone():
    lessons = teacher().lessons(cases(), clips(), 1)
    assert len(lessons) == len(cases())
