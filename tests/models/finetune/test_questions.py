from __future__ import annotations

import numpy as np
import pytest
from critic_models.finetune.questions import (
    CRITERION_OF_DEFECT,
    caption_questions,
    open_questions,
    quality_questions,
)
from critic_models.world import DEFECTS, SLOTS, SPLITS, sample_scene

NONE = dict.fromkeys(DEFECTS, 0.0)
SPLIT = SPLITS["train"]


def by_topic(severities: dict[str, float]) -> dict[str, dict[str, float]]:
    return {q.topic: dict(q.answers) for q in quality_questions({**NONE, **severities})}


def test_a_clean_clip_is_good_in_every_respect():
    answers = by_topic({})
    for criterion in CRITERION_OF_DEFECT.values():
        assert answers[criterion] == {"yes": 1.0, "no": 0.0}
    assert answers["visual_quality"]["good"] == 1.0
    assert answers["temporal_quality"]["good"] == 1.0


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_lowers_its_criterion_and_its_summary_only(kind):
    answers, clean = by_topic({kind: 0.5}), by_topic({})
    changed = {topic for topic in answers if answers[topic] != clean[topic]}
    summary = "visual_quality" if kind in ("blur", "noise", "blocking") else "temporal_quality"
    assert changed == {CRITERION_OF_DEFECT[kind], summary}
    assert answers[CRITERION_OF_DEFECT[kind]]["no"] > 0.5


def test_questions_do_not_depend_on_the_answer():
    texts = [q.text for q in quality_questions(NONE)]
    assert texts == [q.text for q in quality_questions(dict.fromkeys(DEFECTS, 1.0))]


def test_open_questions_have_the_slots_for_answers():
    scene = sample_scene(SPLIT.rng(1), SPLIT)
    answers = [next(iter(q.answers)) for q in open_questions(scene)]
    assert answers == [scene.colour, scene.shape, scene.direction]


def test_caption_questions_are_true_and_wrong_as_they_say():
    for index in range(20):
        scene = sample_scene(SPLIT.rng(index), SPLIT)
        asked = caption_questions(scene, SPLIT, np.random.default_rng(index), full=1, partial=2)
        assert len(asked) == 1 + len(SLOTS) + 4
        for question in asked:
            true = question.topic.endswith("true")
            assert question.answers == ({"yes": 1.0} if true else {"no": 1.0})
            if question.topic.startswith("caption"):
                named = {s for s in SLOTS if scene.slots[s] in question.text.lower()}
                wrong = set() if true else {question.topic.removeprefix("caption_")}
                assert set(SLOTS) - named == wrong
