"""Rotary embedding: the reference against fp64 and against transformers' own functions."""

from __future__ import annotations

import pytest
import torch
from critic_kernels import rms_norm, rotate, rotate_packed
from critic_kernels.elementwise import Impl
from critic_kernels.rotary import HeadNorm
from elementwise import DTYPES, assert_rounded, numbers
from transformers.models.qwen3_vl import modeling_qwen3_vl as published

EPSILON = 1e-6


def angles(tokens: int, head_dim: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    half = numbers(tokens, head_dim // 2, dtype=torch.float64, seed=9, spread=3)
    both = torch.cat((half, half), -1)
    return both.cos().to(dtype), both.sin().to(dtype)


def truth_of(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn pairs as complex numbers; the two halves of a head are their parts."""
    first, second = x.double().chunk(2, -1)
    half = x.shape[-1] // 2
    pairs = torch.complex(first, second)
    pairs = pairs * torch.complex(cos.double(), sin.double())[:, None, :half]
    return torch.cat((pairs.real, pairs.imag), -1)


def heads(dtype: torch.dtype, head_dim: int = 72) -> tuple[torch.Tensor, torch.Tensor]:
    return numbers(9, 6, head_dim, dtype=dtype, seed=1), numbers(
        9, 2, head_dim, dtype=dtype, seed=2
    )


@pytest.mark.parametrize(
    ("impl", "dtype"), [*(("reference", d) for d in DTYPES), ("compile", torch.bfloat16)]
)
def test_heads_are_turned_by_their_angles(impl: Impl, dtype: torch.dtype) -> None:
    query, key = heads(dtype)
    cos, sin = angles(9, 72, dtype)
    got_query, got_key = rotate(query, key, cos, sin, impl=impl)
    # Two products and a sum of about the size of a head's largest values.
    assert_rounded(got_query, truth_of(query, cos, sin), 8)
    assert_rounded(got_key, truth_of(key, cos, sin), 8)
    packed = torch.stack((query, query.flip(0), query + 1), 1)
    got_query, got_key, value = rotate_packed(packed, cos.float(), sin.float(), impl=impl)
    assert_rounded(got_query, truth_of(query, cos.float(), sin.float()), 8)
    assert_rounded(got_key, truth_of(query.flip(0), cos.float(), sin.float()), 8)
    assert torch.equal(value, query + 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_the_published_functions_bit_for_bit(dtype: torch.dtype) -> None:
    query, key = heads(dtype)
    cos, sin = angles(9, 72, dtype)
    expected = published.apply_rotary_pos_emb(
        query.transpose(0, 1)[None], key.transpose(0, 1)[None], cos[None], sin[None]
    )
    for got, theirs in zip(rotate(query, key, cos, sin), expected, strict=True):
        assert torch.equal(got, theirs[0].transpose(0, 1))
    cos, sin = angles(9, 72, torch.float32)
    packed = torch.stack((query, query.flip(0), query), 1)
    theirs = published.apply_rotary_pos_emb_vision(query, query.flip(0), cos, sin)
    for got, expected_one in zip(rotate_packed(packed, cos, sin)[:2], theirs, strict=True):
        assert torch.equal(got, expected_one)


def test_heads_are_normed_before_they_are_turned() -> None:
    query, key = heads(torch.bfloat16)
    cos, sin = angles(9, 72, torch.bfloat16)
    norm = HeadNorm(*(numbers(72, dtype=torch.bfloat16, seed=s) for s in (3, 4)), EPSILON)
    normed = (
        rms_norm(query, norm.query_weight, EPSILON)[1],
        rms_norm(key, norm.key_weight, EPSILON)[1],
    )
    expected = rotate(*normed, cos, sin)
    got = rotate(query, key, cos, sin, norm=norm)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
    exchanged = HeadNorm(norm.key_weight, norm.query_weight, EPSILON)
    assert not torch.equal(rotate(query, key, cos, sin, norm=exchanged)[0], got[0])


def test_wrong_rotations_are_seen() -> None:
    query, key = heads(torch.float32)
    cos, sin = angles(9, 72, torch.float32)
    truth = truth_of(query, cos, sin)
    neighbours = query.unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2)
    for wrong in (
        rotate(query, key, cos, -sin)[0],
        rotate(query, key, sin, cos)[0],
        rotate(query, key, cos.roll(1, 0), sin.roll(1, 0))[0],
        rotate(neighbours, key, cos, sin)[0],
    ):
        with pytest.raises(AssertionError, match="half steps"):
            assert_rounded(wrong, truth, 8)


def test_what_does_not_fit_is_refused() -> None:
    query, key = heads(torch.float32)
    cos, sin = angles(9, 72, torch.float32)
    with pytest.raises(ValueError, match=r"must be \[L, heads, D\]"):
        rotate(query, key[:5], cos, sin)
    with pytest.raises(ValueError, match="cos and sin must be"):
        rotate(query, key, cos[:5], sin[:5])
    with pytest.raises(ValueError, match="dtypes differ"):
        rotate(query, key, cos.double(), sin.double())
    with pytest.raises(ValueError, match="must be even"):
        rotate(query[..., :7], key[..., :7], cos[:, :7], sin[:, :7])
    with pytest.raises(ValueError, match="weights of head norms"):
        rotate(query, key, cos, sin, norm=HeadNorm(torch.ones(3), torch.ones(3), EPSILON))
    with pytest.raises(ValueError, match=r"packed must be \[L, 3, H, D\]"):
        rotate_packed(query, cos, sin)
    with pytest.raises(ValueError, match="no implementation 'cuda'"):
        rotate(query, key, cos, sin, impl="cuda")  # type: ignore[arg-type]
