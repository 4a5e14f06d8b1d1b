"""The report: one well-formed page that needs nothing else, and that everybody can read."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from critic_models.audit.report.filmstrip import filmstrip
from critic_models.audit.report.markup import estimate, table, tag, words
from critic_models.audit.report.page import render_report
from critic_models.audit.report.svg import (
    Line,
    Mark,
    Row,
    heatmap,
    interval_plot,
    panel_plot,
)
from critic_models.audit.run import audit
from critic_models.types import Clip
from oracle_judge import OracleJudge, clip_called, labelled_clips, truth

VOID = {"img", "meta"}
HOSTILE = '<script>alert("&")</script>'


class Page(HTMLParser):
    """Checks that elements nest, and keeps what is in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.ids: Counter[str] = Counter()
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, name, attributes):
        facts = {key: value or "" for key, value in attributes}
        self.elements.append((name, facts))
        self.ids.update([facts["id"]] if "id" in facts else [])
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        return [facts for each, facts in self.elements if each == name]


@pytest.fixture(scope="module")
def audited():
    return audit(OracleJudge(truth), labelled_clips(8), method="both_orders")


@pytest.fixture(scope="module")
def page(audited) -> Page:
    return Page(render_report(audited, lambda clip: clip_called(clip)(None)))


def test_it_needs_nothing_else(audited):
    text = render_report(audited, lambda clip: clip_called(clip)(None))
    found = Page(text)
    assert not found.all("script")
    assert not found.all("link")
    assert "@import" not in text
    assert "url(" not in text
    sources = [facts["src"] for facts in found.all("img")]
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert text == render_report(audited, lambda clip: clip_called(clip)(None))


def test_every_plot_has_a_title_a_description_and_a_table(page):
    plots = page.all("svg")
    assert len(plots) >= 10
    for plot in plots:
        assert plot["role"] == "img"
        assert all(page.ids[name] == 1 for name in plot["aria-labelledby"].split())
    assert max(page.ids.values()) == 1, "no two plots share an id"
    summaries = "".join(page.text).count("the numbers")
    assert summaries >= 6
    assert all("alt" in image for image in page.all("img"))
    assert all(cell["scope"] in ("col", "row") for cell in page.all("th"))


def test_its_contents_lead_to_sections(page):
    links = [facts["href"] for facts in page.all("a")]
    assert len(links) >= 9
    assert all(page.ids[link.removeprefix("#")] == 1 for link in links)
    assert page.all("html") == [{"lang": "en"}]


def test_it_says_the_verdict_in_words(page):
    text = " ".join(page.text)
    assert "✓ safe" in text or "… unproven" in text
    assert "? not measured" in text
    assert "steadiness was not measured" in text
    for heading in ("Position bias", "Worst cases", "Effect of every change", "Reliability of"):
        assert heading in text


