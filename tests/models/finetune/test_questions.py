from __future__ import annotations

import numpy as np
import pytest
from critic_models.finetune.questions import (
    ACTION_WORDS,
    OPEN_QUESTIONS,
    QUALITY,
    RELATION_WORDS,
    contrast_questions,
    open_questions,
    quality_question,
    strength,
    true_question,
)
from critic_models.world import (
    ACTIONS,
    DEFECTS,
    MOTION_CRITERIA,
    OVERALL,
    SPLITS,
    criterion_of,
    facts_of,
    make_take,
    sample_shot,
)
from critic_models.world.catalogue import DOUBTFUL, RELATIONS
from critic_models.world.pairs import sample_suited

SPLIT = SPLITS["train"]


def answers_of(defect: str, severity: float) -> dict[str, dict[str, float]]:
    shot = sample_suited(defect, SPLIT.rng(5, DEFECTS.index(defect)), SPLIT)
    take = make_take(shot, {defect: severity}, 3)
    return {name: dict(quality_question(take, name).answers) for name in QUALITY}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_lowers_its_criterion_and_what_sums_it_up_and_nothing_else(defect):
    spoiled, clean = answers_of(defect, 1.0), answers_of(defect, 0.0)
    expected = {criterion_of(defect), *(o for o, ds in OVERALL.items() if defect in ds)}
    if defect == "stillness":
        expected |= {*MOTION_CRITERIA}
    known = {name for name in QUALITY if spoiled[name] and clean[name]}
    changed = {name for name in known if spoiled[name] != clean[name]}
    assert changed == expected & known
    assert expected - known <= {name for name, ds in DOUBTFUL.items() if defect in ds} | {
        *MOTION_CRITERIA
    }
    assert spoiled[criterion_of(defect)] == {"yes": 0.0, "no": 1.0}


def test_what_is_open_is_asked_and_not_counted():
    assert answers_of("shuffle", 0.6)["motion_continuity"] == {}
    assert answers_of("stillness", 0.5)["motion_continuity"] == {}
    assert answers_of("stillness", 1.0)["motion_continuity"] == {"yes": 0.0, "no": 1.0}


def test_questions_do_not_depend_on_the_answer():
    shot = sample_suited("blur", SPLIT.rng(2), SPLIT)
    for name in QUALITY:
        texts = {quality_question(make_take(shot, {"blur": s}, 1), name).text for s in (0, 1)}
        assert len(texts) == 1


def test_the_better_pole_gains_as_the_damage_falls():
    shot = sample_suited("blur", SPLIT.rng(2), SPLIT)
    for name in ("sharpness", "visual_quality"):
        good, bad = (quality_question(make_take(shot, {"blur": s}, 1), name) for s in (0.0, 1.0))
        better, worse = good.poles
        assert good.answers[better] > bad.answers.get(better, 0.0)
        assert bad.answers[worse] > good.answers.get(worse, 0.0)


def test_open_questions_are_answered_with_one_word_or_not_at_all():
    for index in range(40):
        facts = facts_of(sample_shot(SPLIT.rng(index), SPLIT))
        for slot, question in zip(
            OPEN_QUESTIONS, open_questions(facts, tuple(OPEN_QUESTIONS)), strict=True
        ):
            assert bool(question.answers) == (getattr(facts, slot) is not None)
            assert all(" " not in word for word in question.answers)
    assert len(set(ACTION_WORDS.values())) == len(ACTIONS)
    assert len(set(RELATION_WORDS.values())) == len(RELATIONS)


def test_contrasts_are_true_and_wrong_in_the_slot_they_name():
    named = set()
    for index in range(60):
        shot = sample_shot(SPLIT.rng(index), SPLIT)
        facts = facts_of(shot)
        true, wrong = contrast_questions(facts, SPLIT, np.random.default_rng(index))
        assert (true.answers, wrong.answers) == ({"yes": 1.0}, {"no": 1.0})
        assert true.text.lower() != wrong.text.lower()
        slot = true.topic.removeprefix("true_")
        assert wrong.topic == f"wrong_{slot}"
        named.add(slot)
    assert len(named) >= 6


def test_a_clip_of_which_nothing_is_known_is_asked_nothing_that_counts():
    import dataclasses

    facts = facts_of(sample_shot(SPLIT.rng(1), SPLIT))
    nothing = dataclasses.replace(
        facts, **dict.fromkeys([f.name for f in dataclasses.fields(facts)][:7])
    )
    rng = np.random.default_rng(0)
    assert not any(q.answers for q in contrast_questions(nothing, SPLIT, rng))
    assert not true_question(nothing, SPLIT, rng).answers


def test_strength_is_monotone_and_keeps_the_ends():
    values = [strength(s) for s in np.linspace(0, 1, 11)]
    assert (values[0], values[-1]) == (0.0, 1.0)
    assert values == sorted(values)
