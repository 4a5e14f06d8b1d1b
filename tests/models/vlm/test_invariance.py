"""Rows that are computed alike whatever is beside them, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from critic_models.engine import Engine, WorkItem
from critic_models.vlm import invariance
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.invariance import make_invariant, tiled_linear
from critic_models.vlm.model import CriticModel
from engine_work import QUESTIONS, clip, item, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_critics import FAMILY_NAMES, tiny_network
from torch import nn
from transformers import activations

PLENTY = 1 << 20
GRIDS = [(1, 4, 4), (4, 4, 8), (3, 6, 6)]


def engine(model_type: str, dtype: torch.dtype, *, deterministic: bool) -> Engine:
    network: Any = tiny_network(model_type, dtype)
    return Engine(CriticModel(network, FAMILIES[model_type], deterministic=deterministic), PLENTY)


def work(model_type: str) -> list[WorkItem]:
    clips = [clip(model_type, str(i), grid, seed=i) for i, grid in enumerate(GRIDS)]
    return [item(model_type, shown) for shown in (*([c] for c in clips), clips[1:])]


def answers(of: Engine, items: Sequence[WorkItem]) -> list[list[list[float]]]:
    return numbers(of.run(items))


def differing(model_type: str, of: Engine) -> list[str]:
    """Ways of asking in which some number differs from that of an item by itself."""
    items = work(model_type)
    alone = [answers(of, [each])[0] for each in items]
    found = []
    if answers(of, items) != alone:
        found.append("together")
    if answers(of, items[::-1])[::-1] != alone:
        found.append("in another order")
    for index in (0, 1):
        question = item(model_type, items[index].clips, QUESTIONS[:1])
        if answers(of, [question])[0][0] != alone[index][0]:
            found.append("one question by itself")
            break
    return found


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_no_neighbour_moves_a_bit(model_type: str, dtype: torch.dtype) -> None:
    assert differing(model_type, engine(model_type, dtype, deterministic=True)) == []


def test_no_neighbour_moves_a_bit_with_the_kernels() -> None:
    pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")
    network: Any = tiny_network("qwen3_vl", torch.float32)
    model = CriticModel(
        network, FAMILIES["qwen3_vl"], "triton", elementwise="triton", deterministic=True
    )
    of = Engine(model, PLENTY)
    clips = [clip("qwen3_vl", str(i), grid, seed=i) for i, grid in enumerate(GRIDS[:2])]
    items = [item("qwen3_vl", [each], QUESTIONS[:2]) for each in clips]
    alone = [answers(of, [each])[0] for each in items]
    assert answers(of, items) == alone
    assert answers(of, items[::-1])[::-1] == alone


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_without_it_neighbours_do(model_type: str) -> None:
    """The mutant: the same comparison over a network as transformers made it."""
    plain = engine(model_type, torch.float32, deterministic=False)
    assert "one question by itself" in differing(model_type, plain)


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_it_computes_the_same_function(model_type: str) -> None:
    items = work(model_type)
    plain = answers(engine(model_type, torch.float64, deterministic=False), items)
    exact = answers(engine(model_type, torch.float64, deterministic=True), items)
    for a, b in zip(plain, exact, strict=True):
        assert (torch.tensor(a) - torch.tensor(b)).abs().max() < 1e-10


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 70), tile_rows=st.sampled_from([16, 32]), with_bias=st.booleans())
def test_a_tiled_product_is_a_linear_map(count: int, tile_rows: int, with_bias: bool) -> None:
    generator = torch.Generator().manual_seed(count)
    rows, weight = (
        torch.randn(n, 24, generator=generator, dtype=torch.float64) for n in (count, 10)
    )
    bias = torch.randn(10, generator=generator, dtype=torch.float64) if with_bias else None
    expected = F.linear(rows, weight, bias)
    assert torch.allclose(tiled_linear(rows, weight, bias, tile_rows), expected, atol=1e-12)
    deep = tiled_linear(rows.view(1, count, 24), weight, bias, tile_rows)
    assert deep.shape == (1, count, 10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize(("inner", "outer"), [(384, 96), (96, 384), (1176, 32)])
def test_a_row_of_a_tiled_product_is_the_same_anywhere(
    inner: int, outer: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    rows, weight = (torch.randn(n, inner, generator=generator).to(dtype) for n in (300, outer))
    whole = tiled_linear(rows, weight, None, 128)
    for first, last in ((0, 1), (5, 6), (127, 130), (100, 300), (299, 300), (3, 20)):
        part = tiled_linear(rows[first:last], weight, None, 128)
        assert torch.equal(part, whole[first:last])


ACTIVATIONS: list[tuple[nn.Module, Callable[[torch.Tensor], torch.Tensor]]] = [
    (nn.SiLU(), F.silu),
    (activations.SiLUActivation(), F.silu),
    (activations.QuickGELUActivation(), lambda x: x * torch.sigmoid(1.702 * x)),
    (activations.GELUActivation(), F.gelu),
    (nn.GELU(), F.gelu),
    (nn.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh")),
    (activations.GELUTanh(), lambda x: F.gelu(x, approximate="tanh")),
]


@pytest.mark.parametrize(
    ("module", "function"), ACTIVATIONS, ids=lambda x: type(x).__name__ if x else ""
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_an_activation_is_the_same_anywhere_and_as_exact_as_torchs(
    module: nn.Module, function: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype
) -> None:
    make_invariant(nn.Sequential(module), torch.device("cpu"))
    x = (4 * torch.randn(700, 99, generator=torch.Generator().manual_seed(0))).to(dtype)
    whole = module(x)
    for first, last in ((0, 1), (1, 2), (5, 12), (13, 300), (333, 500), (699, 700)):
        assert torch.equal(module(x[first:last].clone()), whole[first:last])
    exact = function(x.double())
    error, torchs = ((y.double() - exact).abs().max() for y in (whole, function(x)))
    assert error <= 2 * torchs


def test_torchs_own_activation_depends_on_the_place() -> None:
    """The mutant: nothing replaced, rows that are no multiple of a vector long."""
    x = 4 * torch.randn(700, 99, generator=torch.Generator().manual_seed(0))
    whole = F.silu(x)
    parts = [torch.equal(F.silu(x[i : i + 1].clone()), whole[i : i + 1]) for i in range(700)]
    assert not all(parts)


def test_a_module_of_which_nothing_is_known_is_refused() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Softmax())
    with pytest.raises(ValueError, match="1 is a Softmax"):
        make_invariant(network, torch.device("cpu"))


def test_tiles_are_small_enough_for_the_test_to_cut_them() -> None:
    assert max(each.num_tokens for each in work("qwen3_vl")) > invariance.TILE_ROWS["cpu"]
