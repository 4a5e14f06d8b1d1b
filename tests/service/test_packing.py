"""Properties of `pack`, and proof that each of them can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from critic_service.packing import PATIENCE, Priority, pack

MAX_TOKENS = 50
MAX_ITEMS = 4


@dataclass(eq=False)
class Entry:
    number: int
    num_tokens: int
    priority: Priority
    times_passed: int = 0


Pack = Callable[..., list[Entry]]


@st.composite
def waiting_lines(draw: st.DrawFn) -> list[Entry]:
    kinds = draw(
        st.lists(
            st.tuples(st.integers(0, 6) | st.integers(0, 80), st.sampled_from(["online", "batch"])),
            max_size=30,
        )
    )
    # Who came earlier was passed over at least as often.
    passed = sorted(draw(st.tuples(*[st.integers(0, 12)] * len(kinds))), reverse=True)
    return [Entry(n, *kind, passed[n]) for n, kind in enumerate(kinds)]


def check_one_batch(pack: Pack, waiting: list[Entry]) -> None:
    batch = pack(waiting, max_tokens=MAX_TOKENS, max_items=MAX_ITEMS)
    assert bool(batch) == bool(waiting)
    assert len({id(entry) for entry in batch}) == len(batch)
    assert all(any(entry is each for each in waiting) for entry in batch)
    assert len(batch) <= MAX_ITEMS
    assert len(batch) == 1 or sum(entry.num_tokens for entry in batch) <= MAX_TOKENS
    for priority in ("online", "batch"):
        line = [entry.number for entry in waiting if entry.priority == priority]
        chosen = [entry.number for entry in batch if entry.priority == priority]
        assert chosen == line[: len(chosen)]
    skipped_online = [e for e in waiting if e.priority == "online" and e not in batch]
    eager_batch = [e for e in batch if e.priority == "batch" and e.times_passed < PATIENCE]
    assert not (skipped_online and eager_batch)


def check_everything_runs_once(pack: Pack, waiting: list[Entry]) -> None:
    ran: list[int] = []
    rest = list(waiting)
    for _ in range(len(waiting)):
        batch = pack(rest, max_tokens=MAX_TOKENS, max_items=MAX_ITEMS)
        ran += [entry.number for entry in batch]
        rest = [entry for entry in rest if not any(entry is each for each in batch)]
    assert sorted(ran) == [entry.number for entry in waiting]


def check_batch_work_is_not_starved(pack: Pack) -> None:
    patient = Entry(0, 10, "batch")
    rest = [patient]
    for number in range(1, PATIENCE + 3):
        # More online work arrives in every round than one batch can take.
        rest += [Entry(number, 30, "online"), Entry(number, 30, "online")]
        batch = pack(rest, max_tokens=MAX_TOKENS, max_items=MAX_ITEMS)
        if patient in batch:
            return
        rest = [entry for entry in rest if entry not in batch]
        for entry in rest:
            entry.times_passed += 1
    raise AssertionError("the batch item never ran")


@given(waiting_lines())
def test_a_batch_keeps_budget_order_and_identity(waiting: list[Entry]) -> None:
    check_one_batch(pack, waiting)


@given(waiting_lines())
def test_nothing_is_lost_or_run_twice(waiting: list[Entry]) -> None:
    check_everything_runs_once(pack, waiting)


def test_batch_work_is_not_starved_by_online_work() -> None:
    check_batch_work_is_not_starved(pack)


def test_an_oversized_item_runs_alone_and_blocks_nobody_for_ever() -> None:
    waiting = [Entry(0, 20, "online"), Entry(1, 500, "online"), Entry(2, 20, "online")]
    order = []
    while waiting:
        batch = pack(waiting, max_tokens=MAX_TOKENS, max_items=MAX_ITEMS)
        order.append([entry.number for entry in batch])
        waiting = [entry for entry in waiting if entry not in batch]
    assert order == [[0], [1], [2]]


def test_a_batch_is_as_full_as_its_order_allows() -> None:
    waiting = [Entry(n, 10, "online") for n in range(9)]
    assert len(pack(waiting, max_tokens=50, max_items=9)) == 5
    assert len(pack(waiting, max_tokens=500, max_items=6)) == 6


def over_budget(waiting: list[Entry], *, max_tokens: int, max_items: int) -> list[Entry]:
    return pack(waiting, max_tokens=2 * max_tokens, max_items=max_items)


def too_many(waiting: list[Entry], *, max_tokens: int, max_items: int) -> list[Entry]:
    return pack(waiting, max_tokens=max_tokens, max_items=max_items + 1)


def smallest_first(waiting: list[Entry], *, max_tokens: int, max_items: int) -> list[Entry]:
    line = sorted(waiting, key=lambda entry: entry.num_tokens)
    return pack(line, max_tokens=max_tokens, max_items=max_items)


def never_oversized(waiting: list[Entry], *, max_tokens: int, max_items: int) -> list[Entry]:
    fitting = [entry for entry in waiting if entry.num_tokens <= max_tokens]
    return pack(fitting, max_tokens=max_tokens, max_items=max_items)


def first_twice(waiting: list[Entry], *, max_tokens: int, max_items: int) -> list[Entry]:
    return pack(waiting, max_tokens=max_tokens, max_items=max_items)[:1] * 2


def ignores_priority(waiting: list[Entry], *, max_tokens: int, max_items: int) -> list[Entry]:
    same = [Entry(entry.number, entry.num_tokens, "online") for entry in waiting]
    chosen = {entry.number for entry in pack(same, max_tokens=max_tokens, max_items=max_items)}
    return [entry for entry in waiting if entry.number in chosen]


@pytest.mark.parametrize(
    "mutant",
    [over_budget, too_many, smallest_first, never_oversized, first_twice, ignores_priority],
)
def test_the_properties_catch(mutant: Pack) -> None:
    @settings(report_multiple_bugs=False, database=None, derandomize=True)
    @given(waiting_lines())
    def search(waiting: list[Entry]) -> None:
        check_one_batch(mutant, waiting)

    with pytest.raises(AssertionError):
        search()


def impatient(waiting: list[Entry], *, max_tokens: int, max_items: int) -> list[Entry]:
    line = sorted(waiting, key=lambda entry: entry.priority == "batch")
    fresh = [Entry(e.number, e.num_tokens, e.priority) for e in line]
    count = len(pack(fresh, max_tokens=max_tokens, max_items=max_items))
    return line[:count]


def test_the_starvation_check_catches_a_packer_without_patience() -> None:
    with pytest.raises(AssertionError, match="never ran"):
        check_batch_work_is_not_starved(impatient)
