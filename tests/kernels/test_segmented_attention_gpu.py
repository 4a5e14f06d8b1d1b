"""Every implementation on a GPU, at the shapes of published models."""

from __future__ import annotations

import pytest
import torch
from attention_oracle import allowed_error, long_prefix, worst_error
from critic_kernels import SegmentLayout, segmented_attention
from critic_kernels.segmented_attention import IMPLS, Impl, available_impls
from critic_kernels.segmented_attention.tiles import Tiles, candidates

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

# Layout, query heads, key heads, head dimension.
Shape = tuple[SegmentLayout, int, int, int]
SHAPES: dict[str, Shape] = {
    "qwen2.5 windows": (SegmentLayout.packed([64] * 30 + [32, 16, 1]), 16, 16, 80),
    "qwen2.5 frames": (SegmentLayout.packed([1024, 1024, 517]), 16, 16, 80),
    "qwen3-8b frames": (SegmentLayout.packed([784] * 3), 16, 16, 72),
    "qwen3-2b frames": (SegmentLayout.packed([784, 49]), 16, 16, 64),
    "7b tree": (SegmentLayout.tree([(2090, [30] * 16), (333, [1, 0, 200])]), 28, 4, 128),
    "8b tree": (SegmentLayout.tree([(1640, [30] * 29)]), 32, 8, 128),
    "nano tree": (SegmentLayout.tree([(160, [30] * 9)] * 3), 4, 4, 48),
    "short": (SegmentLayout.tree([(5, [3])]), 28, 4, 128),
    "32k prefix": (long_prefix(32_768, piece=512, branch=30), 2, 1, 128),
}
CUDA = torch.device("cuda", 0)


def tensors(shape: Shape, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    layout, heads, kv_heads, head_dim = shape
    generator = torch.Generator(CUDA).manual_seed(0)
    q, k, v = (
        torch.randn(layout.num_tokens, n, head_dim, device=CUDA, generator=generator).to(dtype)
        for n in (heads, kv_heads, kv_heads)
    )
    return q, k, v


def assert_near_the_truth(
    got: torch.Tensor, shape: Shape, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
) -> None:
    """The reference in fp64 is the truth, in the inputs' dtype the measure of what may be off."""
    layout, scale = shape[0], shape[3] ** -0.5
    truth = segmented_attention(q.double(), k.double(), v.double(), layout, scale)
    plain = segmented_attention(q, k, v, layout, scale)
    assert worst_error(got, truth) <= allowed_error(plain, truth)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("impl", [impl for impl in IMPLS if impl != "reference"])
def test_equals_the_truth(impl: Impl, name: str, dtype: torch.dtype) -> None:
    shape = SHAPES[name]
    reason = available_impls(CUDA, dtype, shape[3])[impl]
    if reason is not None:
        pytest.skip(reason)
    q, k, v = tensors(shape, dtype)
    got = segmented_attention(q, k, v, shape[0], shape[3] ** -0.5, impl=impl)
    assert_near_the_truth(got, shape, q, k, v)


@pytest.mark.parametrize("impl", ["reference", "triton"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_deterministic_results_do_not_depend_on_neighbours(impl: Impl, dtype: torch.dtype) -> None:
    prefix, branches = 1234, [30, 7, 300, 64]
    together = SegmentLayout.tree([(55, [30]), (prefix, branches), (400, [9] * 40)])
    shape = (together, 28, 4, 128)
    q, k, v = tensors(shape, dtype)

    def attend(rows: list[int], layout: SegmentLayout) -> torch.Tensor:
        query, key, value = (x[rows] for x in (q, k, v))
        return segmented_attention(
            query, key, value, layout, 128**-0.5, impl=impl, deterministic=True
        )

    packed = attend(list(range(together.num_tokens)), together)
    start = 85 + prefix
    for length in branches:
        rows = [*range(85, 85 + prefix), *range(start, start + length)]
        single = attend(rows, SegmentLayout.tree([(prefix, [length])]))
        assert torch.equal(packed[rows], single)
        start += length


@pytest.mark.parametrize("head_dim", [64, 72, 80, 128])
def test_every_candidate_of_tiles_is_right(head_dim: int) -> None:
    from critic_kernels.segmented_attention.triton import launch

    layout = SegmentLayout.tree([(700, [30] * 20), (90, [5, 150])])
    shape = (layout, 8, 2, head_dim)
    q, k, v = tensors(shape, torch.bfloat16)
    sizes: tuple[Tiles, ...] = candidates(torch.bfloat16, head_dim)
    for tiles in sizes:
        got = launch(q, k, v, layout, head_dim**-0.5, tiles=tiles)
        assert_near_the_truth(got, shape, q, k, v)
