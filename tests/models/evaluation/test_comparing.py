"""Finished runs against each other, and the report: complete, self-contained, honest."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from critic_models.errors import InputError
from critic_models.evaluation.comparing import Comparison, compare, read_run, to_document
from critic_models.evaluation.report.clips import extremes
from critic_models.evaluation.report.page import render_report
from critic_models.evaluation.report.radar import curve, radar
from critic_models.evaluation.report.scale import reach
from evaluated_clips import evaluate_folder, setup_of, write_clip, write_clips

NAMES = ("temporal_flickering", "opencv_flow_magnitude", "opencv_motion_smoothness")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: `good`, and `<b>ad` with a broken clip, a missing prompt and one dimension less."""
    root = tmp_path_factory.mktemp("runs")
    write_clips(root / "clips", 8)
    evaluate_folder(root / "clips", root / "good", setup_of(*NAMES, "imaging_quality"))
    for seed in range(6):
        name = f"prompt {seed // 2}-{seed % 2}.mp4"
        write_clip(root / "others" / name, 50 + seed, num_frames=5)
    (root / "others" / "prompt 3-0.mp4").write_bytes(b"no video")
    evaluate_folder(root / "others", root / "<b>ad", setup_of(*NAMES[:2]))
    return root


def compared(folder: Path, *names: str) -> Comparison:
    return compare([read_run(folder / name, name) for name in names])


