"""Rewards and advantages of groups: G clips of one prompt, as GRPO samples them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ._pipeline import join
from ._rewards import RewardFunction, Rewards
from .labels.advantages import standardised


@dataclass(frozen=True)
class GroupRewards:
    """Of each clip of a batch, in order: its reward, and its advantage within its group.

    Both are None where the clip could not be judged.
    """

    rewards: Rewards
    advantages: Rewards


class GroupRewardFunction:
    """Score a batch that is groups of clips of one prompt, one group after the other.

        grouped = GroupRewardFunction(RewardFunction(pipeline), group_size=8)
        grouped(prompts, clips).advantages

    A clip that could not be judged is left out of the mean and deviation of its group. Where one
    clip alone is left, or all have the same reward, advantages are 0.

    Args:
        reward: scores the clips, and says what becomes of those that cannot be judged.
        group_size: clips of a group.
        normalise: from the rewards of a group to its advantages; any of `labels.advantages`, or
            one of your own. The default is `(r - mean) / std` with the population's deviation, as
            `/v1/rank` gives it.

    Raises:
        ValueError: if `group_size` is less than two.
    """

    def __init__(
        self,
        reward: RewardFunction,
        group_size: int,
        *,
        normalise: Callable[[Sequence[float | None]], Rewards] = standardised,
    ) -> None:
        if group_size < 2:
            raise ValueError(f"group_size must be two or more, not {group_size}")
        self._reward = reward
        self._group_size = group_size
        self._normalise = normalise

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any] | None = None, **columns: Any
    ) -> GroupRewards:
        """Score a batch and wait for it; arguments and errors as in `RewardFunction`.

        Raises:
            ValueError: if the batch is not whole groups, each of one prompt.
        """
        return self.submit(prompts, completions, **columns).result()

    def submit(
        self, prompts: Sequence[Any], completions: Sequence[Any] | None = None, **columns: Any
    ) -> Future[GroupRewards]:
        """Begin to score a batch; see `RewardFunction.submit`."""
        self._check_groups(prompts)
        scoring = self._reward.submit(prompts, completions, **columns)

        def finish() -> GroupRewards:
            rewards = scoring.result()
            advantages: Rewards = []
            for start in range(0, len(rewards), self._group_size):
                advantages += self._normalise(rewards[start : start + self._group_size])
            return GroupRewards(rewards, advantages)

        return join([scoring], finish)

    def _check_groups(self, prompts: Sequence[Any]) -> None:
        size = self._group_size
        if len(prompts) % size:
            raise ValueError(f"{len(prompts)} prompts are not whole groups of {size}")
        for index, prompt in enumerate(prompts):
            if prompt != prompts[index - index % size]:
                raise ValueError(
                    f"prompt {index} differs from the first of its group: the {size} clips of a "
                    "group follow each other"
                )
