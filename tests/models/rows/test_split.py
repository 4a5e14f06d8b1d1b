from __future__ import annotations

import pytest
from critic_models.errors import InputError
from critic_models.rows import PairRow, PointRow, Preference3, Row, leaks, split_rows
from critic_models.rows import split as split_module
from hypothesis import given
from hypothesis import strategies as st


def point(clip: str, prompt: str | None = None) -> PointRow:
    return PointRow(clip=clip, criterion="x", label=1.0, prompt=prompt)


def pair(a: str, b: str, prompt: str | None = None) -> PairRow:
    return PairRow(a=a, b=b, criterion="x", preference=Preference3(1, 0, 0), prompt=prompt)


clips = st.integers(0, 40).map(lambda n: f"{n}.mp4")
prompts = st.none() | st.integers(0, 40).map(lambda n: f"prompt {n}")
rows = st.lists(st.builds(point, clips, prompts) | st.builds(pair, clips, clips, prompts))


@given(rows, st.floats(0.0, 0.9), st.integers(0, 3))
def test_no_prompt_and_no_clip_is_on_both_sides(rows, share, seed):
    try:
        split = split_rows(rows, share, seed)
    except InputError:
        return
    assert leaks(split.train, split.validation) == []
    assert sorted(map(repr, split.train + split.validation)) == sorted(map(repr, rows))
    # A group is at most twice what was missing when it was taken.
    assert len(split.validation) <= max(1, 2 * share * len(rows))
    assert split_rows(rows, share, seed) == split


def test_the_share_is_met_with_small_groups():
    rows = [point(f"{n}.mp4", f"prompt {n // 4}") for n in range(400)]
    split = split_rows(rows, 0.1)
    assert split.num_groups == 100
    assert split.largest_group == 4
    assert len(split.validation) == 40


def test_prompts_are_the_same_in_any_case_and_spacing():
    assert leaks([point("1", "A  cat")], [point("2", "a cat")]) == ["prompt a cat"]
    assert leaks([point("1", "a cat")], [point("2", "a dog"), point("1")]) == ["clip 1"]


def test_rows_chained_by_clips_are_one_group():
    chain: list[Row] = [pair(f"{n}.mp4", f"{n + 1}.mp4", f"prompt {n}") for n in range(10)]
    with pytest.raises(InputError, match=r"1 groups .* the largest of 10 rows"):
        split_rows(chain, 0.2)


def test_later_rows_move_few_others():
    rows: list[Row] = [point(f"{n}.mp4", f"prompt {n}") for n in range(1000)]
    before = {row.clips for row in split_rows(rows[:900], 0.1).validation}
    after = {row.clips for row in split_rows(rows, 0.1).validation}
    assert len(before - after) <= 10


def test_clips_that_move_to_another_folder_stay_on_their_side():
    def names(folder: str) -> set[str]:
        rows = [pair(f"{folder}/{n}.mp4", f"{folder}/{n}b.mp4") for n in range(100)]
        return {row.clips[0].rsplit("/", 1)[1] for row in split_rows(rows, 0.2).validation}

    assert names("/data/one") == names("/elsewhere")


def test_a_split_row_by_row_leaks(monkeypatch):
    """The mutant that the test of leaks must catch."""
    rows = [point(f"{n}.mp4", f"prompt {n // 4}") for n in range(400)]
    monkeypatch.setattr(split_module, "_groups", lambda rows: list(range(len(rows))))
    split = split_rows(rows, 0.105)
    assert leaks(split.train, split.validation)
