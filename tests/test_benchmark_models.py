"""Models, floors and baselines of the engine's benchmark are what they say they are."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from critic_kernels import SegmentLayout
from critic_models.engine import WorkItem
from small_benchmarks import CPU, FAMILIES, LAYERS, SMALL, batch, small_subject
from torch.nn.attention.bias import causal_upper_left
from torch.utils.flop_counter import FlopCounterMode
from transformers import AttentionInterface

from benchmarks import baselines, shapes
from benchmarks.baselines import kv_expand, one_by_one, torch_flash_attention, use_attention
from benchmarks.floors import Part, Rates, forward_parts, total_flops, visible_pairs
from benchmarks.shapes import SHAPES, build, copied
from benchmarks.workload import clip, work_item


def test_pairs_and_floors_by_hand() -> None:
    """A prefix of 3 sees 1 + 2 + 3; its branch of 2 sees 4 + 5, its branch of 1 sees 4."""
    tree = SegmentLayout.tree([(3, [2, 1])])
    assert visible_pairs(tree) == 6 + 9 + 4 == int(tree.mask().sum())
    assert visible_pairs(SegmentLayout.packed([4, 2])) == 16 + 4
    parts = [Part("products", flops=4e9, bytes=1e6), Part("attention", flops=1e9, bytes=3e8)]
    assert total_flops(parts) == 5e9
    assert Rates(flops_per_s=1e12, bytes_per_s=1e11).floor_ms(parts) == pytest.approx(4 + 3)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_products_are_counted_as_stock_transformers_makes_them(model_type: str) -> None:
    shape = SMALL[model_type]
    network = build(shape, CPU, torch.float32, LAYERS)
    items = batch(shape, questions=1)
    with FlopCounterMode(display=False) as counter:
        one_by_one(network, items)
    by_operation = counter.get_flop_counts()["Global"]
    products = sum(
        n for op, n in by_operation.items() if op in (torch.ops.aten.mm, torch.ops.aten.addmm)
    )
    counted = {part.name: part for part in forward_parts(network, items)}
    attention = {"vision attention", "language attention"}
    assert sum(p.flops for n, p in counted.items() if n not in attention) == products
    rows = len(items[0].prefix.ids) + 30
    assert counted["language attention"].flops == LAYERS * 4 * 128 * rows * (rows + 1) / 2
    assert counted["language attention"].bytes == LAYERS * rows * 4 * 2 * (128 + 64)
    t, h, w = shape.patch_grid
    pairs = t * (h * w) ** 2  # windows of 112 pixels are whole frames here
    assert counted["vision attention"].flops == LAYERS * 4 * 64 * pairs


def test_windows_lower_the_floor() -> None:
    shape = replace(SMALL["qwen2_5_vl"], height=224, width=224)
    network = build(shape, CPU, torch.float32, LAYERS)
    counted = {part.name: part for part in forward_parts(network, batch(shape))}
    whole = set(network.config.vision_config.fullatt_block_indexes)
    pairs = sum(2 * (256**2 if i in whole else 4 * 64**2) for i in range(LAYERS))
    assert len(whole) < LAYERS
    assert counted["vision attention"].flops == 4 * 64 * pairs


def test_shared_clips_and_prefixes_count_once() -> None:
    shape = SMALL["qwen3_vl"]
    network = build(shape, torch.device("meta"), torch.float32, LAYERS)
    one, two = (clip(shape, seed, CPU, torch.float32) for seed in (0, 1))

    def parts(*items: WorkItem) -> dict[str, Part]:
        return {part.name: part for part in forward_parts(network, items)}

    alone = parts(work_item(shape, [one], 4))
    halves = work_item(shape, [one], 2)
    assert parts(halves, halves) == alone
    pair = [work_item(shape, order, 2) for order in ([one, two], [two, one])]
    orders = parts(*pair)
    assert orders["vision"].flops == 2 * alone["vision"].flops
    rows = sum(item.num_tokens for item in pair)
    per_row = alone["language"].flops / work_item(shape, [one], 4).num_tokens
    assert orders["language"].flops == pytest.approx(rows * per_row)


@pytest.mark.parametrize(
    ("name", "parameters_in_millions"),
    [
        ("qwen2.5-vl-7b", 8292),
        ("qwen3-vl-2b", 2128),
        ("qwen3-vl-8b", 8767),
        ("cpu-27m-qwen2.5-vl", 27),
        ("cpu-27m-qwen3-vl", 27),
    ],
)
def test_shapes_have_the_published_sizes(name: str, parameters_in_millions: int) -> None:
    network = build(SHAPES[name], torch.device("meta"), torch.bfloat16)
    total = sum(weight.numel() for weight in network.parameters())
    assert round(total / 1e6) == parameters_in_millions


def test_a_cut_is_named() -> None:
    shape = SHAPES["qwen3-vl-8b"]
    assert shape.label(None) == shape.label(36) == "qwen3-vl-8b"
    assert shape.label(30) == "qwen3-vl-8b (30/36 language and 27/27 vision layers)"
    cut = shapes.configuration(shape, 3)
    assert (cut.text_config.num_hidden_layers, cut.vision_config.depth) == (3, 3)
    assert all(index < 3 for index in cut.vision_config.deepstack_visual_indexes)


def test_copies_share_weights_and_nothing_else() -> None:
    network = build(SMALL["qwen3_vl"], CPU, torch.float32, LAYERS)
    copy = use_attention(copied(network), baselines.TORCH_FLASH)
    assert copy.lm_head.weight is network.lm_head.weight
    assert network.config.text_config._attn_implementation == "sdpa"
    wide = copied(network, torch.float64)
    assert wide.dtype == torch.float64
    assert network.dtype == torch.float32
    assert torch.equal(wide.lm_head.weight.float(), network.lm_head.weight)


def packed_reference(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, *_: object
) -> torch.Tensor:
    """What variable-length attention promises, a segment at a time."""
    lengths = ends.diff().tolist()
    parts = zip(*(x.split(lengths) for x in (query, key, value)), strict=True)
    mixed = [
        F.scaled_dot_product_attention(*(x.transpose(0, 1) for x in part)).transpose(0, 1)
        for part in parts
    ]
    return torch.cat(mixed)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_loops_with_flash_attention_answer_like_stock_transformers(
    model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "reference_flash_varlen"
    AttentionInterface.register(name, partial(torch_flash_attention, packed=packed_reference))
    items = batch(SMALL[model_type])
    under_test = small_subject(model_type, items)
    network = use_attention(copied(under_test.network), name)
    for loop in (one_by_one, kv_expand):
        verdict = under_test.gate.check(partial(loop, network), items)
        assert not verdict.red, verdict
    monkeypatch.setattr(baselines, "causal_lower_right", causal_upper_left)
    assert under_test.gate.check(partial(kv_expand, network), items).red


def test_flash_attention_refuses_what_it_would_get_wrong() -> None:
    q = torch.randn(1, 2, 4, 8)
    with pytest.raises(RuntimeError, match="mask"):
        torch_flash_attention(torch.nn.Identity(), q, q, q, torch.ones(4, 4), scaling=1.0)
    ends = torch.tensor([0, 4], dtype=torch.int32)
    with pytest.raises(RuntimeError, match="scales"):
        torch_flash_attention(
            torch.nn.Identity(), q, q, q, None, scaling=1.0, cu_seq_lens_q=ends, max_length_q=4
        )
