"""What a defect says of a clip: its criteria, its grades, and what it leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from critic_models.audit.labelled import STATIC, Shown
from critic_models.audit.labelling import (
    criteria_of,
    label_ladder,
    open_effects,
    stratified_severities,
)
from critic_models.world import CRITERIA, DEFECTS, FILMED, OVERALL, STAGED, defects_of


def test_a_defect_lowers_its_own_criterion_and_the_one_that_sums_it_up():
    assert criteria_of("blur") == ("sharpness", "visual_quality")
    assert criteria_of("drop") == ("motion_continuity", "temporal_quality")
    assert criteria_of("vanish") == ("physical_plausibility",)
    for defect in DEFECTS:
        expected = {c for c in (*CRITERIA, *OVERALL) if defect in defects_of(c)}
        assert set(criteria_of(defect)) == expected


def test_severities_are_spread_evenly():
    drawn = stratified_severities(10, 3, np.random.default_rng(0))
    assert drawn.shape == (10, 3)
    assert (np.diff(drawn, axis=1) > 0).all()
    assert drawn.min() >= 0.1
    assert drawn.max() <= 1.0
    everything = np.sort(drawn.ravel())
    evenly = 0.1 + 0.9 * (np.arange(30) + 0.5) / 30
    assert np.abs(everything - evenly).max() <= 0.9 / 30 / 2 + 1e-12


def test_a_ladder_is_labelled_from_its_severities():
    rungs = [(Shown("clean"), 0.0), (Shown("mild"), 0.1), (Shown("fair"), 0.3), (Shown("bad"), 0.9)]
    labels = label_ladder("blur", rungs, "ladder", "group")
    pairs = [(p.a.clip, p.b.clip) for p in labels.pairs if p.criterion == "sharpness"]
    # Mild and fair are too near to be told apart; from a clean clip everything differs.
    assert sorted(pairs) == sorted(
        [("clean", "mild"), ("clean", "fair"), ("clean", "bad"), ("mild", "bad"), ("fair", "bad")]
    )
    assert {p.preference for p in labels.pairs} == {"a"}
    assert {p.criterion for p in labels.pairs} == {"sharpness", "visual_quality"}
    grades = {g.shown.clip: g.grade for g in labels.grades if g.criterion == "visual_quality"}
    assert grades == pytest.approx({"clean": 1.0, "mild": 0.9, "fair": 0.7, "bad": 0.1})
    assert {g.ladder for g in labels.grades} == {"ladder"}
    assert [(c.before.clip, c.after.clip, c.severity) for c in labels.changes] == [
        ("clean", "mild", 0.1),
        ("clean", "fair", 0.3),
        ("clean", "bad", 0.9),
    ]


def test_what_may_go_either_way_is_no_mistake():
    found = open_effects((*DEFECTS, STATIC))
    assert ("freeze", "motion_naturalness") in found
    assert (STATIC, "physical_plausibility") in found
    assert ("stillness", "motion_continuity") in found
    # A caption of what happens may be wrong once it happens otherwise; of how it is filmed, not.
    assert {kind for kind, criterion in found if criterion == "text_alignment"} == {*STAGED, STATIC}
    for defect in ("blur", "noise", "banding"):
        assert not [criterion for kind, criterion in found if kind == defect], defect
    assert ("blur", "cleanness") not in open_effects(FILMED)
