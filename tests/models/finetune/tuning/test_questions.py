from __future__ import annotations

import pytest
from critic_models.finetune.tuning.questions import (
    MAX_QUESTIONS_PER_CASE,
    ClipCase,
    PairCase,
    cases_of,
    check_rows,
    shares_of,
    with_checklists,
)
from critic_models.rows import ChecklistRow, Origin, PairRow, PointRow, Preference3, RowError
from critic_models.vlm.criteria import Criterion
from hypothesis import given
from hypothesis import strategies as st
from tiny_critics import tokenizer
from tuning_rows import small_spec

SPEC = small_spec()
YES_NO = Criterion("x", "yes_no", "Good?", "quality", ("Yes", "No"))
GRADED = Criterion("x", "graded", "How good?", "quality", ("Bad", "Normal", "Good"))
WHERE = Origin("rows.jsonl", 3)


@pytest.mark.parametrize(
    ("label", "criterion", "shares"),
    [
        ("yes", YES_NO, (1, 0)),
        ("NO", YES_NO, (0, 1)),
        ("Good", YES_NO, (1, 0)),
        ("normal", YES_NO, (0.5, 0.5)),
        (0.75, YES_NO, (0.75, 0.25)),
        ({"yes": 0.6, "no": 0.4}, YES_NO, (0.6, 0.4)),
        ({"No": 1.0}, YES_NO, (0, 1)),
        ("bad", GRADED, (1, 0, 0)),
        ("Good", GRADED, (0, 0, 1)),
        (0.75, GRADED, (0, 0.5, 0.5)),
        ({"good": 0.5, "Bad": 0.5}, GRADED, (0.5, 0, 0.5)),
    ],
)
def test_labels_become_probabilities_of_the_answers(label, criterion, shares):
    assert shares_of(label, criterion) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("label", "criterion"),
    [
        ("yes", GRADED),
        ("great", GRADED),
        ("maybe", YES_NO),
        ({"good": 1.0}, YES_NO),
        ({"Good": 0.5, "good": 0.5}, GRADED),
        ({"yes": 0.5, "Good": 0.5}, GRADED),
    ],
)
def test_a_label_that_does_not_fit_is_refused(label, criterion):
    with pytest.raises(RowError, match="does not fit x, which is answered by"):
        shares_of(label, criterion)


@given(st.floats(0, 1))
def test_a_quality_is_the_expected_worth_of_its_answers(quality):
    yes, no = shares_of(quality, YES_NO)
    assert yes + no == pytest.approx(1)
    assert yes == pytest.approx(quality)
    bad, normal, good = shares_of(quality, GRADED)
    assert 0.5 * normal + good == pytest.approx(quality, abs=1e-9)
    assert bad + normal + good == pytest.approx(1)


def test_checklist_questions_become_criteria():
    known = SPEC.criteria["brightness"]
    rows = [
        ChecklistRow(clip="a", answers={"Is it sharp?": 1.0, "brightness": 0.0}),
        ChecklistRow(clip="b", answers={"Is it sharp!": 1.0, known.question: 1.0}),
        ChecklistRow(clip="b", answers={"Does it show {prompt}": 1.0}, prompt="a cat"),
    ]
    spec = with_checklists(SPEC, rows)
    new = [name for name in spec.criteria if name not in SPEC.criteria]
    assert new == ["is_it_sharp", "is_it_sharp_2", "does_it_show_prompt"]
    assert spec.criteria["is_it_sharp_2"].question == "Is it sharp!"
    assert spec.criteria["is_it_sharp"].answers == known.answers
    (first, second) = cases_of(rows, spec)
    assert isinstance(first, ClipCase)
    assert isinstance(second, ClipCase)
    assert [q.criterion for q in first.questions] == ["is_it_sharp", "brightness"]
    assert [q.shares for q in first.questions] == [(1.0, 0.0), (0.0, 1.0)]
    assert [q.criterion for q in second.questions][1:] == ["brightness", "does_it_show_prompt"]
    assert spec.criteria["does_it_show_prompt"].needs_prompt


def test_rows_of_a_clip_are_one_case_and_so_are_rows_of_a_pair():
    label = Preference3(1, 0, 0)
    rows = [
        PointRow(clip="a", criterion="brightness", label="yes", weight=2.0),
        PointRow(clip="b", criterion="brightness", label="no"),
        PointRow(clip="a", criterion="exposure", label="Good", reason="Light."),
        PairRow(a="a", b="b", criterion="brightness", preference=label),
        PairRow(a="b", b="a", criterion="brightness", preference=label),
        PairRow(a="a", b="b", criterion="exposure", preference=label),
    ]
    a, b, ab, ba = cases_of(rows, SPEC)
    assert isinstance(a, ClipCase)
    assert isinstance(ab, PairCase)
    assert [(q.criterion, q.weight, q.reason) for q in a.questions] == [
        ("brightness", 2.0, ""),
        ("exposure", 1.0, "Light."),
    ]
    assert [len(case.questions) for case in (b, ab, ba)] == [1, 2, 1]
    many = [PointRow(clip="a", criterion="brightness", label="yes")] * 150
    assert [len(c.questions) for c in cases_of(many, SPEC)] == [
        MAX_QUESTIONS_PER_CASE,
        MAX_QUESTIONS_PER_CASE,
        150 - 2 * MAX_QUESTIONS_PER_CASE,
    ]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (PointRow(clip="a", criterion="beauty", label=1.0, origin=WHERE), "no criterion 'beauty'"),
        (PointRow(clip="a", criterion="exposure", label="yes", origin=WHERE), "does not fit"),
        (PointRow(clip="a", criterion="text_alignment", label=1.0, origin=WHERE), "prompt"),
        (
            PointRow(
                clip="a", criterion="text_alignment", label=1.0, prompt="é" * 3000, origin=WHERE
            ),
            "at most 2048",
        ),
        (
            PairRow(
                a="a",
                b="b",
                criterion="text_alignment",
                preference=Preference3(1, 0, 0),
                origin=WHERE,
            ),
            "prompt",
        ),
        (ChecklistRow(clip="a", answers={"exposure": 1.0}, origin=WHERE), "no yes/no question"),
        (ChecklistRow(clip="a", answers={"Unheard of?": 1.0}, origin=WHERE), "no criterion asks"),
    ],
)
def test_rows_that_this_critic_cannot_be_asked_are_rejects(row, complaint):
    good = PointRow(clip="a", criterion="brightness", label=1.0)
    rows, rejects = check_rows([row, good], SPEC, tokenizer())
    assert rows == [good]
    assert [(r.file, r.number) for r in rejects] == [("rows.jsonl", 3)]
    assert complaint in rejects[0].reason


def test_markup_in_a_reason_is_ordinary_text():
    row = PointRow(clip="a", criterion="brightness", label=1.0, reason="so <|im_end|> it is")
    assert check_rows([row], SPEC, tokenizer()) == ([row], [])
