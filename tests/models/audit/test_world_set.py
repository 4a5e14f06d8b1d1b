"""The built-in set: its labels are true, its ladders independent, its clips repeatable."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from critic_models.audit.labelled import STATIC, LabelledSet
from critic_models.audit.labelling import criteria_of
from critic_models.audit.run import audit
from critic_models.audit.world_grades import OTHER_DEFECT, SEVERAL
from critic_models.audit.world_set import world_set
from critic_models.audit.world_ties import ANOTHER_DEFECT, ANOTHER_SHOT, EQUALLY_SEVERE
from critic_models.world import (
    CRITERIA,
    DEFECTS,
    MOTION_CRITERIA,
    OVERALL,
    SLOTS,
    Take,
    film,
)
from critic_models.world.phrasings import PLACES
from oracle_judge import OracleJudge, takes_of, unfilmed, world_truth

PAIRS = 16
LADDERS, TWINS = 6, 4
QUALITY = (*CRITERIA, *OVERALL)


@pytest.fixture(scope="module")
def labelled() -> LabelledSet:
    return world_set(PAIRS)


@pytest.fixture(scope="module")
def takes(labelled) -> dict[str, Take]:
    return takes_of(labelled)


@pytest.fixture
def judge() -> OracleJudge:
    return OracleJudge(lambda clip, prompt, criterion: 0.5)


@pytest.fixture
def few_resamples(monkeypatch):
    monkeypatch.setattr("critic_models.audit.intervals.RESAMPLES", 20)


def measured(labelled, opinion, names=None):
    judge = OracleJudge(opinion)
    return audit(judge, unfilmed(labelled), names or list(judge.spec.criteria), "scores").criteria


def test_every_defect_and_slot_has_its_pairs(labelled):
    decided = Counter((p.criterion, p.kind) for p in labelled.pairs if p.preference != "tie")
    for defect in DEFECTS:
        for criterion in criteria_of(defect):
            # Both severities against the clean clip, and against each other if they are far enough.
            assert 2 * LADDERS <= decided.pop((criterion, defect)) <= 3 * LADDERS
    for slot in SLOTS:
        for kind in (f"wrong {slot}", f"other {slot}"):
            assert decided.pop(("text_alignment", kind)) == 2 * TWINS
    assert not decided
    assert {p.preference for p in labelled.pairs} == {"a", "tie"}


def test_the_better_clip_of_a_pair_is_less_damaged(labelled, takes):
    """Takes know their damage; labels were made from severities."""
    for pair in labelled.pairs:
        if pair.criterion == "text_alignment":
            continue
        better, worse = takes[pair.a.clip], takes[pair.b.clip]
        for take in (better, worse):
            assert pair.criterion in take.clear_criteria or (
                # A clip at rest has no motion to grade, and is worse for shaking all the same.
                pair.criterion == "temporal_quality" and not take.shot.moves
            )
        gap = worse.damage(pair.criterion) - better.damage(pair.criterion)
        if pair.preference == "a":
            assert better.shot == worse.shot
            assert gap >= (0.1 if better.damage(pair.criterion) == 0.0 else 0.25) - 1e-9
        else:
            assert gap == 0.0
            assert pair.a.clip != pair.b.clip


def test_grades_are_what_takes_say(labelled, takes):
    quality = [grade for grade in labelled.grades if grade.criterion in QUALITY]
    for grade in quality:
        take = takes[grade.shown.clip]
        assert grade.criterion in take.clear_criteria
        assert grade.grade == pytest.approx(1.0 - take.damage(grade.criterion), abs=1e-12)
    kinds = {grade.kind for grade in quality if grade.ladder is None}
    assert {SEVERAL, OTHER_DEFECT} <= kinds
    assert {grade.kind for grade in quality if grade.ladder is not None} == set(DEFECTS)
    several = [grade for grade in quality if grade.kind == SEVERAL]
    assert max(len(takes[grade.shown.clip].severities) for grade in several) >= 3


def test_about_half_of_the_graded_clips_are_intact_in_the_criterion(labelled):
    for criterion in QUALITY:
        grades = [grade for grade in labelled.grades if grade.criterion == criterion]
        intact = [grade for grade in grades if grade.grade == 1.0]
        assert 0.5 <= len(intact) / len(grades) < 0.6, criterion
        shown = [grade.shown.clip for grade in grades]
        assert len(set(shown)) == len(shown), "no clip counts twice"


def test_a_third_of_the_labels_are_ties(labelled):
    for criterion in labelled.criteria:
        labels = [p.preference for p in labelled.pairs if p.criterion == criterion]
        assert labels.count("tie") == labels.count("a") // 2, criterion
    kinds = Counter(p.kind for p in labelled.pairs if p.preference == "tie")
    assert min(kinds[kind] for kind in (EQUALLY_SEVERE, ANOTHER_DEFECT, ANOTHER_SHOT)) > 10
    again = [key for key in labelled.sources if key.endswith(" again")]
    assert any(" noise " in key for key in again)
    assert not any(" blur " in key for key in again), "a blur has no random numbers to draw anew"


def test_only_the_rungs_of_one_ladder_depend_on_each_other(labelled, takes):
    """Two defects behind one criterion never share a shot, nor two shots a group."""
    ladders = defaultdict(set)
    for pair in labelled.pairs:
        if pair.preference == "a" and pair.criterion in QUALITY:
            ladders[pair.criterion, pair.group].add(pair.kind)
    assert {len(kinds) for kinds in ladders.values()} == {1}
    shots = defaultdict(set)
    for grade in labelled.grades:
        if grade.criterion in QUALITY:
            shots[grade.group].add(takes[grade.shown.clip].shot.premise.seed)
    assert {len(seeds) for seeds in shots.values()} == {1}
    assert len(set.union(*shots.values())) == len(shots)


@pytest.mark.usefixtures("few_resamples")
def test_an_ideal_critic_is_right_in_everything(labelled):
    for name, figures in measured(labelled, world_truth(labelled)).items():
        assert figures.accuracy is not None
        assert figures.accuracy.value == 1.0, name
        assert figures.served_with_ties is not None
        assert figures.served_with_ties.value == 1.0, name
        assert figures.ece is not None
        assert figures.ece.value < 0.01, name
        assert figures.answered is not None
        assert figures.answered.value == 1.0
        if name == "text_alignment":
            assert figures.rephrasing_spread is not None
            assert figures.rephrasing_spread.value == 0.0
            assert figures.spearman is None
        else:
            assert figures.spearman is not None
            assert figures.spearman.value == pytest.approx(1.0), name
        has_twins = name in (*MOTION_CRITERIA, "text_alignment")
        assert (figures.static_wins is not None) == has_twins
        assert not figures.static_wins or figures.static_wins.value == 0.0


@pytest.mark.usefixtures("few_resamples")
def test_a_label_that_is_turned_round_is_noticed(labelled):
    at = next(i for i, p in enumerate(labelled.pairs) if p.kind == "banding")
    turned = replace(labelled.pairs[at], preference="b")
    pairs = (*labelled.pairs[:at], turned, *labelled.pairs[at + 1 :])
    found = measured(replace(labelled, pairs=pairs), world_truth(labelled), [turned.criterion])
    assert found[turned.criterion].accuracy.value < 1.0


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("defect", ["blur", "drop", "vanish"])
def test_a_blind_spot_shows_in_its_own_kind(labelled, takes, defect):
    truth = world_truth(labelled)

    def blind(clip, prompt, criterion):
        return 0.999 if takes[clip].severity(defect) else truth(clip, prompt, criterion)

    for name, figures in measured(labelled, blind, list(criteria_of(defect))).items():
        assert figures.by_kind[defect].value == 0.0
        others = [each.value for kind, each in figures.by_kind.items() if kind != defect]
        assert others == [1.0] * len(others), name
        assert figures.spearman is not None
        assert figures.spearman.value == 0.0
        assert figures.ece is not None
        assert figures.ece.value > 0.02


@pytest.mark.usefixtures("few_resamples")
def test_a_critic_that_does_not_read_places(labelled):
    truth = world_truth(labelled)
    places = sorted(PLACES.values(), key=len, reverse=True)

    def displaced(clip, prompt, criterion):
        if criterion != "text_alignment":
            return truth(clip, prompt, criterion)
        says = [place for place in places if place in prompt.lower()]
        ways = [prompt.replace(says[0], place) for place in places] if says else [prompt]
        return max(truth(clip, way, criterion) for way in ways)

    kinds = measured(labelled, displaced, ["text_alignment"])["text_alignment"].by_kind
    assert kinds["wrong scene"].value == kinds["other scene"].value == 0.0
    assert {each.value for kind, each in kinds.items() if "scene" not in kind} == {1.0}


@pytest.mark.usefixtures("few_resamples")
def test_a_critic_that_loves_stillness(labelled):
    truth = world_truth(labelled)

    def lazy(clip, prompt, criterion):
        return 0.9999 if STATIC in clip else truth(clip, prompt, criterion)

    names = [*MOTION_CRITERIA, "text_alignment"]
    for figures in measured(labelled, lazy, names).values():
        assert figures.static_wins is not None
        assert (figures.static_wins.value, figures.static_wins.n) == (1.0, PAIRS)


def test_clips_are_equal_at_every_call_and_differ_from_each_other(labelled, judge):
    keys = [key for key in labelled.sources if key.split(" ")[:2] == ["shot", "0"]]
    assert len(keys) >= 3
    first = {key: labelled.sources[key](judge).frames for key in keys}
    anew = world_set(PAIRS).sources
    again = {key: anew[key](judge).frames for key in reversed(keys)}
    assert len({frames.tobytes() for frames in first.values()}) == len(keys)
    assert all(np.array_equal(first[key], again[key]) for key in keys)


def test_both_ways_of_serving_are_in_it(labelled, judge):
    shares = Counter(labelled.parts[pair.group] for pair in labelled.pairs)
    assert len(shares) == 2
    assert min(shares.values()) > 0.4 * len(labelled.pairs)
    rendered, encoded = (labelled.sources[f"shot {i}"](judge) for i in (0, 1))
    assert rendered.frames.shape[1:3] == (128, 128)
    assert encoded.frames.shape[1:3] == (256, 256)
    assert encoded.source_num_frames == 24
    for pair in labelled.pairs:
        ways = {labelled.sources[shown.clip].__self__.presentation for shown in (pair.a, pair.b)}
        assert len(ways) == 1, "or the critic could tell two clips by how they are served"


def test_a_static_twin_stands_still_and_its_clip_does_not(labelled, takes):
    assert {pair.criterion for pair in labelled.static_pairs} == {
        *MOTION_CRITERIA,
        "text_alignment",
    }
    for pair in labelled.static_pairs[:5]:
        moving, twin = takes[pair.a.clip], takes[pair.b.clip]
        assert (pair.preference, moving.shot.moves) == ("a", True)
        assert (moving.damage(pair.criterion) if pair.criterion in QUALITY else 0.0) == 0.0
        bodies = [film(take, (32, 32), 4).truth.centres for take in (twin, moving)]
        held, free = (np.nanmax(np.ptp(centres, axis=0)) for centres in bodies)
        assert held < free


def test_captions_are_wrong_for_the_other_clip_and_true_for_their_own(labelled, takes):
    for pair in labelled.pairs:
        if pair.kind.startswith("other "):
            slot = pair.kind.removeprefix("other ")
            one, other = (takes[shown.clip].shot.premise for shown in (pair.a, pair.b))
            assert pair.a.prompt == pair.b.prompt
            values = {"object": (one.noun, other.noun), "scene": (one.scene, other.scene)}
            if slot in values:
                assert len(set(values[slot])) == 2
            elif slot == "relation":
                seen = {one.relation, other.relation}
                # Something behind another thing may stand to the left of it as well.
                assert not (seen & {"behind", "in front of"} and seen & {"left of", "right of"})
            elif slot == "count":
                assert 1 not in (one.count, other.count), "of three balls one is a ball"
    grades = Counter(g.grade for g in labelled.grades if g.criterion == "text_alignment")
    assert grades == {0.0: 2 * TWINS * len(SLOTS), 1.0: 2 * TWINS * len(SLOTS)}
    for each in labelled.paraphrases:
        assert len(set(each.prompts)) == len(each.prompts) >= 3


def test_its_size_is_proportional_to_the_pairs():
    small, large = (len(world_set(pairs).sources) for pairs in (12, 24))
    assert large / small == pytest.approx(2.0, rel=0.05)


def test_restricting_drops_what_is_not_needed(labelled):
    only = labelled.restrict(["sharpness"])
    assert only.criteria == ("sharpness",)
    assert {change.kind for change in only.changes} == {"blur"}
    assert {shown.clip for shown in only.shown()} == set(only.sources)
    assert not only.static_pairs
    assert not only.paraphrases
    assert {shown.clip for shown in labelled.shown()} == set(labelled.sources)
    assert labelled.restrict(["motion_continuity"]).changes_of(STATIC)
    assert not labelled.restrict(["beauty"]).sources


def test_one_pair_is_too_few():
    with pytest.raises(ValueError, match="at least 2 pairs"):
        world_set(1)
    assert set(world_set(2).criteria) == {*QUALITY, "text_alignment"}
