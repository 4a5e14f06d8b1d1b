"""A clip is encoded once: within a batch, and across batches as long as the cache holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from critic_models.engine import Engine, WorkItem
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.model import CriticModel
from engine_work import QUESTIONS, clip, item, numbers
from tiny_critics import FAMILY_NAMES, tiny_network

PLENTY = 1 << 20
NAMES = "abcd"


class Counting:
    """An engine over a fresh network, and how many patches its tower saw in each pass."""

    def __init__(self, model_type: str, cache_bytes: int) -> None:
        network: Any = tiny_network(model_type, torch.float32)
        self.passes: list[int] = []
        network.model.visual.register_forward_pre_hook(
            lambda _, given: self.passes.append(len(given[0]))
        )
        self.model_type = model_type
        model = CriticModel(network, FAMILIES[model_type])
        self.engine = Engine(model, PLENTY, vision_cache_bytes=cache_bytes)

    def run(self, work: Sequence[WorkItem]) -> list[list[list[float]]]:
        return numbers(self.engine.run(work))


def clips(model_type: str) -> dict[str, Any]:
    grids = [(4, 4, 8), (2, 8, 4), (1, 4, 4), (3, 6, 6)]
    return {
        name: clip(model_type, name, grid, seed=i)
        for i, (name, grid) in enumerate(zip(NAMES, grids, strict=True))
    }


def group(model_type: str) -> list[list[WorkItem]]:
    """What a trainer asks about a group: each clip, pairs in both orders, then a new prompt."""
    shown = clips(model_type)
    single = [item(model_type, [each]) for each in shown.values()]
    a, b, c, _ = shown.values()
    pairs = [item(model_type, pair) for pair in ([a, b], [b, a], [b, c], [c, b])]
    again = [item(model_type, [each], QUESTIONS[:1]) for each in shown.values()]
    return [single, pairs, again]


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_scores_are_the_same_to_the_last_bit_with_and_without(model_type: str) -> None:
    kept, fresh = Counting(model_type, 1 << 30), Counting(model_type, 0)
    for work in group(model_type):
        assert kept.run(work) == fresh.run(work)
    assert len(kept.passes) == 4
    assert len(fresh.passes) == 4 + 3 + 4
    stats = kept.engine.stats.vision_cache
    assert (stats.hits, stats.misses, stats.num_clips) == (3 + 4, 4, 4)


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_a_batch_with_more_clips_than_the_cache_holds(model_type: str) -> None:
    one = Counting(model_type, 1 << 30)
    work = group(model_type)[0]
    expected = one.run(work)
    room = one.engine.stats.vision_cache.num_bytes - 1
    small = Counting(model_type, room)
    assert small.run(work) == expected
    assert small.engine.stats.vision_cache.num_clips == 3
    assert small.run(work) == expected
    assert small.engine.stats.vision_cache.num_bytes <= room
    assert len(small.passes) == 4 + 1


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_another_clips_features_would_give_other_scores(model_type: str) -> None:
    """The mutant: a cache that mixes two clips of one size up."""
    one, two = clip(model_type, "one"), clip(model_type, "two", seed=9)
    counting = Counting(model_type, 1 << 30)
    (expected,) = counting.run([item(model_type, [one])])
    counting.run([item(model_type, [two])])
    entries = counting.engine._cache._entries
    entries[one.key], entries[two.key] = entries[two.key], entries[one.key]
    (mixed,) = counting.run([item(model_type, [one])])
    assert (torch.tensor(mixed) - torch.tensor(expected)).abs().max() > 1e-2


@pytest.mark.parametrize(
    "change",
    [
        {"clip_id": "other"},
        {"source_indices": (0, 2, 4)},
        {"patch_grid": (4, 8, 4)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_pixels_changes_the_key(change: dict[str, Any]) -> None:
    one = clip("qwen3_vl")
    assert replace(one, **change).key != one.key
    later = replace(one.grid, seconds=tuple(s + 1 for s in one.grid.seconds))
    assert replace(one, grid=later).key != one.key
    assert clip("qwen3_vl").key == one.key


def test_the_same_bytes_in_two_sizes_are_two_clips() -> None:
    model_type = "qwen3_vl"
    sizes = [clip(model_type, "one", grid) for grid in ((4, 4, 8), (4, 8, 4))]
    counting = Counting(model_type, 1 << 30)
    together = counting.run([item(model_type, [each]) for each in sizes])
    assert len(counting.passes) == 2
    assert together[0] != together[1]
