"""The engine on a GPU: what only a device with a clock of its own can show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from critic_models.engine import Engine, WorkItem
from critic_models.engine.memory import peak_bytes
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.model import CriticModel
from critic_models.vlm.patches import PreparedClip, patches_of_frames
from engine_work import clip, item, numbers, vision_shape
from tiny_critics import FAMILY_NAMES, tiny_model, tiny_network

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PLENTY = 1 << 20
EXACT_FP32 = 1e-4


def engine(model_type: str, dtype: torch.dtype, deterministic: bool = False, **how: Any) -> Engine:
    network: Any = tiny_network(model_type, dtype).to("cuda")
    model = CriticModel(
        network,
        FAMILIES[model_type],
        "triton",
        elementwise="triton",
        deterministic=deterministic,
    )
    return Engine(model, how.pop("max_batch_tokens", PLENTY), **how)


def work(model_type: str) -> list[WorkItem]:
    grids = [(1, 4, 4), (4, 4, 8), (2, 8, 4), (3, 6, 6)]
    clips = [clip(model_type, str(i), grid, seed=i) for i, grid in enumerate(grids)]
    return [item(model_type, shown) for shown in (*([c] for c in clips), clips[1:3])]


@contextmanager
def no_waiting() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_a_forward_never_waits_for_the_device(model_type: str) -> None:
    of, items = engine(model_type, torch.bfloat16), work(model_type)
    expected = numbers(of.run(items))
    with no_waiting():
        pending = of._forward(items)
    assert numbers(pending.for_items(items)) == expected


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_answers_are_those_of_a_cpu(model_type: str) -> None:
    items = work(model_type)
    there = engine(model_type, torch.float32, vision_cache_bytes=1 << 30)
    here = numbers(Engine(tiny_model(model_type, torch.float32), PLENTY).run(items))
    for _ in ("encoded", "from the cache"):
        for a, b in zip(numbers(there.run(items)), here, strict=True):
            assert np.abs(np.asarray(a) - np.asarray(b)).max() < EXACT_FP32


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_no_neighbour_moves_a_bit(model_type: str, dtype: torch.dtype) -> None:
    of, items = engine(model_type, dtype, deterministic=True), work(model_type)
    alone = [numbers(of.run([each]))[0] for each in items]
    assert numbers(of.run(items)) == alone
    assert numbers(of.run(items[::-1]))[::-1] == alone


def test_many_forwards_in_flight_do_not_mix() -> None:
    items = work("qwen3_vl")
    together = numbers(engine("qwen3_vl", torch.float32).run(items))
    apart = engine("qwen3_vl", torch.float32, max_batch_tokens=1)
    for _ in range(10):
        for a, b in zip(numbers(apart.run(items)), together, strict=True):
            assert np.abs(np.asarray(a) - np.asarray(b)).max() < EXACT_FP32


def test_frames_cut_on_the_device_give_what_patches_cut_before_give() -> None:
    model_type = "qwen3_vl"
    shape, family = vision_shape(model_type), FAMILIES[model_type]
    generator = torch.Generator().manual_seed(0)
    of = engine(model_type, torch.bfloat16, frame_patches="triton")
    answers = []
    for frames in (False, True):
        items = []
        for i, (t, h, w) in enumerate([(2, 4, 8), (3, 6, 4)]):
            generator.manual_seed(i)
            pixels = torch.randint(
                0, 256, (2 * t, 70, 90, 3), dtype=torch.uint8, generator=generator
            )
            like = clip(model_type, str(i), (t, h, w))
            patches = patches_of_frames([pixels], [like.patch_grid], family, shape)
            prepared = PreparedClip(
                like.clip_id,
                None if frames else patches,
                like.patch_grid,
                like.grid,
                frames=pixels if frames else None,
            )
            items.append(item(model_type, [prepared]))
        answers.append(numbers(of.run(items)))
    assert answers[0] == answers[1]


def test_warming_up_measures_the_device() -> None:
    of = engine("qwen3_vl", torch.bfloat16, max_batch_tokens=None)
    of.warm_up(partial(peak_bytes, torch.device("cuda")))
    assert of.stats.forwards == 0
    assert of.max_batch_tokens > 1
