from __future__ import annotations

import numpy as np
import pytest
from critic_models.world import (
    CRITERIA,
    DEFECTS,
    MOTION_CRITERIA,
    OVERALL,
    SPLITS,
    criterion_of,
    defects_of,
    film,
    make_take,
    sample_ladder,
    sample_pair,
    sample_static_pair,
    sample_tie,
)
from critic_models.world.catalogue import DOUBTFUL, INDIFFERENT
from critic_models.world.pairs import STEPS, sample_suited
from critic_models.world.spoil import suits

SPLIT = SPLITS["val"]
CASES = [(criterion, defect) for criterion in CRITERIA for defect in CRITERIA[criterion]]


def test_every_defect_lowers_exactly_one_criterion():
    named = [defect for defects in CRITERIA.values() for defect in defects]
    assert sorted(named) == sorted(DEFECTS)
    assert all(defect in CRITERIA[criterion_of(defect)] for defect in DEFECTS)
    assert set(INDIFFERENT) == {*CRITERIA, *OVERALL}
    for criterion, besides in INDIFFERENT.items():
        assert not set(besides) & set(defects_of(criterion))


def test_a_take_says_what_is_clear_and_how_bad_it_is():
    shot = sample_suited("teleport", SPLIT.rng(0), SPLIT)
    take = make_take(shot, {"teleport": 0.5, "drop": 0.5, "freeze": 0.2, "blur": 0.3}, 1)
    assert take.damage("motion_continuity") == pytest.approx(1 - 0.5 * 0.8)
    assert take.damage("sharpness") == pytest.approx(0.3)
    assert take.damage("cleanness") == 0.0
    doubtful = {*CRITERIA, *OVERALL} - set(take.clear_criteria)
    assert doubtful == {
        "steadiness",
        "motion_presence",
        "motion_naturalness",
        "physical_plausibility",
        "temporal_quality",
    }
    assert take.damage("visual_quality") == pytest.approx(0.3)
    assert make_take(shot, {}, 1).clear_criteria == (*CRITERIA, *OVERALL)
    still = sample_suited("unsupported", SPLIT.rng(0), SPLIT)
    assert make_take(still, {}, 1).damage("motion_presence") == 1.0
    assert set(make_take(still, {}, 1).clear_criteria) & {*MOTION_CRITERIA} == {"motion_presence"}
    for criterion, besides in DOUBTFUL.items():
        assert not set(besides) & set(defects_of(criterion))
        assert not set(besides) & set(INDIFFERENT[criterion])


def test_a_clip_that_stands_still_is_worse_in_every_criterion_of_motion():
    shot = sample_suited("stillness", SPLIT.rng(0), SPLIT)
    moving, half, still = (make_take(shot, {"stillness": s}, 1) for s in (0.0, 0.5, 1.0))
    for criterion in MOTION_CRITERIA:
        assert (moving.damage(criterion), still.damage(criterion)) == (0.0, 1.0)
        assert criterion in still.clear_criteria
    assert "motion_continuity" not in half.clear_criteria
    with pytest.raises(ValueError, match="no criterion"):
        defects_of("beauty")


@pytest.mark.parametrize(("criterion", "defect"), CASES)
def test_a_pair_differs_in_the_severity_of_one_defect(criterion, defect):
    for index in range(6):
        pair = sample_pair(criterion, SPLIT.rng(index), SPLIT, defect)
        assert not pair.tie
        assert (pair.criterion, pair.defect) == (criterion, defect)
        assert pair.better.shot == pair.worse.shot
        assert pair.better.seed == pair.worse.seed
        assert pair.better.severity(defect) < pair.worse.severity(defect) <= 1.0
        assert pair.worse.severity(defect) >= 0.1
        others = {name for name, _ in (*pair.better.severities, *pair.worse.severities)}
        assert others == {defect}
    clips = [film(take, (64, 64), 8).frames for take in (pair.better, pair.worse)]
    assert not np.array_equal(*clips)


@pytest.mark.parametrize(("criterion", "defect"), CASES)
def test_a_tie_is_equal_in_its_criterion_and_different_in_something(criterion, defect):
    kinds = set()
    for index in range(8):
        tie = sample_tie(criterion, SPLIT.rng(index), SPLIT, defect)
        one, other = tie.better, tie.worse
        assert tie.tie
        assert one.shot == other.shot
        assert all(one.severity(d) == other.severity(d) for d in CRITERIA[criterion])
        assert (one.seed, one.severities) != (other.seed, other.severities)
        different = {name for name, _ in set(one.severities) ^ set(other.severities)}
        assert different <= set(INDIFFERENT[criterion])
        kinds.add(bool(different))
    assert True in kinds


def test_a_drawn_defect_is_one_of_the_criterion():
    drawn = {sample_pair("background_consistency", SPLIT.rng(i), SPLIT).defect for i in range(20)}
    assert drawn == set(CRITERIA["background_consistency"])


def test_better_takes_are_clean_or_have_less():
    lows = [
        sample_pair("sharpness", SPLIT.rng(i), SPLIT).better.severity("blur") for i in range(60)
    ]
    assert 20 < sum(low == 0 for low in lows) < 55


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_ladder_is_one_shot_in_rising_severities(defect):
    ladder = sample_ladder(defect, SPLIT.rng(3), SPLIT)
    assert tuple(take.severity(defect) for take in ladder) == STEPS
    assert len({take.shot for take in ladder}) == 1
    assert len({take.seed for take in ladder}) == 1


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_shot_drawn_for_a_defect_suits_it(defect):
    for index in range(5):
        assert suits(defect, sample_suited(defect, SPLIT.rng(index, 4), SPLIT))


def test_a_static_pair_is_a_moving_take_and_its_still():
    for index in range(5):
        pair = sample_static_pair(SPLIT.rng(index), SPLIT)
        moving, still = (film(take, (64, 64), 6).truth for take in (pair.better, pair.worse))
        assert still.body_motion.max() == still.camera_motion == 0.0
        assert moving.body_motion.max() > 5.0


def test_what_does_not_exist_is_refused():
    rng = SPLIT.rng(0)
    with pytest.raises(ValueError, match="there are: sharpness"):
        sample_pair("beauty", rng, SPLIT)
    with pytest.raises(ValueError, match="blur does not lower steadiness"):
        sample_pair("steadiness", rng, SPLIT, "blur")
    with pytest.raises(ValueError, match="there are: blur"):
        sample_suited("sparkle", rng, SPLIT)
