"""Totals are VBench's script's, and are there only where all their members are."""

from __future__ import annotations

from typing import Any

import pytest
from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.dimensions.totals import over_clips, totals
from critic_models.types import DimensionScore
from goldens import golden

RULES: dict[str, Any] = golden("rules")
TASKS: list[str] = RULES["tasks"]


def score(raw: float | None, weight: float | None = 1.0) -> DimensionScore:
    return DimensionScore("any", raw, None, None, 8, weight=weight)


@pytest.mark.parametrize("row", RULES["totals"])
def test_totals_are_the_script_s(row: list[Any]) -> None:
    numbers, quality, semantic, total = row
    found = totals(dict(zip(TASKS, numbers, strict=True)))
    assert found.quality == pytest.approx(quality, abs=1e-12)
    assert found.semantic == pytest.approx(semantic, abs=1e-12)
    assert found.total == pytest.approx(total, abs=1e-12)
    assert found.missing == ()


def test_the_edges_are_not_clamped() -> None:
    nothing, everything = (totals(dict.fromkeys(TASKS, x)) for x in (0.0, 1.0))
    assert nothing.total == pytest.approx(-0.5717, abs=1e-4)
    assert everything.semantic == pytest.approx(1.6913, abs=1e-4)


@pytest.mark.parametrize("gone", TASKS)
@pytest.mark.parametrize("number", [None, float("nan")])
def test_a_missing_member_takes_its_totals_with_it(gone: str, number: float | None) -> None:
    found = totals({**dict.fromkeys(TASKS, 0.5), gone: number})
    assert found.missing == (gone,)
    assert found.total is None
    quality = CATALOGUE[gone].group == "quality"
    assert (found.quality is None) is quality
    assert (found.semantic is None) is not quality
    lacking = {name: 0.5 for name in TASKS if name != gone}
    assert totals(lacking) == found


def test_the_members_are_vbench_s_sixteen() -> None:
    assert sorted(n for n, f in CATALOGUE.items() if f.scale is not None) == sorted(TASKS)
    assert len(TASKS) == 16


def test_over_clips_weighs_and_leaves_out() -> None:
    scores = [score(1.0, 3.0), score(0.0, 1.0), score(None, None), score(None)]
    assert over_clips("subject_consistency", scores) == 0.75
    assert over_clips("imaging_quality", [score(40.0), score(60.0)]) == 0.5
    assert over_clips("color", [score(None, None)]) is None
    assert over_clips("opencv_flow_magnitude", [score(3.0), score(5.0)]) == 4.0
