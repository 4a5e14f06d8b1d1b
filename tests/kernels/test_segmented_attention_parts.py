"""Attention in two parts and their merge, with a plain part in the place of a GPU's kernel."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import types
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from attention_oracle import SCALE, assert_true, bound, dense, inputs, worst_error
from critic_kernels.segmented_attention import SegmentLayout, parts
from critic_kernels.segmented_attention.parts import Part, attend_in_parts
from hypothesis import given, settings
from hypothesis import strategies as st

TREES = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.integers(0, 7), max_size=5)), min_size=1, max_size=4
)
TREE = [(7, [4, 0, 3, 5]), (6, [2, 2]), (3, [])]


def plain_part(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: Part, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a kernel for packed sequences promises: the result and the logarithms of the sums."""
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    q_bounds, k_bounds = part.query_bounds.tolist(), part.key_bounds.tolist()
    assert (len(q_bounds), q_bounds[-1]) == (len(k_bounds), query.shape[0])
    assert k_bounds[-1] == key.shape[0]
    assert part.max_queries == max(np.diff(q_bounds))
    assert part.max_keys == max(np.diff(k_bounds))
    outs, sums = [], []
    for (a, b), (c, d) in zip(pairwise(q_bounds), pairwise(k_bounds), strict=True):
        scores = torch.einsum("qhd,khd->hqk", query[a:b], key[c:d]) * scale
        if part.causal:
            scores = scores.masked_fill(~torch.ones(scores.shape[1:]).tril().bool(), -torch.inf)
        outs.append(torch.einsum("hqk,khd->qhd", scores.softmax(-1), value[c:d]))
        sums.append(scores.logsumexp(-1))
    return torch.cat(outs), torch.cat(sums, dim=1)


def check(layout: SegmentLayout) -> None:
    for dtype in (torch.float64, torch.float32):
        q, k, v = inputs(layout.num_tokens, dtype)
        assert_true(attend_in_parts(q, k, v, layout, SCALE, plain_part), q, k, v, layout.mask())


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_trees_in_two_parts_equal_a_dense_mask(groups: list[tuple[int, list[int]]]) -> None:
    check(SegmentLayout.tree(groups))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.booleans())
def test_packed_segments_are_one_part(lengths: list[int], causal: bool) -> None:
    layout = SegmentLayout.packed(lengths, causal=causal)
    check(layout)
    if layout.num_tokens:
        assert parts.parts(layout, torch.device("cpu"))[1] is None


def test_far_apart_scores_merge_without_overflow() -> None:
    layout = SegmentLayout.tree([(5, [4])])
    q, k, v = inputs(layout.num_tokens, torch.float64)
    q = q * 1e4
    assert_true(attend_in_parts(q, k, v, layout, SCALE, plain_part), q, k, v, layout.mask())


def test_bf16_is_merged_in_the_dtype_of_the_sums() -> None:
    layout = SegmentLayout.tree([(40, [9, 17])])
    q, k, v = inputs(layout.num_tokens, torch.bfloat16)

    def rounded_part(
        *args: torch.Tensor | Part | float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        query, key, value, *rest = args
        out, sums = plain_part(query.float(), key.float(), value.float(), *rest)
        return out.bfloat16(), sums

    got = attend_in_parts(q, k, v, layout, SCALE, rounded_part)
    assert_true(got, q, k, v, layout.mask())


def no_weights(
    out: torch.Tensor, lse: torch.Tensor, other: torch.Tensor, _: object
) -> torch.Tensor:
    return (out + other) / 2


def weights_exchanged(
    out: torch.Tensor, lse: torch.Tensor, other: torch.Tensor, other_lse: torch.Tensor
) -> torch.Tensor:
    return MERGE(out, other_lse, other, lse)


MERGE = parts.merge


@pytest.mark.parametrize("wrong", [no_weights, weights_exchanged])
def test_a_wrong_merge_is_caught(
    wrong: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "merge", wrong)
    assert wrong_by_far(plain_part)


def test_a_wrong_segment_is_caught() -> None:
    """Bounds that are one row late, as where a branch is taken to begin in its neighbour."""

    def late(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: Part, scale: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not part.causal:
            return plain_part(query, key, value, part, scale)
        bounds = part.query_bounds.clone()
        bounds[1:-1] += 1
        longest = int(bounds.diff().max())
        moved = dataclasses.replace(
            part,
            query_bounds=bounds,
            key_bounds=bounds,
            max_queries=longest,
            max_keys=longest,
        )
        return plain_part(query, key, value, moved, scale)

    assert wrong_by_far(late)


def test_a_prefix_of_another_clip_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = parts.parts

    def other_prefix(
        layout: SegmentLayout, device: torch.device
    ) -> tuple[Part, parts.Behind | None]:
        own, behind = right(layout, device)
        assert behind is not None
        return own, dataclasses.replace(behind, key_rows=behind.key_rows.roll(3))

    monkeypatch.setattr(parts, "parts", other_prefix)
    assert wrong_by_far(plain_part)


def wrong_by_far(attend_part: parts.AttendPart) -> bool:
    layout = SegmentLayout.tree(TREE)
    q, k, v = inputs(layout.num_tokens)
    got = attend_in_parts(q, k, v, layout, SCALE, attend_part)
    allowed = bound(q, k, v, layout.mask())
    return worst_error(got, dense(q, k, v, layout.mask())) > 1e3 * allowed


def packed_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_bounds: torch.Tensor,
    key_bounds: torch.Tensor,
    max_queries: int,
    max_keys: int,
    *,
    scale: float,
    causal: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    part = Part(query_bounds, key_bounds, max_queries, max_keys, causal)
    return plain_part(query, key, value, part, scale)


@pytest.mark.parametrize("asks_for_grouped_heads", [False, True], ids=["torch 2.11", "torch 2.13"])
def test_torchs_flash_attention_is_called_as_it_is_declared(
    asks_for_grouped_heads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from critic_kernels.segmented_attention import varlen

    def varlen_attn(
        *packed: Any, return_aux: Any, scale: float, window_size: tuple[int, int], **options: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        grouped = packed[0].shape[1] != packed[1].shape[1]
        assert options == ({"enable_gqa": grouped} if asks_for_grouped_heads else {})
        assert return_aux.lse
        assert window_size in {(-1, 0), (-1, -1)}
        return packed_attention(*packed, scale=scale, causal=window_size == (-1, 0))

    monkeypatch.setattr(varlen, "varlen_attn", varlen_attn)
    monkeypatch.setattr(varlen, "_GQA", asks_for_grouped_heads)
    layout = SegmentLayout.tree(TREE)
    q, k, v = inputs(layout.num_tokens)
    assert_true(varlen.attend(q, k, v, layout, SCALE), q, k, v, layout.mask())


def test_the_flash_attn_package_is_called_as_it_is_declared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flash_attn_varlen_func(
        *packed: Any, softmax_scale: float, causal: bool, return_attn_probs: bool
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        assert return_attn_probs
        return *packed_attention(*packed, scale=softmax_scale, causal=causal), None

    package = types.ModuleType("flash_attn")
    package.flash_attn_varlen_func = flash_attn_varlen_func  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flash_attn", package)
    # Outside of `sys.modules`: what was imported with the stand-in must not stay.
    spec = importlib.util.find_spec("critic_kernels.segmented_attention.flash")
    assert spec is not None
    assert spec.loader is not None
    flash = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flash)
    layout = SegmentLayout.tree(TREE)
    q, k, v = inputs(layout.num_tokens)
    assert_true(flash.attend(q, k, v, layout, SCALE), q, k, v, layout.mask())
