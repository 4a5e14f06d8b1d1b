"""Packing: nothing lost, nothing twice, shared things shared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from critic_models.engine import Branch, WorkItem, pack
from critic_models.engine.packing import split_by_budget
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.prompts import Prefix, VisualGrid
from hypothesis import given, settings
from hypothesis import strategies as st

VISUAL, TEXT = 7, 1


def make_clip(name: str, tokens: int) -> PreparedClip:
    grid = VisualGrid(1, 1, tokens, (0.0,), 1.0)
    patches = torch.full((4 * tokens, 3), float(ord(name)))
    return PreparedClip(name, patches, (1, 2, 2 * tokens), grid)


def make_item(clips: list[tuple[str, int]], branch_lengths: list[int]) -> WorkItem:
    prepared = tuple(make_clip(name, tokens) for name, tokens in clips)
    ids = np.concatenate([[TEXT] + [VISUAL] * tokens for _, tokens in clips]).astype(np.int64)
    positions = np.tile(np.arange(len(ids)), (3, 1))
    prefix = Prefix(ids, ids == VISUAL, tuple(c.grid for c in prepared))
    branches = tuple(
        Branch(f"q{i}", np.full(n, 100 + i, dtype=np.int64), ("yes", "no"), (2, 3))
        for i, n in enumerate(branch_lengths)
    )
    return WorkItem(prepared, prefix, positions, len(ids), branches)


SIZES = {"a": 3, "b": 1, "c": 5}
ITEMS = st.lists(
    st.builds(
        lambda names, lengths: make_item([(n, SIZES[n]) for n in names], lengths),
        st.lists(st.sampled_from("abc"), min_size=1, max_size=2),
        st.lists(st.integers(1, 6), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(ITEMS)
def test_every_branch_ends_where_it_should(items: list[WorkItem]) -> None:
    batch = pack(items)
    branches = [b for item in items for b in item.branches]
    assert batch.branches_per_item == tuple(len(i.branches) for i in items)
    assert len(batch.branch_ends) == len(branches)
    assert len(set(batch.branch_ends.tolist())) == len(branches), "two branches share a row"
    for end, branch in zip(batch.branch_ends.tolist(), branches, strict=True):
        rows = batch.ids[end - len(branch.ids) + 1 : end + 1]
        assert rows.tolist() == branch.ids.tolist()
    prefixes = {item.prefix_key: len(item.prefix.ids) for item in items}
    expected = sum(prefixes.values()) + sum(len(b.ids) for b in branches)
    assert batch.num_tokens == expected == batch.layout.num_tokens


@settings(max_examples=60, deadline=None)
@given(ITEMS)
def test_every_visual_row_shows_its_own_clip(items: list[WorkItem]) -> None:
    batch = pack(items)
    merged = batch.patches[::4, 0]
    assert len(batch.grids) == len({key for item in items for key in item.prefix_key})
    shown = [chr(int(v)) for v in merged[batch.vision_rows]]
    keys: list[tuple[str, ...]] = []
    for item in items:
        if item.prefix_key not in keys:
            keys.append(item.prefix_key)
    firsts = [next(i for i in items if i.prefix_key == key) for key in keys]
    expected = [c.clip_id for item in firsts for c in item.clips for _ in range(c.num_tokens)]
    assert shown == expected
    assert batch.ids[batch.visual_rows].tolist() == [VISUAL] * len(expected)


def test_the_same_clip_twice_in_a_pair() -> None:
    batch = pack([make_item([("a", 3), ("a", 3)], [2])])
    assert len(batch.grids) == 1
    assert batch.vision_rows.tolist() == [0, 1, 2, 0, 1, 2]


def test_nothing_to_pack_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        pack([])


@settings(max_examples=60, deadline=None)
@given(ITEMS, st.sets(st.sampled_from("abc")))
def test_known_clips_bring_no_patches_and_keep_their_rows(
    items: list[WorkItem], names: set[str]
) -> None:
    everything = pack(items)
    known = {key for key, clip in everything.clips.items() if clip.clip_id in names}
    batch = pack(items, known)
    assert list(batch.clips) == list(everything.clips)
    assert batch.vision_rows.tolist() == everything.vision_rows.tolist()
    encoded = [key for key in batch.clips if key not in known]
    assert [clip.key for clip in batch.to_encode] == encoded
    assert batch.grids == tuple(batch.clips[key].patch_grid for key in encoded)
    expected = [v for key in encoded for v in batch.clips[key].patches[:, 0].tolist()]
    assert (batch.patches[:, 0].tolist() if encoded else []) == expected


def test_clips_as_frames_have_no_patches_and_do_not_mix_with_patches() -> None:
    whole = make_item([("a", 3)], [2])
    frames = torch.zeros(2, 4, 6, 3, dtype=torch.uint8)
    bare = replace(whole.clips[0], clip_id="b", patches=None, frames=frames)
    batch = pack([replace(whole, clips=(bare,))])
    assert len(batch.patches) == 0
    assert batch.grids == (bare.patch_grid,)
    assert replace(whole, clips=(bare, bare)).frame_bytes == frames.numel()
    with pytest.raises(ValueError, match="others frames"):
        pack([whole, replace(whole, clips=(bare,))])
    with pytest.raises(ValueError, match="either patches or frames"):
        replace(bare, patches=whole.clips[0].patches)


def test_answers_of_every_branch_are_found_in_its_row() -> None:
    item = make_item([("a", 3)], [2, 1])
    three = replace(item.branches[1], words=("a", "b", "c"), answer_ids=(5, 6, 7))
    batch = pack([replace(item, branches=(item.branches[0], three))])
    assert batch.answer_ids.tolist() == [[2, 3, 2], [5, 6, 7]]


@settings(max_examples=60, deadline=None)
@given(ITEMS, st.integers(1, 60))
def test_runs_keep_order_and_budget(items: list[WorkItem], budget: int) -> None:
    runs = split_by_budget(items, budget)
    assert [i for run in runs for i in run] == list(range(len(items)))
    for run in runs:
        assert len(run) == 1 or sum(items[i].num_tokens for i in run) <= budget


@settings(max_examples=60, deadline=None)
@given(ITEMS, st.integers(1, 60))
def test_neighbours_with_a_common_clip_are_parted_only_where_they_must(
    items: list[WorkItem], budget: int
) -> None:
    """They stay in one run where the whole chain of them fits into one."""
    run_of = {i: n for n, run in enumerate(split_by_budget(items, budget)) for i in run}
    chain: list[int] = []
    for index in range(len(items) + 1):
        if chain and (
            index == len(items)
            or not set(items[index].prefix_key) & set(items[index - 1].prefix_key)
        ):
            if sum(items[i].num_tokens for i in chain) <= budget:
                assert len({run_of[i] for i in chain}) == 1
            chain = []
        chain.append(index)


def test_the_two_orders_of_a_pair_run_together() -> None:
    single = make_item([("a", 3)], [5])
    first = make_item([("b", 1), ("c", 5)], [2])
    second = make_item([("c", 5), ("b", 1)], [2])
    budget = first.num_tokens + second.num_tokens
    assert split_by_budget([single, first, second], budget) == [[0], [1, 2]]
    assert split_by_budget([single, first, second], budget - 1) == [[0, 1], [2]]


def test_a_cost_other_than_tokens() -> None:
    items = [make_item([(name, 1)], [1]) for name in "abc"]
    assert split_by_budget(items, 10, lambda item: 5) == [[0, 1], [2]]
