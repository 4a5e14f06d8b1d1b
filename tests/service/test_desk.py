"""The desk under faults: whatever the engine or a caller does, every item is answered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from critic_models.errors import EngineError, NotAnswered

from critic_service.backlog import DeskLimits
from critic_service.desk import Desk
from critic_service.errors import DeadlineExceeded, Draining, NotReady, Overloaded


@dataclass(frozen=True)
class Item:
    name: Any
    num_tokens: int = 10


@dataclass
class Engine:
    """Answers each item with its own name; remembers its batches; can be held and broken."""

    answer: Callable[[Sequence[Item]], Sequence[Any]] = lambda items: [i.name for i in items]
    batches: list[list[Any]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    inside: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    def run(self, items: Sequence[Item]) -> Sequence[Any]:
        self.inside += 1
        assert self.inside == 1, "two runs at a time"
        self.batches.append([item.name for item in items])
        self.entered.set()
        try:
            assert self.gate.wait(5)
            return self.answer(items)
        finally:
            self.inside -= 1

    @property
    def seen(self) -> list[Any]:
        return [name for batch in self.batches for name in batch]


LIMITS = DeskLimits(
    max_batch_tokens=100,
    max_batch_items=8,
    max_queue_tokens=1_000,
    linger_s=0.002,
    typical_item_tokens=10,
)


@asynccontextmanager
async def desk_of(
    engine: Engine, limits: DeskLimits = LIMITS, observer: Any = None
) -> AsyncIterator[Desk[Item, Any]]:
    desk: Desk[Item, Any] = Desk(engine.run, limits, observer)
    desk.start()
    try:
        yield desk
    finally:
        engine.gate.set()
        await desk.close(drain_s=2)


async def ask(desk: Desk[Item, Any], *names: Any, tokens: int = 10, **how: Any) -> list[Any]:
    with desk.admit(len(names), **how) as room:
        replies = await asyncio.gather(
            *(room.submit(Item(name, tokens)) for name in names), return_exceptions=True
        )
    return [each if isinstance(each, BaseException) else each.result for each in replies]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.001)


async def test_items_of_many_callers_share_a_batch() -> None:
    engine = Engine()
    async with desk_of(engine) as desk:
        assert await asyncio.gather(*(ask(desk, n) for n in range(5))) == [[n] for n in range(5)]
    assert engine.batches == [[0, 1, 2, 3, 4]]


async def test_a_reply_says_how_long_it_waited_and_ran() -> None:
    engine = Engine(answer=lambda items: (time.sleep(0.03), [i.name for i in items])[1])
    async with desk_of(engine) as desk:
        with desk.admit(1) as room:
            reply = await room.submit(Item("a"))
    assert reply.result == "a"
    assert 0 <= reply.waited_s < 1
    assert 0.03 <= reply.ran_s < 1


async def test_one_items_error_is_its_own() -> None:
    engine = Engine(
        answer=lambda items: [NotAnswered("no") if i.name == 1 else "ok" for i in items]
    )
    async with desk_of(engine) as desk:
        first, second, third = await ask(desk, 0, 1, 2)
    assert (first, third) == ("ok", "ok")
    assert isinstance(second, NotAnswered)
    assert len(engine.batches) == 1


@pytest.mark.parametrize(
    "fault",
    [RuntimeError("boom"), SystemExit(3), KeyboardInterrupt(), StopIteration(), MemoryError()],
)
async def test_a_failed_batch_is_run_one_by_one_and_only_the_guilty_fails(
    fault: BaseException,
) -> None:
    def answer(items: Sequence[Item]) -> list[Any]:
        if any(item.name == "guilty" for item in items):
            raise fault
        return [item.name for item in items]

    engine = Engine(answer=answer)
    async with desk_of(engine) as desk:
        results = await ask(desk, "a", "guilty", "b")
        assert results[0::2] == ["a", "b"]
        assert isinstance(results[1], EngineError)
        assert str(fault) == "" or str(fault) not in results[1].message
        assert engine.batches == [["a", "guilty", "b"], ["a"], ["guilty"], ["b"]]
        assert await ask(desk, "later") == ["later"]


async def test_a_single_item_is_not_run_twice() -> None:
    engine = Engine(answer=lambda items: 1 / 0)  # type: ignore[arg-type, return-value]
    async with desk_of(engine) as desk:
        [error] = await ask(desk, "a")
        assert isinstance(error, EngineError)
        assert engine.batches == [["a"]]
        assert desk.engine.failed_runs == 1
        engine.answer = lambda items: ["fine"]
        assert await ask(desk, "b") == ["fine"]
        assert desk.engine.failed_runs == 0


@pytest.mark.parametrize("outcomes", [[], ["one"], ["one"] * 4, None])
async def test_a_wrong_number_of_outcomes_is_an_error_for_everybody(outcomes: Any) -> None:
    engine = Engine(answer=lambda items: outcomes)
    async with desk_of(engine) as desk:
        results = await ask(desk, 0, 1, 2)
    if outcomes == ["one"]:  # alone, one outcome is right
        assert results == ["one"] * 3
    else:
        assert all(isinstance(each, EngineError) for each in results)
    assert len(engine.batches) == 4


@pytest.mark.parametrize("outcome", [ValueError("secret"), StopIteration(), TimeoutError()])
async def test_a_strange_outcome_becomes_an_engine_error(outcome: BaseException) -> None:
    engine = Engine(answer=lambda items: [outcome])
    async with desk_of(engine) as desk:
        [error] = await ask(desk, 0)
    assert isinstance(error, EngineError)
    assert "secret" not in error.message


async def test_a_cancelled_item_never_reaches_the_engine() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        first = asyncio.create_task(ask(desk, "first"))
        await asyncio.to_thread(engine.entered.wait, 3)
        gone = [asyncio.create_task(ask(desk, f"gone {n}")) for n in range(3)]
        stays = asyncio.create_task(ask(desk, "stays"))
        await until(lambda: desk.queued_items == 4)
        for task in gone:
            task.cancel()
        await until(lambda: desk.queued_items == 1)
        assert desk.queued_tokens == 10
        engine.gate.set()
        assert await first == ["first"]
        assert await stays == ["stays"]
    assert engine.seen == ["first", "stays"]


async def test_cancelling_a_running_item_harms_nobody() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        gone, stays = asyncio.create_task(ask(desk, 0)), asyncio.create_task(ask(desk, 1))
        await asyncio.to_thread(engine.entered.wait, 3)
        gone.cancel()
        await asyncio.sleep(0)
        engine.gate.set()
        assert await stays == [1]


async def test_an_item_that_is_cancelled_in_this_very_moment_is_not_taken() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        running = asyncio.create_task(ask(desk, "running"))
        await asyncio.to_thread(engine.entered.wait, 3)
        gone = asyncio.create_task(ask(desk, "gone"))
        await until(lambda: desk.queued_items == 1)
        gone.cancel()
        assert desk._next_batch() == []  # before the loop has told the waiter
        engine.gate.set()
        await running


async def test_an_item_that_is_cancelled_while_its_batch_fails_is_not_run_again() -> None:
    def answer(items: Sequence[Item]) -> list[Any]:
        if len(items) > 1:
            raise RuntimeError("together they fail")
        return [items[0].name]

    engine = Engine(answer=answer)
    engine.gate.clear()
    async with desk_of(engine) as desk:
        gone, stays = asyncio.create_task(ask(desk, 0)), asyncio.create_task(ask(desk, 1))
        await asyncio.to_thread(engine.entered.wait, 3)
        gone.cancel()
        await asyncio.sleep(0)
        engine.gate.set()
        assert await stays == [1]
    assert engine.batches == [[0, 1], [1]]


async def test_a_deadline_ends_the_wait_and_takes_the_item_back() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        first = asyncio.create_task(ask(desk, "first"))
        await asyncio.to_thread(engine.entered.wait, 3)
        deadline_s = asyncio.get_running_loop().time() + 0.05
        [error] = await ask(desk, "late", deadline_s=deadline_s)
        assert isinstance(error, DeadlineExceeded)
        assert desk.queued_items == 0
        engine.gate.set()
        assert await first == ["first"]
        [error] = await ask(desk, "too late", deadline_s=deadline_s)
        assert isinstance(error, DeadlineExceeded)
    assert engine.seen == ["first"]


async def test_online_work_goes_before_batch_work() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        waits = [asyncio.create_task(ask(desk, "first"))]
        await asyncio.to_thread(engine.entered.wait, 3)
        waits.append(asyncio.create_task(ask(desk, "batch", tokens=60, priority="batch")))
        await until(lambda: desk.queued_items == 1)
        waits.append(asyncio.create_task(ask(desk, "online", tokens=60)))
        await until(lambda: desk.queued_items == 2)
        engine.gate.set()
        await asyncio.gather(*waits)
    assert engine.seen == ["first", "online", "batch"]


async def test_a_full_desk_refuses_before_anything_is_prepared() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        running = asyncio.create_task(ask(desk, "running"))
        await asyncio.to_thread(engine.entered.wait, 3)
        with desk.admit(60), desk.admit(40):  # 60 and 40 items of typically 10 tokens
            with pytest.raises(Overloaded) as refused, desk.admit(1):
                pytest.fail("admitted")
            assert refused.value.retry_after_s >= 1
            assert isinstance(refused.value.retry_after_s, int)
        with desk.admit(1):
            pass
        engine.gate.set()
        await running


async def test_batch_calls_leave_half_of_the_desk_to_online_calls() -> None:
    async with desk_of(Engine()) as desk:
        with desk.admit(50, priority="batch"):
            with pytest.raises(Overloaded), desk.admit(1, priority="batch"):
                pytest.fail("admitted")
            with desk.admit(50):
                pass


async def test_an_empty_desk_takes_a_call_of_any_size() -> None:
    engine = Engine()
    async with desk_of(engine) as desk:
        assert await ask(desk, *range(200)) == list(range(200))
        assert await ask(desk, "oversized", tokens=5_000) == ["oversized"]
        assert desk.queued_tokens == 0
        with desk.admit(1):
            pass


async def test_the_desk_learns_what_an_item_costs() -> None:
    async with desk_of(Engine()) as desk:
        for _ in range(100):
            await ask(desk, 0, tokens=400)
        with desk.admit(2), pytest.raises(Overloaded), desk.admit(1):  # 2 × 400 + 400 > 1000
            pytest.fail("admitted")


async def test_preparing_stops_a_few_batches_ahead() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        await asyncio.wait_for(desk.wait_for_room(), 1)
        many = asyncio.create_task(ask(desk, *range(60)))
        await until(lambda: desk.queued_items > 40)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desk.wait_for_room(), 0.02)
        engine.gate.set()
        await many
        await asyncio.wait_for(desk.wait_for_room(), 1)


async def test_draining_refuses_new_calls_and_finishes_admitted_ones() -> None:
    engine = Engine()
    async with desk_of(engine) as desk:
        with desk.admit(1) as room:
            desk.drain()
            with pytest.raises(Draining), desk.admit(1):
                pytest.fail("admitted")
            closing = asyncio.create_task(desk.close(drain_s=3))
            await asyncio.sleep(0.01)
            assert not closing.done()
            assert (await room.submit(Item("decoded late"))).result == "decoded late"
        await closing


async def test_closing_answers_what_it_cannot_finish() -> None:
    engine = Engine()
    engine.gate.clear()
    async with desk_of(engine) as desk:
        running = asyncio.create_task(ask(desk, "running"))
        await asyncio.to_thread(engine.entered.wait, 3)
        waiting = asyncio.create_task(ask(desk, "waiting"))
        await until(lambda: desk.queued_items == 1)
        await desk.close(drain_s=0.01)
        for task in (running, waiting):
            [error] = await asyncio.wait_for(task, 1)
            assert isinstance(error, Draining)
    assert engine.seen == ["running"]


async def test_a_desk_that_does_not_run_says_so() -> None:
    desk: Desk[Item, Any] = Desk(Engine().run, LIMITS)
    assert not desk.alive
    with pytest.raises(NotReady), desk.admit(1):
        pytest.fail("admitted")
    desk.engine.close()


async def test_an_observer_that_fails_does_not_stop_the_desk() -> None:
    class Observer:
        def on_wait(self, waited_s: float) -> None: ...

        def on_batch(self, num_items: int, num_tokens: int, ran_s: float) -> None:
            raise RuntimeError("full disk")

    async with desk_of(Engine(), observer=Observer()) as desk:
        assert await ask(desk, 0, 1) == [0, 1]
        assert await ask(desk, 2) == [2]
        assert desk.alive


async def test_the_loop_that_dies_takes_nobody_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> list[Any]:
        raise RuntimeError("a bug in packing")

    monkeypatch.setattr("critic_service.desk.pack", broken)
    async with desk_of(Engine()) as desk:
        [error] = await asyncio.wait_for(ask(desk, 0), 1)
        assert isinstance(error, Draining)
        assert not desk.alive


async def test_a_thousand_items_with_random_faults_are_all_answered() -> None:
    def answer(items: Sequence[Item]) -> list[Any]:
        if any(item.name % 17 == 0 for item in items) and len(items) > 1:
            raise RuntimeError("together they fail")
        return [NotAnswered("no") if item.name % 5 == 0 else item.name for item in items]

    engine = Engine(answer=answer)
    limits = DeskLimits(100, 8, 10**9, 0.0, 10)
    async with desk_of(engine, limits) as desk:
        tasks = [asyncio.create_task(ask(desk, n, tokens=1 + n % 90)) for n in range(1_000)]
        await asyncio.sleep(0.01)
        for task in tasks[::7]:
            task.cancel()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
    for n, result in enumerate(done):
        if isinstance(result, asyncio.CancelledError):
            assert n % 7 == 0
        elif n % 5 == 0:
            assert isinstance(result[0], NotAnswered)
        else:
            assert result == [n]
