"""The Triton kernel of rotary embedding: on a GPU where there is one, else in the interpreter."""

from __future__ import annotations

import pytest
import torch
from critic_kernels import rotate, rotate_packed
from critic_kernels.rotary import HeadNorm
from elementwise import DTYPES, assert_rounded, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from sm90 import Variant

triton = pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")

from critic_kernels.rotary import triton as kernel  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HEAD_DIMS = (64, 72, 80, 128)


def compare(
    tokens: int, counts: tuple[int, int], head_dim: int, dtype: torch.dtype, *, norm: bool
) -> None:
    query, key = (
        numbers(tokens, count, head_dim, dtype=dtype, seed=s).to(DEVICE)
        for s, count in enumerate(counts)
    )
    # Angles whose halves differ: the kernel may not read one for the other.
    cos, sin = (numbers(tokens, head_dim, dtype=dtype, seed=s).to(DEVICE) for s in (5, 6))
    weights = (numbers(head_dim, dtype=dtype, seed=s).to(DEVICE) for s in (7, 8))
    heads = HeadNorm(*weights, 1e-6) if norm else None
    got = rotate(query, key, cos, sin, norm=heads, impl="triton")
    wide = HeadNorm(heads.query_weight.double(), heads.key_weight.double(), 1e-6) if heads else None
    truth = rotate(query.double(), key.double(), cos.double(), sin.double(), norm=wide)
    for one, other in zip(got, truth, strict=True):
        assert_rounded(one, other, 24 if norm else 12)
    if counts[0] == counts[1]:
        packed = torch.stack((query, key, query), 1)
        wide_angles = cos.float(), sin.float()
        got = rotate_packed(packed, *wide_angles, impl="triton")[:2]
        for one, other in zip(got, rotate_packed(packed, *wide_angles)[:2], strict=True):
            # One rounding at the end; in between a product and a sum may be one operation.
            assert_rounded(one, other.double(), 2)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("head_dim", HEAD_DIMS)
def test_rotations(head_dim: int, dtype: torch.dtype, norm: bool) -> None:
    compare(19, (5, 3), head_dim, dtype, norm=norm)
    compare(3, (2, 2), head_dim, dtype, norm=norm)


@settings(max_examples=15, deadline=None)
@given(
    tokens=st.integers(1, 40),
    counts=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    half=st.integers(1, 70),
)
def test_any_shape(tokens: int, counts: tuple[int, int], half: int) -> None:
    compare(tokens, counts, 2 * half, torch.float32, norm=False)


def test_rows_may_lie_inside_wider_ones() -> None:
    packed = numbers(7, 3, 4, 64, dtype=torch.float32).to(DEVICE)
    query, key, _ = packed.unbind(1)
    cos, sin = (numbers(7, 64, dtype=torch.float32, seed=s).to(DEVICE) for s in (5, 6))
    got = rotate(query, key, cos, sin, impl="triton")
    expected = rotate(query.contiguous(), key.contiguous(), cos, sin, impl="triton")
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_what_the_kernel_lacks_is_refused() -> None:
    query = torch.ones(4, 2, 64, device=DEVICE)
    cos = torch.ones(4, 64, device=DEVICE)
    with pytest.raises(ValueError, match="one after another"):
        rotate(query.transpose(0, 1).contiguous().transpose(0, 1), query, cos, cos, impl="triton")
    with pytest.raises(ValueError, match="cos and sin must be contiguous"):
        rotate(query, query, cos.T.contiguous().T, cos, impl="triton")
    wide = torch.ones(1, 1, 258, device=DEVICE)
    with pytest.raises(ValueError, match="heads of up to 256"):
        rotate(wide, wide, wide[0], wide[0], impl="triton")
    with pytest.raises(ValueError, match="has no gradient"):
        rotate(query.requires_grad_(), query, cos, cos, impl="triton")


def variants() -> list[Variant]:
    """Heads of the supported models: packed in fp32 for vision, rounded and normed for text."""
    numbers = {"bf16": triton.language.bfloat16, "fp32": triton.language.float32}
    heads = ("query", "key", "query_weight", "key_weight", "query_out", "key_out")
    sizes = ("num_tokens", "query_heads", "key_heads", "query_row", "key_row")
    found = []
    for dtype, number in numbers.items():
        for head_dim in HEAD_DIMS:
            text = head_dim == 128
            for norm in (False, True) if text else (False,):
                angles = dtype if text else "fp32"
                found.append(
                    Variant(
                        f"{dtype}-d{head_dim}{'-norm' if norm else ''}",
                        kernel.rotary_kernel,
                        {
                            **dict.fromkeys(heads, f"*{dtype}"),
                            **dict.fromkeys(("cos", "sin"), f"*{angles}"),
                            **dict.fromkeys(sizes, "i32"),
                            "epsilon": "fp32",
                        },
                        {
                            "NORM": norm,
                            "ROUND_PRODUCTS": text,
                            "NARROW": number,
                            "INTERPRET": False,
                            "D": head_dim,
                            "HALF": triton.next_power_of_2(head_dim // 2),
                            "TOKENS": kernel.TOKENS,
                            "HEADS": kernel.HEADS,
                        },
                        {"num_warps": kernel.NUM_WARPS},
                        (*heads, "cos", "sin", "query_row", "key_row"),
                    )
                )
    return found
