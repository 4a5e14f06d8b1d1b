"""The built-in set: its labels are true, its clips repeatable, a third of its labels ties."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from critic_models.audit.labelled import STATIC, LabelledSet
from critic_models.audit.spoiled import OVERALL, criteria_of, stratified_severities
from critic_models.audit.world_set import world_set
from critic_models.finetune.questions import CRITERION_OF_DEFECT
from critic_models.world import DEFECTS, SLOTS, SPLITS, sample_scene
from oracle_judge import OracleJudge

SCENES = 8


@pytest.fixture(scope="module")
def labelled() -> LabelledSet:
    return world_set(SCENES)


@pytest.fixture(scope="module")
def judge() -> OracleJudge:
    return OracleJudge(lambda clip, prompt, criterion: 0.5)


def test_every_defect_and_slot_has_a_pair_for_each_scene(labelled):
    decided = Counter((p.criterion, p.kind) for p in labelled.pairs if p.preference != "tie")
    for defect in DEFECTS:
        for criterion in criteria_of(defect):
            assert decided[criterion, defect] == SCENES
    assert {decided["text_alignment", f"wrong {slot}"] for slot in SLOTS} == {SCENES}
    assert {p.preference for p in labelled.pairs} == {"a", "tie"}


def test_a_third_of_the_labels_are_ties():
    labelled = world_set(16)
    for criterion in labelled.criteria:
        labels = [p.preference for p in labelled.pairs if p.criterion == criterion]
        assert labels.count("tie") * 2 == labels.count("a"), criterion


def test_the_overall_criteria_answer_for_all_defects():
    assert sorted(d for defects in OVERALL.values() for d in defects) == sorted(DEFECTS)
    for defect, criterion in CRITERION_OF_DEFECT.items():
        assert criteria_of(defect)[0] == criterion


def test_clips_are_equal_at_every_call_and_differ_from_each_other(labelled, judge):
    keys = [key for key in labelled.sources if key.startswith("scene 0")]
    first = {key: labelled.sources[key](judge).frames for key in keys}
    again = {key: world_set(SCENES).sources[key](judge).frames for key in reversed(keys)}
    assert len({frames.tobytes() for frames in first.values()}) == len(keys)
    assert all(np.array_equal(first[key], again[key]) for key in keys)


def test_both_ways_of_serving_are_in_it(labelled, judge):
    assert len(set(labelled.parts.values())) == 2
    rendered, encoded = (labelled.sources[f"scene {i}"](judge) for i in (0, 1))
    assert rendered.frames.shape[1:3] == (128, 128)
    assert encoded.frames.shape[1:3] == (256, 256)
    assert encoded.source_num_frames == 24


def test_a_static_twin_stands_still_and_its_clip_does_not(labelled, judge):
    twin = labelled.sources[f"scene 0 {STATIC}"](judge).frames
    moving = labelled.sources["scene 0"](judge).frames
    assert (twin == twin[:1]).all()
    assert (moving != moving[:1]).any()
    kinds = {pair.criterion for pair in labelled.static_pairs}
    assert kinds == {"temporal_quality", "motion_continuity", "text_alignment"}
    assert all(pair.preference == "a" and STATIC in pair.b.clip for pair in labelled.static_pairs)


def test_wrong_captions_are_wrong_and_paraphrases_are_not(labelled):
    split = SPLITS["test"]
    for pair in labelled.pairs:
        if pair.criterion != "text_alignment" or pair.preference == "tie":
            continue
        scene = sample_scene(split.rng(int(pair.group.split()[1])), split)
        assert pair.a.prompt is not None
        assert all(value in pair.a.prompt for value in scene.slots.values())
        if pair.a.clip == pair.b.clip:
            assert pair.b.prompt is not None
            missing = [slot for slot in SLOTS if scene.slots[slot] not in pair.b.prompt]
            assert pair.kind == f"wrong {missing[0]}"
            assert len(missing) == 1
        else:
            other = sample_scene(split.rng(int(pair.b.clip.split()[1])), split)
            assert pair.b.prompt == pair.a.prompt
            assert other.slots != scene.slots
    for each in labelled.paraphrases:
        scene = sample_scene(split.rng(int(each.group.split()[1])), split)
        assert len(set(each.prompts)) == len(split.phrasings) + 1
        for prompt in each.prompts:
            assert all(value in prompt.lower() for value in scene.slots.values())


def test_grades_fall_with_severity_and_half_the_captions_are_true(labelled):
    for grade in labelled.grades:
        if grade.kind in DEFECTS:
            severity = float(grade.shown.clip.rsplit(" ", 1)[1])
            assert grade.grade == pytest.approx(1 - severity, abs=1e-3)
    captions = [g.grade for g in labelled.grades if g.criterion == "text_alignment"]
    assert sorted(captions) == [0.0] * SCENES + [1.0] * SCENES


def test_severities_are_spread_evenly():
    drawn = stratified_severities(10, 3, np.random.default_rng(0))
    assert drawn.shape == (10, 3)
    assert (np.diff(drawn, axis=1) > 0).all()
    assert drawn.min() >= 0.1
    assert drawn.max() <= 1.0
    everything = np.sort(drawn.ravel())
    evenly = 0.1 + 0.9 * (np.arange(30) + 0.5) / 30
    assert np.abs(everything - evenly).max() <= 0.9 / 30 / 2 + 1e-12


def test_restricting_drops_what_is_not_needed(labelled):
    only = labelled.restrict(["sharpness"])
    assert only.criteria == ("sharpness",)
    assert {change.kind for change in only.changes} == {"blur"}
    assert {shown.clip for shown in only.shown()} == set(only.sources)
    assert not only.static_pairs
    assert not only.paraphrases
    assert labelled.restrict(["motion_continuity"]).changes_of(STATIC)
    assert not labelled.restrict(["beauty"]).sources


def test_one_scene_is_too_few():
    with pytest.raises(ValueError, match="at least 2 scenes"):
        world_set(1)
