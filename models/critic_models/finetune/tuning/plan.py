"""Which cases belong to which step, device and forward: pure functions of configuration and step.

Cases follow one another in an order that is drawn anew for every epoch, without a gap between
epochs: no case is left out, and a run that is taken up again goes on where it stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from critic_models.finetune.tuning.config import RowsConfig

T = TypeVar("T")


def num_steps(config: RowsConfig, num_cases: int) -> int:
    """Count the steps of a run."""
    steps = math.ceil(config.epochs * num_cases / config.cases_per_step)
    return steps if config.max_steps is None else min(steps, config.max_steps)


def cases_of_step(config: RowsConfig, num_cases: int, step: int) -> np.ndarray:
    """Return the positions of a step's cases, int64 `[cases_per_step]`, over all devices."""
    first = step * config.cases_per_step
    places = np.arange(first, first + config.cases_per_step)
    chosen = np.empty(len(places), np.int64)
    for epoch in range(int(places[0] // num_cases), int(places[-1] // num_cases) + 1):
        order = np.random.default_rng([config.seed, epoch]).permutation(num_cases)
        here = places // num_cases == epoch
        chosen[here] = order[places[here] % num_cases]
    return chosen


def learning_rate_share(config: RowsConfig, step: int, steps: int) -> float:
    """Share of the learning rate at a step: a straight rise, then half a cosine down to 0."""
    warmup = math.ceil(config.warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def spread(items: Sequence[T], most: int) -> list[T]:
    """Choose at most so many items, at even steps from the first on."""
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]
