"""VBench's files, read as its own scripts read them; and what is kept out of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.evaluation.full_info import read_full_info
from critic_models.evaluation.manifest import WorkList, read_folder
from critic_models.evaluation.rows import Row
from critic_models.evaluation.suites import SUITES
from critic_models.evaluation.summary import Summary, summarise, to_document
from critic_models.evaluation.vbench_files import write_vbench_files
from critic_models.types import DimensionScore

SIXTEEN = SUITES["vbench"]
# Of scripts/constant.py: least, greatest, weight, and the group.
RANGES: dict[str, tuple[float, float, float, str]] = {
    "subject consistency": (0.1462, 1.0, 1, "q"),
    "background consistency": (0.2615, 1.0, 1, "q"),
    "temporal flickering": (0.6293, 1.0, 1, "q"),
    "motion smoothness": (0.706, 0.9975, 1, "q"),
    "dynamic degree": (0.0, 1.0, 0.5, "q"),
    "aesthetic quality": (0.0, 1.0, 1, "q"),
    "imaging quality": (0.0, 1.0, 1, "q"),
    "object class": (0.0, 1.0, 1, "s"),
    "multiple objects": (0.0, 1.0, 1, "s"),
    "human action": (0.0, 1.0, 1, "s"),
    "color": (0.0, 1.0, 1, "s"),
    "spatial relationship": (0.0, 1.0, 1, "s"),
    "scene": (0.0, 0.8222, 1, "s"),
    "appearance style": (0.0009, 0.2855, 1, "s"),
    "temporal style": (0.0, 0.364, 1, "s"),
    "overall consistency": (0.0, 0.364, 1, "s"),
}
FACTS = {"object": "cat", "color": "red"}


def script_totals(folder: Path) -> tuple[float, float, float]:
    """Do what scripts/cal_final_score.py does with a folder of results."""
    found: dict[str, float] = {}
    for path in folder.iterdir():
        content = json.loads(path.read_text())
        if isinstance(content, dict):
            found.update({key.replace("_", " "): content[key][0] for key in content})
    sums = {"q": [0.0, 0.0], "s": [0.0, 0.0]}
    for name, (least, greatest, weight, group) in RANGES.items():
        number = found.get(name, 0)
        sums[group][0] += (number - least) / (greatest - least) * weight
        sums[group][1] += weight
    quality, semantic = (total / weight for total, weight in sums.values())
    return quality, semantic, (quality * 4 + semantic) / 5


def score(name: str, raw: float, num_frames: int = 4) -> DimensionScore:
    series = (raw,) * num_frames
    pooled = name in ("subject_consistency", "background_consistency", "appearance_style")
    return DimensionScore(
        name, raw, None, series, num_frames, weight=float(num_frames) if pooled else 1.0
    )


def evaluated(tmp_path: Path, numbers: list[dict[str, float]]) -> tuple[WorkList, dict[str, Row]]:
    """Make up clips of one prompt that is for everything."""
    clips = tmp_path / "clips"
    clips.mkdir()
    rows = {}
    for index, each in enumerate(numbers):
        key = f"a red cat-{index}.mp4"
        (clips / key).write_bytes(b"x")
        scores = {name: score(name, raw, 4 + index) for name, raw in each.items()}
        rows[key] = Row(key, "a red cat", FACTS, 1, f"{index}", 4 + index, None, scores)
    info = tmp_path / "info.json"
    entry = {
        "prompt_en": "a red cat",
        "dimension": list(SIXTEEN),
        "auxiliary_info": {"object_class": {"object": "cat"}, "color": {"color": "red"}},
    }
    info.write_text(json.dumps([entry]))
    return read_full_info(info, clips, SIXTEEN, samples=len(numbers)), rows


def both(work: WorkList, rows: dict[str, Row], out: Path, **how: Any) -> tuple[Summary, Any, Any]:
    summary = summarise(work, rows, SIXTEEN, {})
    out.mkdir(exist_ok=True)
    write_vbench_files(out, work, rows, summary.figures, **how)
    results = json.loads((out / "vbench" / "critic_eval_results.json").read_text())
    info = json.loads((out / "vbench" / "critic_full_info.json").read_text())
    return summary, results, info


def test_the_script_finds_our_totals(tmp_path: Path) -> None:
    ones = dict.fromkeys(SIXTEEN, 0.75) | {"dynamic_degree": 1.0, "imaging_quality": 60.0}
    others = dict.fromkeys(SIXTEEN, 0.25) | {"dynamic_degree": 0.0, "imaging_quality": 70.0}
    work, rows = evaluated(tmp_path, [ones, others])
    summary, results, _ = both(work, rows, tmp_path / "out")
    found = summary.totals
    assert summary.is_complete
    assert script_totals(tmp_path / "out" / "vbench") == pytest.approx(
        (found.quality, found.semantic, found.total), abs=1e-12
    )
    assert results["imaging_quality"][0] == 0.65
    assert [each["video_results"] for each in results["imaging_quality"][1]] == [60.0, 70.0]
    # On one device the two consistencies are means over frames, of which there are 4 and 5.
    pooled = (4 * 0.75 + 5 * 0.25) / 9
    assert results["subject_consistency"][0] == pytest.approx(pooled, abs=1e-12)
    assert results["aesthetic_quality"][0] == 0.5


def test_the_published_row_gives_its_totals(tmp_path: Path) -> None:
    row = (0.9623, 0.9652, 0.9866, 0.9692, 0.7097, 0.6198, 62.90, 0.8523, 0.6211, 0.9940)
    row += (0.8281, 0.6635, 0.5320, 0.2491, 0.2538, 0.2759)
    numbers = {name.replace(" ", "_"): raw for name, raw in zip(RANGES, row, strict=True)}
    work, rows = evaluated(tmp_path, [numbers])
    summary, _, _ = both(work, rows, tmp_path / "out")
    expected = (0.82756, 0.77037, 0.81612)
    assert script_totals(tmp_path / "out" / "vbench") == pytest.approx(expected, abs=1e-5)
    assert summary.totals.total == pytest.approx(expected[2], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("temporal_flickering", {"video_results": 1.0}),
        ("subject_consistency", {"video_results": 1.0}),
        ("background_consistency", {"video_results": 1.0, "video_sim": 4.0, "cnt_per_video": 4}),
        ("dynamic_degree", {"video_results": True}),
        ("human_action", {"video_results": True, "cor_num_per_video": 1}),
        ("color", {"video_results": 1.0, "cur_success_frame_rate": 1.0}),
        ("object_class", {"video_results": 1.0, "success_frame_count": 4, "frame_count": 4}),
        ("multiple_objects", {"video_results": 1.0, "success_frame_count": 4, "frame_count": 4}),
        ("scene", {"video_results": 1.0, "success_frame_count": 4, "frame_count": 4}),
        ("spatial_relationship", {"video_results": 1.0, "frame_results": [1.0] * 4}),
        (
            "appearance_style",
            {"video_results": 1.0, "frame_results": [1.0] * 4, "cur_sim": 1.0},
        ),
    ],
)
def test_each_clip_has_vbench_s_fields(tmp_path: Path, name: str, fields: dict[str, Any]) -> None:
    work, rows = evaluated(tmp_path, [dict.fromkeys(SIXTEEN, 1.0)])
    _, results, info = both(work, rows, tmp_path / "out")
    path = str(work.root / "a red cat-0.mp4")
    overall, clips = results[name]
    assert clips == [{"video_path": path, **fields}]
    assert all(type(clips[0][key]) is type(value) for key, value in fields.items())
    assert overall == pytest.approx(0.01 if name == "imaging_quality" else 1.0)
    (entry,) = info
    assert entry["video_list"] == [path]
    assert entry["auxiliary_info"]["color"] == {"color": "red"}


def test_what_lacks_a_clip_is_in_no_total_and_no_file(tmp_path: Path) -> None:
    work, rows = evaluated(tmp_path, [dict.fromkeys(SIXTEEN, 0.5)] * 3)
    key = "a red cat-1.mp4"
    lacking = DimensionScore("scene", None, None, None, 4, "blind", weight=None)
    rows[key].scores["scene"] = lacking  # type: ignore[index]
    summary, results, _ = both(work, rows, tmp_path / "out")
    assert "scene" not in results
    assert len(results) == 15
    figure = summary.figures["scene"]
    assert (figure.counted, figure.asked, figure.lacking) == (2, 3, {key: "blind"})
    found = summary.totals
    assert found.quality is not None
    assert (found.semantic, found.total) == (None, None)
    assert summary.incomplete == ("scene",)
    # What takes the mean of what is there would have a total.
    _, partial, _ = both(work, rows, tmp_path / "partial", partial=True)
    assert partial["scene"][0] == 0.5
    assert [each["video_path"] for each in partial["scene"][1]] == [
        str(work.root / f"a red cat-{i}.mp4") for i in (0, 2)
    ]


def test_a_missing_file_makes_its_dimensions_incomplete(tmp_path: Path) -> None:
    work, rows = evaluated(tmp_path, [dict.fromkeys(SIXTEEN, 0.5)] * 2)
    (work.root / "a red cat-1.mp4").unlink()
    (work.root / "stranger.mp4").write_bytes(b"x")
    work = read_full_info(tmp_path / "info.json", work.root, SIXTEEN, samples=2)
    del rows["a red cat-1.mp4"]
    document = to_document(summarise(work, rows, SIXTEEN, {}))
    assert document["missing_clips"] == ["a red cat-1.mp4"]
    assert document["extra_files"] == ["stranger.mp4"]
    assert document["complete"] is False
    assert set(document["totals"]["incomplete"]) == set(SIXTEEN)
    assert document["totals"]["total"] is None
    _, results, info = both(work, rows, tmp_path / "out")
    assert results == {}
    assert info[0]["video_list"] == [str(work.root / "a red cat-0.mp4")]


def test_what_cannot_be_measured_here_has_a_reason_and_identical_files_are_named(
    tmp_path: Path,
) -> None:
    work, rows = evaluated(tmp_path, [{"scene": 0.5}, {"scene": 0.5}])
    rows = {key: Row(key, None, {}, 1, "same", 4, None, row.scores) for key, row in rows.items()}
    summary = summarise(work, rows, ["scene", "color"], {"color": "no detector"})
    assert summary.figures["color"].unavailable == "no detector"
    assert (summary.figures["color"].asked, summary.figures["color"].is_complete) == (2, False)
    assert summary.identical == (("a red cat-0.mp4", "a red cat-1.mp4"),)
    assert summary.incomplete == ()


def test_a_plain_folder_is_one_entry_a_clip(tmp_path: Path) -> None:
    for key in ("a-0.mp4", "b-0.mp4"):
        (tmp_path / key).write_bytes(b"x")
    work = read_folder(tmp_path, prompts_from_names=True)
    rows = {
        key: Row(key, key[0], {}, 1, key, 4, None, {"scene": score("scene", 0.5)})
        for key in ("a-0.mp4", "b-0.mp4")
    }
    summary = summarise(work, rows, ["scene", "opencv_flow_magnitude"], {})
    (tmp_path / "out").mkdir()
    written = write_vbench_files(tmp_path / "out", work, rows, summary.figures)
    assert written == ["scene"]
    info = json.loads((tmp_path / "out/vbench/critic_full_info.json").read_text())
    assert info == [
        {"prompt_en": name, "dimension": ["scene"], "video_list": [str(tmp_path / f"{name}-0.mp4")]}
        for name in "ab"
    ]


def test_the_suite_is_the_sixteen() -> None:
    assert {name.replace("_", " ") for name in SIXTEEN} == set(RANGES)
    assert all(name in CATALOGUE for name in SUITES["default"])
