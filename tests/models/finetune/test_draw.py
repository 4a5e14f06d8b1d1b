from __future__ import annotations

import numpy as np
import pytest
from critic_models.finetune.draw import draw_pair, known_facts, overall_of
from critic_models.world import CRITERIA, SPLITS, film, make_take
from critic_models.world.pairs import sample_suited

SPLIT = SPLITS["train"]


def test_pairs_of_quality_share_a_shot_and_differ_in_one_criterion():
    met = set()
    for index in range(80):
        drawn = draw_pair(np.random.default_rng(index), SPLIT, (1.0, 0.0))
        better, worse = drawn.takes
        assert drawn.criterion is not None
        assert better.shot == worse.shot
        assert better.seed == worse.seed
        assert worse.damage(drawn.criterion) > better.damage(drawn.criterion)
        others = [name for name in CRITERIA if name != drawn.criterion]
        if drawn.criterion != "motion_presence":
            assert all(better.damage(name) == worse.damage(name) for name in others)
        met.add(drawn.criterion)
    assert len(met) > 10


def test_pairs_of_what_is_shown_have_a_caption_for_the_first():
    for index in range(12):
        drawn = draw_pair(np.random.default_rng(index), SPLIT, (0.0, 1.0))
        assert drawn.caption
        assert drawn.slot
        assert drawn.criterion is None
        better, worse = drawn.takes
        assert better.severities == worse.severities
        assert better.shot != worse.shot


def test_other_pairs_have_nothing_in_common():
    drawn = draw_pair(np.random.default_rng(1), SPLIT, (0.0, 0.0))
    assert drawn.takes[0].shot != drawn.takes[1].shot
    assert (drawn.criterion, drawn.caption) == (None, None)


@pytest.mark.parametrize(("severity", "known"), [(0.0, True), (0.7, False)])
def test_a_shuffled_clip_says_nothing_of_action_and_direction(severity, known):
    shot = sample_suited("shuffle", SPLIT.rng(3), SPLIT)
    facts = known_facts(film(make_take(shot, {"shuffle": severity}, 1), (64, 64), 8))
    assert (facts.action is not None) == known
    assert facts.object == shot.premise.noun


def test_what_sums_up_a_criterion():
    assert overall_of("sharpness") == "visual_quality"
    assert overall_of("frame_order") == overall_of("motion_naturalness") == "temporal_quality"
    assert overall_of("physical_plausibility") is None
