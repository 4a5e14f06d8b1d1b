"""The file of results: torn lines, two writers, rows that are joined and sorted."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from critic_models.errors import InputError
from critic_models.evaluation import results as module
from critic_models.evaluation.results import RESULTS_FILE, InUse, Results, read_results, repair
from critic_models.evaluation.rows import BadRow, Row, finite
from critic_models.types import DimensionScore
from evaluated_clips import row_of
from hypothesis import given
from hypothesis import strategies as st

ROWS = [
    row_of(f"{name}.mp4", f"a {name} ☂ \udcff", a=i / 3, b=None) for i, name in enumerate("cab")
]


def settled(folder: Path, rows: list[Row]) -> bytes:
    with Results(folder) as results:
        for row in rows:
            if row.clip not in results.rows:
                results.append(row)
        results.settle()
    return (folder / RESULTS_FILE).read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("torn")


WHOLE = b"".join(row.to_line() for row in ROWS)


@given(cut=st.integers(0, len(WHOLE)), garbage=st.sampled_from([b"", b"\0" * 40, b"{\n", b"\0\n"]))
def test_a_file_cut_anywhere_is_gone_on_with(folder: Path, cut: int, garbage: bytes) -> None:
    path = folder / RESULTS_FILE
    path.unlink(missing_ok=True)
    expected = settled(folder, ROWS)
    torn = WHOLE[:cut] + garbage
    path.write_bytes(torn)
    kept = WHOLE[:cut].count(b"\n")
    with Results(folder) as results:
        assert list(results.rows) == [row.clip for row in ROWS[:kept]]
        whole = sum(len(row.to_line()) for row in ROWS[:kept])
        assert results.repaired_bytes == len(torn) - whole
    assert settled(folder, ROWS) == expected


def test_without_repair_a_torn_line_swallows_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / RESULTS_FILE).write_bytes(WHOLE[:-5])
    monkeypatch.setattr(module, "repair", lambda path: 0)
    with Results(tmp_path) as results:
        results.append(ROWS[2])
    with pytest.raises(BadRow, match="line 3"):
        read_results(tmp_path / RESULTS_FILE)


def test_a_bad_line_in_the_middle_is_no_torn_one(tmp_path: Path) -> None:
    lines = WHOLE.splitlines(keepends=True)
    (tmp_path / RESULTS_FILE).write_bytes(lines[0] + b"{}\n" + lines[1])
    with pytest.raises(BadRow, match=r"results\.jsonl, line 2"):
        Results(tmp_path)
    assert repair(tmp_path / RESULTS_FILE) == 0
    # The folder is free again.
    (tmp_path / RESULTS_FILE).unlink()
    Results(tmp_path).close()


def test_rows_of_one_clip_are_joined_and_all_are_sorted(tmp_path: Path) -> None:
    later = row_of("c.mp4", "another", b=0.5, c=1.0)
    assert settled(tmp_path, ROWS).count(b"\n") == 3
    with Results(tmp_path) as results:
        results.append(later)
        results.settle()
        # The file was replaced; what is appended must go into the new one.
        results.append(row_of("d.mp4", a=1.0))
    rows = read_results(tmp_path / RESULTS_FILE)
    assert list(rows) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    assert {name: each.raw for name, each in rows["c.mp4"].scores.items()} == {
        "a": 0.0,
        "b": 0.5,
        "c": 1.0,
    }
    assert rows["c.mp4"].prompt == "another"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Results(tmp_path), pytest.raises(InUse, match="another process"):
        Results(tmp_path)
    Results(tmp_path).close()


def test_rows_are_flushed_by_the_clock_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(module.os, "fsync", flushed.append)
    results = Results(tmp_path, flush_every_s=1e6)
    results.append(ROWS[0])
    assert (tmp_path / RESULTS_FILE).read_bytes() == ROWS[0].to_line()
    assert flushed == []
    results.close()
    assert len(flushed) == 1
    with Results(tmp_path, flush_every_s=0.0) as results:
        results.append(ROWS[1])
        assert len(flushed) == 2


@given(
    number=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    prompt=st.none() | st.text(),
    series=st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False)),
)
def test_a_row_survives_its_line(
    number: float | None, prompt: str | None, series: list[float] | None
) -> None:
    score = DimensionScore("x", number, number, None if series is None else tuple(series), 3)
    row = dataclasses.replace(ROWS[0], prompt=prompt, scores={"x": score})
    line = row.to_line()
    assert line.count(b"\n") == 1
    assert Row.from_line(line) == row
    assert Row.from_line(line).to_line() == line


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_none_with_a_reason(number: float) -> None:
    score = finite(DimensionScore("x", number, number, None, 3))
    assert (score.raw, score.value, score.weight) == (None, None, None)
    assert "not finite" in (score.reason or "")


@pytest.mark.parametrize("line", [b"", b"[]\n", b'{"clip": 3}\n', b"\xff\n", b"[" * 100_000])
def test_what_is_no_row_is_refused(line: bytes) -> None:
    with pytest.raises(InputError):
        Row.from_line(line)


def test_the_folder_is_made(tmp_path: Path) -> None:
    found: Any = settled(tmp_path / "a" / "b", ROWS[:1])
    assert found == ROWS[0].to_line()
