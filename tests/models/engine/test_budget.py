"""Tokens of one forward: the arithmetic, the device's memory, and what follows when it runs out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from critic_models.engine import Engine
from critic_models.engine.budget import (
    ALLOCATOR_SLACK,
    RECOVERY_FORWARDS,
    RESERVE_BYTES,
    DeviceMemory,
    ForwardCost,
    TokenBudget,
    estimate_cost,
    tokens_that_fit,
)
from engine_work import clip, item
from hypothesis import given
from hypothesis import strategies as st
from tiny_critics import FAMILY_NAMES, tiny_config, tiny_model

GIB = 2**30


def test_the_cost_of_a_token_by_hand() -> None:
    """Tiny Qwen2.5-VL, fp32: its vision MLP (3 x 64) and its fp32 rotation compete."""
    tower_row = 2 * 32 * 4 + max(3 * 32 * 4, 3 * 32 * 4 + 3 * 64 * 4, 3 * 64 * 4)
    text_row = 2 * 64 * 4 + max(3 * 64 * 4, (64 + 2 * 32) * 4 + 3 * 96 * 4, 3 * 96 * 4)
    carried = 4 * (3 * 2 * 14 * 14) * (4 + 4) + 2 * 1 * 64 * 4
    expected = int(ALLOCATOR_SLACK * (max(text_row, 4 * tower_row) + carried))
    assert estimate_cost(tiny_config("qwen2_5_vl"), torch.float32) == ForwardCost(expected)


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_the_estimate_follows_what_it_is_made_of(model_type: str) -> None:
    config = tiny_config(model_type)
    before = estimate_cost(config, torch.float32).bytes_per_token
    assert estimate_cost(config, torch.bfloat16).bytes_per_token < before
    config.text_config.intermediate_size *= 100
    wider_text = estimate_cost(config, torch.float32).bytes_per_token
    assert wider_text > before
    if model_type == "qwen2_vl":
        config.vision_config.mlp_ratio *= 10_000
    else:
        config.vision_config.intermediate_size *= 10_000
    assert estimate_cost(config, torch.float32).bytes_per_token > wider_text


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_the_estimate_covers_what_the_layers_hold(model_type: str) -> None:
    """Counted by hooks: outputs of the linear maps of one layer, which are alive together."""
    model = tiny_model(model_type, torch.float32)
    held: dict[str, int] = {}

    def count(name: str) -> None:
        def hook(module: torch.nn.Module, _: object, out: torch.Tensor) -> None:
            layer = name.rsplit(".", 2)[0]
            held[layer] = held.get(layer, 0) + out.numel() * out.element_size()

        model.network.get_submodule(name).register_forward_hook(hook)

    for name, module in model.network.named_modules():
        if isinstance(module, torch.nn.Linear) and ".mlp." in name and "layers" in name:
            count(name)
    work = item(model_type, [clip(model_type)])
    Engine(model, 1 << 20).run([work])
    cost = estimate_cost(model.config, torch.float32)
    assert max(held.values()) <= cost.bytes_per_token * work.num_tokens


def test_what_is_free_is_divided_after_the_reserve_and_the_cache() -> None:
    cost = ForwardCost(1_000_000)
    memory = DeviceMemory(10 * GIB, 16 * GIB)
    room = 10 * GIB - RESERVE_BYTES - GIB
    assert tokens_that_fit(memory, cost, GIB, 1 << 30) == room // 1_000_000
    assert tokens_that_fit(memory, cost, GIB, 5_000) == 5_000
    large = DeviceMemory(130 * GIB, 140 * GIB)
    assert tokens_that_fit(large, cost, 0, 1 << 30) == (130 - 7) * GIB // 1_000_000


def test_with_no_room_every_item_runs_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert tokens_that_fit(DeviceMemory(GIB, 24 * GIB), ForwardCost(1000), 0, 8192) == 1
    assert "every item runs alone" in caplog.text


def test_a_cost_is_raised_to_what_was_measured_and_never_lowered() -> None:
    assert ForwardCost(100).raised_to(1_001, 10) == ForwardCost(101)
    assert ForwardCost(100).raised_to(10, 10) == ForwardCost(100)


def test_frames_count_in_tokens() -> None:
    work = item("qwen3_vl", [clip("qwen3_vl")])
    cost = ForwardCost(100)
    assert cost.tokens_of(work) == work.num_tokens
    frames = torch.zeros(2, 10, 10, 3, dtype=torch.uint8)
    bare = replace(work, clips=(replace(work.clips[0], patches=None, frames=frames),))
    assert cost.tokens_of(bare) == work.num_tokens + 2 * 600 // 100


def test_a_budget_is_halved_from_what_failed_and_slowly_whole_again() -> None:
    budget = TokenBudget(1_000)
    budget.halve(600)
    assert budget.tokens == 300
    budget.halve(5_000)
    assert budget.tokens == 150
    for _ in range(RECOVERY_FORWARDS - 1):
        budget.fitted()
    assert budget.tokens == 150
    budget.fitted()
    assert budget.tokens == 187
    for _ in range(100 * RECOVERY_FORWARDS):
        budget.fitted()
    assert budget.tokens == budget.limit == 1_000


def test_a_failure_starts_the_count_again() -> None:
    budget = TokenBudget(1_000)
    for _ in range(RECOVERY_FORWARDS - 1):
        budget.fitted()
    budget.halve(1_000)
    budget.fitted()
    assert budget.tokens == 500


@given(st.integers(1, 100_000), st.lists(st.one_of(st.none(), st.integers(1, 200_000))))
def test_a_budget_stays_between_one_and_its_limit(limit: int, events: list[int | None]) -> None:
    budget = TokenBudget(limit)
    for failed_tokens in events:
        if failed_tokens is None:
            budget.fitted()
        else:
            budget.halve(failed_tokens)
        assert 1 <= budget.tokens <= limit
