"""Rewards as torch tensors: NaN where there is no signal, and a mask that says so.

Torch is imported when one of these is used, never with the package.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._rewards import RewardFunction

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class TensorRewards:
    """Rewards of a batch.

    Attributes:
        values: float32 `[N]`; NaN where there is no reward, so that a forgotten mask shows.
        mask: bool `[N]`; True where there is one.
    """

    values: torch.Tensor
    mask: torch.Tensor


def tensor_rewards(
    rewards: Sequence[float | None], device: torch.device | str | None = None
) -> TensorRewards:
    """Turn rewards or advantages into a tensor and its mask.

    Args:
        rewards: N numbers, or None where there is none.
        device: of the tensors; torch's default if None.

    Raises:
        ImportError: if torch is not installed.
    """
    library = _torch()
    values = [float("nan") if reward is None else reward for reward in rewards]
    judged = [reward is not None for reward in rewards]
    return TensorRewards(
        library.tensor(values, dtype=library.float32, device=device),
        library.tensor(judged, dtype=library.bool, device=device),
    )


class TensorRewardFunction:
    """A reward function that returns `TensorRewards` instead of a list.

    Args:
        reward: scores the clips, and says what becomes of those that cannot be judged.
        device: of the tensors; torch's default if None.

    Raises:
        ImportError: if torch is not installed.
    """

    def __init__(self, reward: RewardFunction, device: torch.device | str | None = None) -> None:
        _torch()
        self.__name__ = reward.__name__
        self._reward = reward
        self._device = device

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any] | None = None, **columns: Any
    ) -> TensorRewards:
        """Score a batch and wait for it; arguments and errors as in `RewardFunction`."""
        return tensor_rewards(self._reward(prompts, completions, **columns), self._device)


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "rewards as tensors need torch, which is not installed; RewardFunction returns lists "
            "without it"
        ) from error