def test_the_better_clip_is_above(audited, page):
    sides = {case.pair.preference for case in audited.criteria["sharpness"].worst}
    assert sides == {"a", "b"}, "or this test would see half of it"
    shown = [text for text in page.text if text.startswith(("better: ", "worse: "))]
    assert [text.split(":")[0] for text in shown] == ["better", "worse"] * (len(shown) // 2)
    assert not [text for text in shown if text.startswith("better") and " 0." in text]
    assert all(" 0." in text for text in shown if text.startswith("worse"))


def test_it_is_light_and_dark(audited):
    text = render_report(audited, lambda clip: clip_called(clip)(None))
    assert "prefers-color-scheme: dark" in text
    assert "color-scheme: light dark" in text


def test_names_are_no_markup(audited):
    case = audited.criteria["sharpness"].worst[0]
    pair = replace(case.pair, kind=HOSTILE)
    figures = replace(audited.criteria["sharpness"], worst=[replace(case, pair=pair)])
    hostile = replace(
        audited,
        set_name=HOSTILE,
        set_description=HOSTILE,
        unreadable={HOSTILE: HOSTILE},
        criteria={**audited.criteria, "sharpness": figures},
        limits=[HOSTILE],
    )
    found = Page(render_report(hostile, lambda clip: clip_called(clip)(None)))
    assert not found.all("script")
    assert "".join(found.text).count(HOSTILE) == 6


def test_a_critic_that_is_asked_nothing_in_pairs_says_so(audited):
    scores = audit(OracleJudge(truth), labelled_clips(4), method="scores")
    text = render_report(scores, lambda clip: clip_called(clip)(None))
    assert "were never shown together" in text
    assert "Position bias" in text, "two scores are compared in both orders all the same"


def test_marks_are_where_their_numbers_are():
    row = Row("a", [Mark(0.5, 0.25, 0.75), Mark(9.0, -9.0, 9.0, "second")], [0.0])
    drawing = Page(interval_plot("t", "d", [row], 0.0, 1.0, 0.5))
    disc = float(drawing.all("circle")[0]["cx"])
    first, second = (x for x in drawing.all("line") if x["class"].startswith("whisker"))
    assert disc == pytest.approx((float(first["x1"]) + float(first["x2"])) / 2, abs=0.02)
    left, right = float(second["x1"]), float(second["x2"])
    assert disc == pytest.approx((left + right) / 2, abs=0.02), "values outside are at the edges"
    guides = [line for line in drawing.all("line") if line["class"] == "guide"]
    assert float(guides[0]["x1"]) == pytest.approx(left)


def test_lines_fall_where_values_fall():
    line = Line([(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)], [(0.0, 0.9, 1.0), (1.0, 0.0, 0.1)])
    drawing = Page(panel_plot("t", "d", [line], "severity", diagonal=True))
    points = [
        tuple(map(float, point.split(",")))
        for point in drawing.all("polyline")[0]["points"].split()
    ]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points), "down is larger in SVG"
    assert len(drawing.all("polygon")[0]["points"].split()) == 4


def test_cells_are_coloured_by_sign_and_size():
    drawing = Page(heatmap("t", "d", ["r"], ["a", "b", "c"], [[1.0, -0.5, None]], {(0, 1)}))
    cells = [rect for rect in drawing.all("rect") if rect["class"].startswith("cell")]
    assert [cell["class"] for cell in cells] == ["cell first", "cell second"]
    assert [float(cell["fill-opacity"]) for cell in cells] == [0.6, 0.3]
    outlines = [rect for rect in drawing.all("rect") if rect["class"] == "outline"]
    assert [outline["x"] for outline in outlines] == [cells[1]["x"]]
    assert "–" in drawing.text


def test_a_filmstrip_shows_frames_in_order():
    shades = np.linspace(0, 240, 12).astype(np.uint8)
    frames = np.broadcast_to(shades[:, None, None, None], (12, 48, 64, 3)).copy()
    at = np.arange(12)
    clip = Clip(frames, at / 8, at, 12, 8.0, 1.5, "id", "all")
    (image,) = Page(filmstrip(clip, f"a {HOSTILE}")).all("img")
    assert image["alt"] == f"8 frames of a {HOSTILE}"
    data = base64.b64decode(image["src"].split(",", 1)[1])
    strip = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert strip.shape == (96, int(image["width"]))
    centres = strip[48, 64 :: 128 + 3][:8].astype(int)
    expected = shades[np.linspace(0, 11, 8).round().astype(int)]
    assert np.abs(centres - expected).max() <= 4, "JPEG at quality 82 keeps flat shades"


def test_markup_escapes_and_lays_out():
    assert tag("p", "x", class_="a", aria_label='"') == '<p class="a" aria-label="&quot;">x</p>'
    assert words("b", "<") == "<b>&lt;</b>"
    assert tag("img", src="s") == '<img src="s">'
    assert estimate(None) == "–"
    found = Page(table("c", ["name", "number", "words:"], [["a", "1", "b"]]))
    assert [cell.get("class") for cell in found.all("td")] == ["number", None]
    assert "words" in found.text
