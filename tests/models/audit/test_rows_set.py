"""Rows that can be read, and one clear complaint for each that cannot."""

from __future__ import annotations

import json

import pytest
from critic_models.audit.labelled import LabelledGrade, LabelledPair, Shown
from critic_models.audit.rows_set import rows_set
from critic_models.errors import InputError
from critic_models.video.encode import encode_mp4
from critic_models.world import SPLITS, film, sample_take
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_judge import OracleJudge

CRITERIA = {"sharpness": False, "text_alignment": True}
PAIR = {"a": "x.mp4", "b": "y.mp4", "criterion": "sharpness", "preference": "b"}
GRADE = {"clip": "x.mp4", "prompt": "a fox", "criterion": "text_alignment", "grade": 0.75}


@pytest.fixture
def folder(tmp_path):
    for name in ("x.mp4", "y.mp4"):
        (tmp_path / name).write_bytes(b"video")
    return tmp_path


def read(folder, *rows):
    path = folder / "rows.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return rows_set(path, CRITERIA)


def test_pairs_and_grades(folder):
    found = read(folder, PAIR, "", {**PAIR, "preference": "tie", "prompt": "a fox"}, GRADE)
    x, y = Shown("x.mp4"), Shown("y.mp4")
    assert found.pairs == (
        LabelledPair(x, y, "sharpness", "b", "row", "line 1"),
        LabelledPair(
            Shown("x.mp4", "a fox"), Shown("y.mp4", "a fox"), "sharpness", "tie", "row", "a fox"
        ),
    )
    shown = Shown("x.mp4", "a fox")
    assert found.grades == (LabelledGrade(shown, "text_alignment", 0.75, "row", "a fox", "a fox"),)
    assert set(found.sources) == {"x.mp4", "y.mp4"}
    assert found.grades_are_absolute
    assert "2 pairs, 1 of them ties, and 1 grades, over 2 clips" in found.description


def test_clips_are_opened_beside_the_rows(folder):
    split = SPLITS["val"]
    frames = film(sample_take(split.rng(0), split, 0.0), (64, 64), 12).frames
    (folder / "x.mp4").write_bytes(encode_mp4(frames, 8.0))
    judge = OracleJudge(lambda clip, prompt, criterion: 0.5)
    clip = read(folder, PAIR).sources["x.mp4"](judge)
    # The seven steps between eight frames, each with both of its ends.
    assert clip.frames.shape == (14, 64, 64, 3)
    assert clip.sampling == judge.sampling.name


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("{", "not JSON"),
        ("[1]", "a row is a JSON object"),
        ({"a": "x.mp4", "b": "y.mp4", "criterion": "sharpness"}, "no 'preference'"),
        ({**PAIR, "preferance": 1}, "unknown 'preferance'"),
        ({**PAIR, "preference": "A"}, "preference is a, b or tie, not 'A'"),
        ({**PAIR, "criterion": "beauty"}, "no criterion 'beauty'; the critic has sharpness"),
        ({**PAIR, "criterion": "text_alignment"}, "the row has none"),
        ({**PAIR, "a": ""}, "a is text"),
        ({**PAIR, "a": 3}, "a is text"),
        ({**PAIR, "a": "absent.mp4"}, "absent.mp4 is not a file"),
        ({**PAIR, "a": "n" * 5000}, "is no path"),
        ({**PAIR, "prompt": " "}, "prompt is text"),
        ({**GRADE, "grade": 1.5}, r"grade is in \[0, 1\], not 1.5"),
        ({**GRADE, "grade": float("nan")}, r"grade is in \[0, 1\]"),
        ({**GRADE, "grade": True}, "grade is a number"),
        ({**GRADE, "grade": "good"}, "grade is a number"),
        ({**GRADE, "a": "x.mp4"}, "unknown 'a'"),
    ],
)
def test_a_bad_row_is_named_with_what_is_wrong(folder, row, complaint):
    with pytest.raises(InputError, match=rf"rows.jsonl, line 2: .*{complaint}"):
        read(folder, PAIR, row)


def test_a_file_without_rows_is_refused(folder):
    with pytest.raises(InputError, match="has no rows"):
        read(folder, "", " ")
    (folder / "rows.jsonl").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="not UTF-8"):
        rows_set(folder / "rows.jsonl", CRITERIA)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(["a", "b", "clip", "prompt", "criterion", "preference", "grade"])
ROWS = st.dictionaries(FIELDS, JSON_VALUES | st.sampled_from(["x.mp4", "sharpness", "tie"]))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(ROWS.map(json.dumps), st.text(max_size=40)))
def test_any_line_is_read_or_refused(folder, line):
    try:
        found = read(folder, line)
    except InputError:
        return
    assert len(found.pairs) + len(found.grades) >= 1