class Page(HTMLParser):
    """Checks that elements close in order, and gathers what a browser would fetch or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.alone: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.sources += [str(given[name]) for name in ("src", "srcset", "data") if name in given]
        self.ids += [str(given["id"])] if "id" in given else []
        self.links += [str(given["href"])] if "href" in given else []
        if tag == "img" and not given.get("alt"):
            self.alone.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(folder: Path) -> None:
    text = render_report(compared(folder, "good", "<b>ad"))
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert page.sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.findall(r"url\(|@import|https?://(?!\S*github)", text.split("</style>")[0])
    assert all(link.removeprefix("#") in page.ids for link in page.links)
    assert len(set(page.ids)) == len(page.ids)
    assert page.alone == []
    assert base64.b64decode(page.sources[0].partition(",")[2]).startswith(b"\xff\xd8\xff")
    assert "prefers-color-scheme: dark" in text
    assert "<b>ad" not in text
    assert "&lt;b&gt;ad" in text


def test_the_page_names_what_is_not_in_the_numbers(folder: Path) -> None:
    text = render_report(compared(folder, "good", "<b>ad"))
    assert "musiq_spaq" in text
    assert "1 clips could not be measured" in text
    assert "temporal_flickering lacks 1 of 7 clips" in text
    assert "prompt 3-0.mp4: The bytes are not a video" in text
    assert "16 of 16 members not measured" in text


def test_figures_and_tests_are_of_the_rows(folder: Path) -> None:
    comparison = compared(folder, "good", "<b>ad")
    good, bad = comparison.runs
    rows = [row.scores["temporal_flickering"].raw or 0.0 for row in good.rows.values()]
    found = comparison.figures["good", "temporal_flickering"]
    assert found is not None
    assert found.value == pytest.approx(sum(rows) / len(rows), abs=1e-12)
    number = good.summary["dimensions"]["temporal_flickering"]["number"]
    assert found.value == pytest.approx(number, abs=1e-12)
    against = comparison.against["<b>ad", "temporal_flickering"]
    means = {
        name: [
            sum(s.number for s in run.samples("temporal_flickering") if s.group == f"prompt {p}")
            / 2
            for p in ("prompt 0", "prompt 1", "prompt 2")
        ]
        for name, run in (("good", good), ("bad", bad))
    }
    expected = (sum(means["good"]) - sum(means["bad"])) / 3
    assert against.difference is not None
    assert against.difference.value == pytest.approx(expected, abs=1e-12)
    assert (against.num_prompts, against.left_out) == (3, 1)
    assert against.p is not None
    assert against.p in (2 / 8, 4 / 8, 6 / 8, 1.0)
    assert comparison.against["<b>ad", "opencv_motion_smoothness"].difference is None
    document = json.loads(json.dumps(to_document(comparison), allow_nan=False))
    assert document["against"]["<b>ad"]["temporal_flickering"]["prompts"] == 3
    assert document["baseline"] == "good"


def test_best_and_worst_are_at_the_ends(folder: Path) -> None:
    run = read_run(folder / "good", "good")
    numbers = sorted(sample.number for sample in run.samples("temporal_flickering"))
    found = extremes(run, "temporal_flickering")
    assert [case.number for case in found] == [numbers[-1], numbers[-2], numbers[1], numbers[0]]
    assert [case.label for case in found] == ["best", "best", "worst", "worst"]
    labels = [case.label for case in extremes(run, "opencv_flow_magnitude")]
    assert labels == ["most", "most", "least", "least"]
    assert extremes(run, "imaging_quality") == []


def test_a_clip_that_changed_is_not_shown_for_the_one_that_was_measured(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips", 2)
    evaluate_folder(tmp_path / "clips", tmp_path / "run")
    write_clip(tmp_path / "clips" / "prompt 0-0.mp4", 77)
    (tmp_path / "clips" / "prompt 0-1.mp4").unlink()
    text = render_report(compare([read_run(tmp_path / "run", "run")]))
    assert "not the one that was measured" in text
    assert "cannot be read any more" in text
    assert "<img" not in text


def test_runs_measured_otherwise_are_told_apart(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "good").iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    header = json.loads((tmp_path / "run.json").read_text())
    header["versions"]["av"] = "1"
    (tmp_path / "run.json").write_text(json.dumps(header))
    comparison = compare([read_run(folder / "good", "good"), read_run(tmp_path, "old")])
    assert comparison.differently == ["old was measured with another versions than good"]
    assert "may differ for that reason alone" in render_report(comparison)


def test_what_is_no_finished_run_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no run\.json"):
        read_run(tmp_path, "x")
    (tmp_path / "run.json").write_bytes((folder / "good" / "run.json").read_bytes())
    with pytest.raises(InputError, match="has not come to its end"):
        read_run(tmp_path, "x")
    good = read_run(folder / "good", "good")
    with pytest.raises(InputError, match="one name"):
        compare([good, good])
    with pytest.raises(InputError, match="1 to 6 runs"):
        compare([good] * 7)


def test_reach_by_hand() -> None:
    assert reach("temporal_flickering", (0.6293 + 1) / 2) == pytest.approx(0.5)
    assert reach("temporal_flickering", 0.1) == 0.0
    assert reach("imaging_quality", 0.65) == pytest.approx(0.65)
    assert reach("critic:sharpness", 0.3) == 0.3
    assert reach("opencv_flow_magnitude", 2.0) is None
    assert reach("of another version", 2.0) is None


def test_a_radar_is_open_where_a_number_lacks() -> None:
    axes = ["north", "east", "south", "west"]
    whole = radar(axes, {"a": [1.0, 0.5, 0.0, 0.25]})
    outline = re.search(r'class="run run-0" points="([^"]*)"', whole)
    assert outline is not None
    # The middle is at (360, 198) and the radius 170 pixels.
    assert outline[1] == "360.0,28.0 445.0,198.0 360.0,198.0 317.5,198.0"
    gap = radar(axes, {"a": [1.0, None, 1.0, 1.0]})
    assert 'polygon class="run run-0"' not in gap
    assert gap.count('<line class="run run-0"') == 2
    assert gap.count("<circle") == 3


def test_a_curve_goes_from_its_least_to_its_greatest() -> None:
    drawn = curve("x", [0.0, 2.0, 1.0])
    assert 'points="0.0,42.0 130.0,4.0 260.0,23.0"' in drawn
    assert "nan" not in curve("still", [0.5, 0.5])
    long = re.search('points="([^"]*)"', curve("long", list(range(10_000))))
    assert long is not None
    assert len(long[1].split()) <= 400
