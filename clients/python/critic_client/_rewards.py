"""Rewards as a trainer calls for them: a batch of prompts and clips in, numbers or None out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ._batches import clips_of, prompts_of
from ._errors import CriticClientError
from ._losses import Losses, reason_of_loss
from ._models import Reason, ScoreReply
from ._parts import ClipParts, ClipSource
from ._pipeline import Pipeline, join

DEFAULT_CLIPS_PER_CALL = 8

Rewards = list[float | None]


class RewardFunction:
    """A reward function for TRL's trainers and for loops of one's own.

        reward = RewardFunction(pipeline, weights={"visual_quality": 2, "text_alignment": 1})
        trainer = GRPOTrainer(..., reward_funcs=[reward])

    It is called with `prompts`, `completions` and the columns of the dataset by name, and returns
    one reward per clip. A clip that could not be judged has None, which TRL leaves out of the means
    of its group. Nothing ever stands in for it. A fault of the set-up (a wrong key, an unknown
    criterion, two different critics) is raised whatever `strict` says.

    Args:
        pipeline: what sends the calls; several reward functions can share one.
        criteria: names of what to judge beside those of the reward.
        weights: of the reward, by criterion or by metric; the critic's own if None.
        critic: its name; the service's default if None.
        clip_column: where the clips are; `clips` if there is such a column, else the completions.
            A clip is a path, bytes or `Frames(array, fps=...)`.
        strict: raise where a clip has no reward, instead of returning None, logging a warning to
            the logger `critic_client` and counting it in `lost`.
        clips_per_call: a batch is sent in calls of so many clips at once.
        deadline_s: of each call; that of the pipeline if None.
        name: under which trainers log it.

    Raises:
        ValueError: if `clips_per_call` is less than one.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        criteria: Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
        critic: str | None = None,
        clip_column: str | None = None,
        strict: bool = False,
        clips_per_call: int = DEFAULT_CLIPS_PER_CALL,
        deadline_s: float | None = None,
        name: str = "critic_reward",
    ) -> None:
        if clips_per_call < 1:
            raise ValueError(f"clips_per_call must be one or more, not {clips_per_call}")
        self.__name__ = name
        self._pipeline = pipeline
        self._criteria = criteria
        self._weights = weights
        self._critic = critic
        self._clip_column = clip_column
        self._clips_per_call = clips_per_call
        self._deadline_s = deadline_s
        self._losses = Losses(name, strict)

    @property
    def lost(self) -> dict[str, int]:
        """Clips that got no reward so far, by the code of the reason."""
        return self._losses.counts

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any] | None = None, **columns: Any
    ) -> Rewards:
        """Score a batch and wait for it.

        Args:
            prompts: one for each clip: text, or a conversation, of which the last message of the
                user counts.
            completions: the clips, unless a column has them.
            columns: all else that the trainer gives. Where it gives `log_metric`, the number of
                clips without a reward is logged as `<name>/lost`.

        Raises:
            CriticClientError: for a fault of the set-up; with `strict`, for every clip lost.
            ValueError, TypeError: if the arguments do not fit together.
        """
        rewards = self.submit(prompts, completions, **columns).result()
        _log_lost(columns, self.__name__, rewards)
        return rewards

    def submit(
        self, prompts: Sequence[Any], completions: Sequence[Any] | None = None, **columns: Any
    ) -> Future[Rewards]:
        """Begin to score a batch, so that sampling can go on; the clips are read at once.

        Returns:
            The rewards to come, in the order of the clips; errors as in a call.
        """
        clips = clips_of(completions, columns, self._clip_column)
        texts = prompts_of(prompts, len(clips))
        unreadable: dict[int, Reason] = {}
        sent: list[tuple[list[int], Future[ScoreReply]]] = []
        for chunk in _chunks(len(clips), self._clips_per_call):
            indices, future = self._send(chunk, clips, texts, unreadable)
            if future is not None:
                sent.append((indices, future))

        def finish() -> Rewards:
            rewards: Rewards = [None] * len(clips)
            reasons = dict(unreadable)
            for indices, future in sent:
                for index, outcome in zip(indices, _outcomes(future, len(indices)), strict=True):
                    if isinstance(outcome, Reason):
                        reasons[index] = outcome
                    else:
                        rewards[index] = outcome
            self._losses.record(dict(sorted(reasons.items())), len(clips))
            return rewards

        return join([future for _, future in sent], finish)

    def as_async(self) -> Callable[..., Coroutine[Any, Any, Rewards]]:
        """Return the same reward as an `async def` function, which TRL runs beside the others."""

        async def reward(
            prompts: Sequence[Any], completions: Sequence[Any] | None = None, **columns: Any
        ) -> Rewards:
            future = await asyncio.to_thread(self.submit, prompts, completions, **columns)
            rewards = await asyncio.wrap_future(future)
            _log_lost(columns, self.__name__, rewards)
            return rewards

        reward.__name__ = self.__name__
        return reward

    def _send(
        self,
        indices: list[int],
        clips: Sequence[ClipSource],
        texts: Sequence[str | None],
        unreadable: dict[int, Reason],
    ) -> tuple[list[int], Future[ScoreReply] | None]:
        """Send what can be read of some clips, and note in `unreadable` what cannot."""

        def submit(chosen: list[int]) -> Future[ScoreReply]:
            return self._pipeline.submit(
                [clips[index] for index in chosen],
                [texts[index] for index in chosen],
                self._criteria,
                self._weights,
                self._critic,
                self._deadline_s,
            )

        try:
            return indices, submit(indices)
        except (OSError, ValueError):
            if self._losses.strict:
                raise
            found = {index: reason_not_to_send(clips[index]) for index in indices}
            unreadable.update({index: why for index, why in found.items() if why is not None})
            readable = [index for index in indices if index not in unreadable]
            if len(readable) == len(indices):
                raise
            return readable, submit(readable) if readable else None


def reason_not_to_send(clip: ClipSource) -> Reason | None:
    """Say why a clip cannot be sent: its file is gone, or its frames are out of range; or None."""
    try:
        ClipParts().reference(clip)
    except (OSError, ValueError) as error:
        return Reason("clip_not_sent", str(error))
    return None


def _outcomes(future: Future[ScoreReply], num_clips: int) -> list[float | Reason]:
    """Return what came of each clip of a call.

    Raises:
        CriticClientError: for a fault of the set-up.
    """
    try:
        results = future.result().results
    except CriticClientError as error:
        reason = reason_of_loss(error)
        if reason is None:
            raise
        return [reason] * num_clips
    return [
        result.reward
        if result.reward is not None
        else result.reason or Reason("not_answered", "the service gave neither reward nor reason")
        for result in results
    ]


def _chunks(num_clips: int, size: int) -> Iterator[list[int]]:
    for start in range(0, num_clips, size):
        yield list(range(start, min(start + size, num_clips)))


def _log_lost(columns: Mapping[str, Any], name: str, rewards: Rewards) -> None:
    log_metric = columns.get("log_metric")
    if callable(log_metric):
        log_metric(f"{name}/lost", float(rewards.count(None)))
