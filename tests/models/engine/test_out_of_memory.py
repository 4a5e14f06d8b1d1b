"""Memory that runs out: the batch is cut in halves, and only what is too large alone fails."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from critic_models.engine import Engine, WorkItem, budget, warm_up
from critic_models.errors import CriticError, EngineError, OutOfMemory
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.model import CriticModel
from engine_work import QUESTIONS, clip, item, numbers
from tiny_critics import tiny_model, tiny_network

MODEL_TYPE = "qwen3_vl"
PLENTY = 1 << 20
SHORT = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


class SmallDevice:
    """A network with room for so many tokens in one forward.

    Attributes:
        forwards: tokens of every forward that was tried.
    """

    def __init__(self, room: int, error: BaseException = SHORT[0]) -> None:
        network: Any = tiny_network(MODEL_TYPE, torch.float32)
        self.model = CriticModel(network, FAMILIES[MODEL_TYPE])
        self.room = room
        self.error = error
        self.forwards: list[int] = []
        self.on_forward: Callable[[torch.Tensor], None] = lambda embedded: None
        network.model.language_model.register_forward_pre_hook(self._allocate, with_kwargs=True)

    def _allocate(self, _: Any, __: Any, given: dict[str, torch.Tensor]) -> None:
        embedded = given["inputs_embeds"]
        self.on_forward(embedded)
        self.forwards.append(embedded.shape[1])
        if embedded.shape[1] > self.room:
            # A kept error would keep the frames, and tensors, it was raised through.
            raise type(self.error)(*self.error.args)


def items(count: int, **kind: Any) -> list[WorkItem]:
    return [item(MODEL_TYPE, [clip(MODEL_TYPE, str(i), seed=i, **kind)]) for i in range(count)]


def with_plenty(work: Sequence[WorkItem]) -> list[list[list[float]]]:
    return numbers(Engine(tiny_model(MODEL_TYPE, torch.float32), PLENTY).run(work))


def gap(a: Sequence[Any], b: Sequence[Any]) -> float:
    flat = [torch.tensor(x).flatten() for x in (a, b)]
    return float((flat[0] - flat[1]).abs().max())


@pytest.mark.parametrize("error", SHORT, ids=lambda error: f"{type(error).__name__} {error}"[:40])
def test_a_batch_that_does_not_fit_is_run_in_halves(error: BaseException) -> None:
    work = items(4)
    each = work[0].num_tokens
    device = SmallDevice(2 * each, error)
    engine = Engine(device.model, PLENTY)
    results = numbers(engine.run(work))
    assert device.forwards == [4 * each, 2 * each, 2 * each]
    assert gap(results, with_plenty(work)) < 1e-4
    assert gap(results, results[::-1]) > 1e-2, "answers too alike to tell their order"
    assert engine.stats.out_of_memory == 1
    assert engine.stats.forwards == 2


def test_the_budget_is_halved_for_those_to_come_and_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = items(4)
    each = work[0].num_tokens
    device = SmallDevice(2 * each)
    engine = Engine(device.model, 4 * each)
    engine.run(work)
    assert engine.stats.max_batch_tokens == 2 * each
    device.forwards.clear()
    engine.run(work)
    assert device.forwards == [2 * each, 2 * each]
    device.room = PLENTY
    monkeypatch.setattr(budget, "RECOVERY_FORWARDS", 2)
    budgets = []
    while engine.stats.max_batch_tokens < 4 * each:
        engine.run(work[:1])
        budgets.append(engine.stats.max_batch_tokens)
    assert len(set(budgets)) == 4, "a quarter more each time"
    assert engine.max_batch_tokens == 4 * each


def test_what_follows_in_the_same_run_has_the_smaller_budget() -> None:
    work = items(8)
    each = work[0].num_tokens
    device = SmallDevice(2 * each)
    engine = Engine(device.model, 4 * each)
    results = numbers(engine.run(work))
    assert device.forwards == [4 * each] + 4 * [2 * each]
    assert gap(results, with_plenty(work)) < 1e-4


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_item_that_does_not_fit_alone_fails_alone(place: int) -> None:
    work = items(2)
    large = item(MODEL_TYPE, [clip(MODEL_TYPE, "large", (8, 8, 8))])
    work.insert(place, large)
    device = SmallDevice(large.num_tokens - 1)
    engine = Engine(device.model, PLENTY)
    results = engine.run(work)
    error = results.pop(place)
    assert isinstance(error, OutOfMemory)
    assert not error.retryable
    visual = large.clips[0].num_tokens
    asked = sum(len(branch.ids) for branch in large.branches)
    assert error.details == {"device": "cpu", "visual_tokens": visual, "question_tokens": asked}
    assert f"{len(QUESTIONS)} questions about 1 clip do not fit in the memory of cpu" in str(error)
    rest = work[:place] + work[place + 1 :]
    assert gap(numbers(results), with_plenty(rest)) < 1e-4


def test_an_item_that_was_alone_from_the_start_leaves_the_budget_as_it_is() -> None:
    work = items(1)
    engine = Engine(SmallDevice(1).model, PLENTY)
    assert isinstance(engine.run(work)[0], OutOfMemory)
    assert engine.stats.max_batch_tokens == PLENTY


def test_an_item_alone_is_tried_again_once_the_cache_is_empty() -> None:
    work = items(2)
    device = SmallDevice(PLENTY)
    engine = Engine(device.model, PLENTY, vision_cache_bytes=1 << 30)
    engine.run(work[:1])
    assert engine.stats.vision_cache.num_clips == 1

    def need_the_room_of_the_cache(_: torch.Tensor) -> None:
        device.room = 0 if engine.stats.vision_cache.num_clips == 2 else PLENTY

    device.on_forward = need_the_room_of_the_cache
    hits = engine.stats.vision_cache.hits
    (result,) = numbers(engine.run(work[1:]))
    assert gap(result, with_plenty(work[1:])[0]) < 1e-4
    assert engine.stats.out_of_memory == 1
    assert engine.stats.vision_cache.hits == hits


def test_a_failed_forward_holds_nothing_when_the_next_one_begins() -> None:
    """A retry inside of the handler would run beside all tensors of the forward that failed."""
    work = items(4)
    device = SmallDevice(work[0].num_tokens)
    seen: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def watch(embedded: torch.Tensor) -> None:
        alive.append(any(each() is not None for each in seen))
        seen.append(weakref.ref(embedded))

    device.on_forward = watch
    Engine(device.model, PLENTY).run(work)
    assert len(alive) == 1 + 2 + 4
    assert not any(alive)


@pytest.mark.parametrize("error", [RuntimeError("sizes differ"), ValueError("no"), IndexError()])
def test_other_failures_are_of_the_whole_run(error: Exception) -> None:
    device = SmallDevice(0, error)
    with pytest.raises(EngineError, match="forward failed") as raised:
        Engine(device.model, PLENTY).run(items(2))
    assert not isinstance(raised.value, OutOfMemory)
    assert raised.value.retryable
    assert len(device.forwards) == 1


def test_numbers_that_are_not_finite_are_an_error_of_their_item() -> None:
    device = SmallDevice(PLENTY)
    work = items(2)
    work[1].clips[0].patches.fill_(float("nan"))  # type: ignore[union-attr]
    good, bad = Engine(device.model, PLENTY).run(work)
    assert gap(numbers([good]), with_plenty(work[:1])) < 1e-4
    assert isinstance(bad, CriticError)
    assert "not finite" in str(bad)


def test_no_items_no_forwards() -> None:
    device = SmallDevice(PLENTY)
    assert Engine(device.model, PLENTY).run([]) == []
    assert device.forwards == []


def test_warming_up_learns_what_a_token_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "VISUAL_TOKENS", 256)
    device = SmallDevice(PLENTY)
    engine = Engine(device.model)
    before = engine._cost.bytes_per_token

    def peak_bytes(run: Callable[[], object]) -> int:
        run()
        return 10 * before * device.forwards[-1]

    engine.warm_up(peak_bytes)
    assert engine._cost.bytes_per_token == 10 * before
    assert engine.stats.forwards == 0
    assert engine.stats.vision_cache.misses == 0


class KernelError(Exception):
    """As Triton's errors: an exception and nothing more."""


def test_an_error_of_a_kernel_is_an_error_of_the_engine() -> None:
    engine = Engine(SmallDevice(1, KernelError("no such tile")).model, PLENTY)
    with pytest.raises(EngineError, match="forward failed"):
        engine.run(items(1))


def test_warming_up_refuses_numbers_that_are_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(tiny_model(MODEL_TYPE, torch.float32), PLENTY)
    with torch.no_grad():
        engine.model.network.lm_head.weight.fill_(torch.nan)

    def nothing(run: Callable[[], object]) -> int:
        run()
        return 0

    with pytest.raises(EngineError, match="not finite"):
        engine.warm_up(nothing)


def test_warming_up_where_it_does_not_fit_keeps_the_estimate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Engine(SmallDevice(1).model, PLENTY)

    def much(run: Callable[[], object]) -> int:
        run()
        return 1 << 60

    cost = engine._cost
    engine.warm_up(much)
    assert engine._cost == cost
    assert "does not fit" in caplog.text
