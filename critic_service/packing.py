"""Which of the waiting items run together next: a pure function, without clocks or queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

Priority = Literal["online", "batch"]

PATIENCE = 8


class Packable(Protocol):
    """An item that waits.

    Attributes:
        num_tokens: its cost.
        priority: `online` goes before `batch`.
        times_passed: how many batches were formed without it since it arrived.
    """

    @property
    def num_tokens(self) -> int: ...
    @property
    def priority(self) -> Priority: ...
    @property
    def times_passed(self) -> int: ...


P = TypeVar("P", bound=Packable)


def pack(waiting: Sequence[P], *, max_tokens: int, max_items: int) -> list[P]:
    """Choose the next batch: the longest run of first-in-line items that fits the budget.

    Online items go first; a batch item that was passed over `PATIENCE` times counts as online from
    then on, so that a steady stream of online work cannot starve it. Nobody overtakes within a
    priority: a large item that does not fit ends the batch and is first in line for the next one.

    Args:
        waiting: in the order of arrival.
        max_tokens: budget of the batch; an item above it runs alone.
        max_items: at least 1.

    Returns:
        At least one item where any waits. The sum of tokens is within the budget, unless the batch
        is a single item that is larger than the whole budget.
    """
    line = sorted(waiting, key=_is_patient)
    batch: list[P] = []
    tokens = 0
    for entry in line:
        tokens += entry.num_tokens
        if batch and (tokens > max_tokens or len(batch) >= max_items):
            break
        batch.append(entry)
    return batch


def _is_patient(entry: Packable) -> bool:
    return entry.priority == "batch" and entry.times_passed < PATIENCE
