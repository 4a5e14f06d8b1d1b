"""The page about dimensions is what the code says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from critic_models.dimensions import page as page_module
from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.dimensions.page import page
from critic_models.dimensions.weights import WEIGHTS

CHECKED_IN = Path(__file__).parents[3] / "docs" / "dimensions.md"


def test_the_page_is_what_the_code_says() -> None:
    assert CHECKED_IN.read_text(encoding="utf-8") == page(), (
        "run `python -m critic_models.dimensions > docs/dimensions.md` and look at the change"
    )


def test_a_changed_fact_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dict(CATALOGUE)
    changed["color"] = replace(changed["color"], differences=("nothing",))
    monkeypatch.setattr(page_module, "CATALOGUE", MappingProxyType(changed))
    assert CHECKED_IN.read_text(encoding="utf-8") != page()


def test_everything_is_on_it_once() -> None:
    text = page()
    for name, facts in CATALOGUE.items():
        assert text.count(f"\n### {name}\n") == 1
        assert text.count(f"| [`{name}`](") == 1
        assert all(each in text for each in facts.differences)
    for weights in WEIGHTS.values():
        assert weights.licence in text
        assert weights.file in text


def test_links_lead_to_headings() -> None:
    text = page()
    links = {part.split(")")[0] for part in text.split("](#")[1:]}
    headings = {
        line.removeprefix("### ").replace(".", "").lower()
        for line in text.splitlines()
        if line.startswith("### ")
    }
    assert links <= headings
    assert "(#vlmcolor)" in text


def test_tables_have_as_many_cells_as_headings() -> None:
    rows = [line for line in page().splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {7, 8}
