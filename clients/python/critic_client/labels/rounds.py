"""What changed between two rounds of a preference loop."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from .rows import Origin, Pair, Sample


@dataclass(frozen=True)
class RoundDifference:
    """Two rounds side by side.

    Attributes:
        before, after: critics' fingerprints and rounds that occur on either side.
        mean_before, mean_after: mean reward over the prompts that both rounds judged; each prompt
            counts once, by the mean of its clips.
        prompts: how many those are.
        better, worse: prompts whose mean reward rose or fell.
        only_before, only_after: prompts that one side alone judged.
        same_critic: whether both sides have one and the same fingerprint. Rewards of two critics
            are on two scales, and a difference of their means is no progress.
    """

    before: tuple[Origin, ...]
    after: tuple[Origin, ...]
    mean_before: float | None
    mean_after: float | None
    prompts: int
    better: int
    worse: int
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    same_critic: bool


def compare_rounds(before: Sequence[Sample], after: Sequence[Sample]) -> RoundDifference:
    """Compare the rewards of two rounds by prompt."""
    old, new = _means(before), _means(after)
    common = [prompt for prompt in old if prompt in new]
    fingerprints = {s.origin.fingerprint for s in (*before, *after)}
    return RoundDifference(
        before=_origins(before),
        after=_origins(after),
        mean_before=_mean([old[p] for p in common]),
        mean_after=_mean([new[p] for p in common]),
        prompts=len(common),
        better=sum(new[p] > old[p] for p in common),
        worse=sum(new[p] < old[p] for p in common),
        only_before=tuple(p for p in old if p not in new),
        only_after=tuple(p for p in new if p not in old),
        same_critic=len(fingerprints) <= 1 and None not in fingerprints,
    )


@dataclass(frozen=True)
class PairDifference:
    """How many pairs of clips both sides have in one order, in opposite orders, or alone."""

    kept: int
    flipped: int
    only_before: int
    only_after: int


def compare_pairs(before: Iterable[Pair], after: Iterable[Pair]) -> PairDifference:
    """Compare two sets of pairs of the same clips, such as two critics' labels of one round."""
    old, new = _ordered(before), _ordered(after)
    kept = len(old & new)
    flipped = len({(p, b, a) for p, a, b in old} & new)
    return PairDifference(kept, flipped, len(old) - kept - flipped, len(new) - kept - flipped)


def _ordered(pairs: Iterable[Pair]) -> set[tuple[Hashable, ...]]:
    return {(pair.prompt, pair.chosen.clip, pair.rejected.clip) for pair in pairs}


def _origins(samples: Sequence[Sample]) -> tuple[Origin, ...]:
    return tuple(
        dict.fromkeys(
            Origin(o.critic, o.revision, o.fingerprint, o.round, o.generator)
            for o in (s.origin for s in samples)
        )
    )


def _means(samples: Sequence[Sample]) -> dict[str, float]:
    rewards: dict[str, list[float]] = {}
    for sample in samples:
        if sample.reward is not None:
            rewards.setdefault(sample.prompt, []).append(sample.reward)
    return {prompt: math.fsum(r) / len(r) for prompt, r in rewards.items()}


def _mean(numbers: Sequence[float]) -> float | None:
    return math.fsum(numbers) / len(numbers) if numbers else None
