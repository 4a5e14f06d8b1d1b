from __future__ import annotations

import json
import math

import pytest
from critic_models.rows import (
    ChecklistRow,
    Origin,
    PairRow,
    PointRow,
    Preference3,
    RowError,
    parse_row,
    row_to_json,
)
from critic_models.rows.schema import MAX_PROMPT_CHARS, MAX_QUESTIONS, parse_json
from hypothesis import given
from hypothesis import strategies as st

POINT = {"clip": "a.mp4", "criterion": "sharpness", "grade": 0.5}
PAIR = {"a": "a.mp4", "b": "b.mp4", "criterion": "sharpness", "preference": "a"}
CHECKLIST = {"clip": "a.mp4", "answers": {"Is it sharp?": "yes"}}

names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
shares = st.floats(0.0, 1.0)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(str.strip)
triples = st.tuples(shares, shares, st.floats(0.01, 1.0)).map(
    lambda s: [x / math.fsum(s) for x in s]
)
common = {
    "prompt": texts.map(lambda text: text or None),
    "reason": texts,
    "weight": st.floats(1e-3, 1e3),
    "source": st.dictionaries(names, st.integers() | texts, max_size=3),
}
labels = (
    shares | names | triples.map(lambda s: dict(zip(("bad", "normal", "good"), s, strict=True)))
)
paths = names.map(lambda name: f"/clips/{name}.mp4")
rows = (
    st.builds(PointRow, clip=paths, criterion=names, label=labels, **common)
    | st.builds(
        PairRow,
        a=paths,
        b=paths,
        criterion=names,
        preference=triples.map(lambda s: Preference3(*s)),
        **common,
    ).filter(lambda row: row.a != row.b)
    | st.builds(
        ChecklistRow,
        clip=paths,
        answers=st.dictionaries(names, shares, min_size=1, max_size=5),
        **{**common, "reason": st.just("")},
    )
)


@given(rows)
def test_a_row_survives_its_file(row):
    line = json.dumps(row_to_json(row))
    assert parse_row(parse_json(line), "/clips") == row


def test_each_kind_is_read():
    where = Origin("rows.jsonl", 7)
    point = parse_row({**POINT, "reason": "soft edges", "weight": 2}, "/clips", where)
    assert point == PointRow(
        clip="/clips/a.mp4",
        criterion="sharpness",
        label=0.5,
        reason="soft edges",
        weight=2.0,
        origin=where,
    )
    pair = parse_row({**PAIR, "preference": {"a": 0.6, "tie": 0.3, "b": 0.1}}, "/clips")
    assert isinstance(pair, PairRow)
    assert pair.preference.swapped == Preference3(0.1, 0.3, 0.6)
    checklist = parse_row(
        {**CHECKLIST, "answers": {"One?": "Yes.", "Two?": False, "Three?": 0.25}}, "/clips"
    )
    assert isinstance(checklist, ChecklistRow)
    assert checklist.answers == {"One?": 1.0, "Two?": 0.0, "Three?": 0.25}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({}, "clip, or a and b"),
        ({**POINT, "grad": 1}, r"unknown fields \['grad'\]"),
        ({**POINT, "answer": "yes"}, "exactly one of grade, answer, label"),
        ({"clip": "a.mp4", "criterion": "x"}, "exactly one of"),
        ({"clip": "a.mp4", "grade": 1}, "criterion is missing"),
        ({**POINT, "grade": 1.01}, r"grade must be in \[0, 1\]"),
        ({**POINT, "grade": True}, "grade must be a number"),
        ({**POINT, "grade": [1]}, "grade must be a number"),
        ({"clip": "a.mp4", "criterion": "x", "answer": 0.5}, "answer must be yes or no"),
        ({"clip": "a.mp4", "criterion": "x", "label": {"good": 0.5}}, "sum to 0.5"),
        ({"clip": "a.mp4", "criterion": "x", "label": {}}, "probabilities by word"),
        ({**POINT, "weight": 0}, "weight must be above 0"),
        ({**POINT, "weight": 10**400}, "weight is too large"),
        ({**POINT, "prompt": 3}, "prompt must be a text"),
        ({**POINT, "prompt": "x" * (MAX_PROMPT_CHARS + 1)}, "at most 8192"),
        ({**POINT, "prompt": "\ud800"}, "not valid Unicode"),
        ({**POINT, "source": "me"}, "source must be an object"),
        ({**POINT, "clip": ""}, "path of a clip"),
        ({**POINT, "clip": "https://example.org/a.mp4"}, "is a URL"),
        ({**POINT, "clip": "../a.mp4"}, "leads out"),
        ({**POINT, "clip": "/etc/a.mp4"}, "leads out"),
        ({**POINT, "clip": "a\0.mp4"}, "NUL"),
        ({**PAIR, "b": "./a.mp4"}, "the same clip"),
        ({"a": "a.mp4", "criterion": "x", "preference": "a"}, "both clips"),
        ({**PAIR, "preference": "A"}, "preference must be"),
        ({**PAIR, "preference": {"a": 1.0}}, "preference must be"),
        ({**PAIR, "preference": {"a": 1.0, "tie": 1.0, "b": 0.0}}, "sum to 2"),
        ({**PAIR, "clip": "c.mp4"}, "unknown fields"),
        ({**CHECKLIST, "answers": {}}, "yes or no by question"),
        ({**CHECKLIST, "reason": "so"}, "unknown fields"),
        ({**CHECKLIST, "answers": {"One?": "maybe"}}, "must be yes or no"),
        ({**CHECKLIST, "answers": {" ": "yes"}}, "a question must have"),
        ({**CHECKLIST, "answers": {"a": "yes", "a ": "no"}}, "twice"),
        ({**CHECKLIST, "answers": dict.fromkeys(map(str, range(MAX_QUESTIONS + 1)), "yes")}, "256"),
    ],
)
def test_what_is_wrong_is_named(content, complaint):
    with pytest.raises(RowError, match=complaint):
        parse_row(content, "/clips")


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": Infinity}', "[" * 100_000]
)
def test_json_is_strict(text):
    with pytest.raises(RowError):
        parse_json(text)


words = st.text("ab/.~ \0\ud800", max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    [*POINT, *PAIR, *CHECKLIST, "answer", "label", "weight", "prompt", "reason", "source", "other"]
)


@given(st.dictionaries(fields, values, max_size=4), st.sampled_from([{}, POINT, PAIR, CHECKLIST]))
def test_any_object_is_a_row_or_a_row_error(content, valid):
    try:
        row = parse_row({**valid, **content}, "/clips")
    except RowError:
        return
    assert all(clip.startswith("/clips/") for clip in row.clips)
    assert row.weight > 0
