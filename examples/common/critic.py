"""The critic of a loop: a service of its own or one that runs, asked through `critic_client`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from critic_client import CriticClient, Frames
from critic_client.labels import Sample, replies

from critic_service.cli.child_service import child_service
from examples.common.footage import FPS

START_TIMEOUT_S = 300.0
CLIPS_PER_CALL = 32
CALL_TIMEOUT_S = 300.0


class Critic:
    """Judges clips with one reward.

    Args:
        client: of the service.
        reward: weight by criterion or metric.
    """

    def __init__(self, client: CriticClient, reward: Mapping[str, float]) -> None:
        self.client = client
        self.reward = dict(reward)

    def judge(
        self,
        clips: np.ndarray,
        prompts: Sequence[str],
        *,
        names: Sequence[str] | None = None,
        round: int = 0,
        generator: str | None = None,
        reward: Mapping[str, float] | None = None,
    ) -> list[Sample]:
        """Judge uint8 `[N, T, H, W, 3]`; a sample's answers are P(yes) by yes/no criterion.

        Args:
            clips: what is judged.
            prompts: what each was to show.
            names: by which samples are found again; their positions if None.
            round: of the loop.
            generator: tag of the model that made them.
            reward: instead of the critic's usual one.
        """
        ids = list(names or map(str, range(len(clips))))
        samples: list[Sample] = []
        for start in range(0, len(clips), CLIPS_PER_CALL):
            part = slice(start, start + CLIPS_PER_CALL)
            frames = [Frames(clip, fps=FPS) for clip in clips[part]]
            reply = self.client.score(
                frames, list(prompts[part]), reward=dict(reward or self.reward)
            )
            found = replies.samples_of(
                reply, ids[part], list(prompts[part]), round=round, generator=generator
            )
            for sample, result in zip(found, reply.results, strict=True):
                answers = {name: score.p_yes for name, score in result.scores.items()}
                samples.append(replace(sample, answers=answers))
        return samples


@contextmanager
def open_critic(url: str | None, reward: Mapping[str, float]) -> Iterator[Critic]:
    """Connect to a service, or run one with critic-nano while the block lasts."""
    if url is None:
        with child_service(START_TIMEOUT_S) as own, open_critic(own, reward) as critic:
            yield critic
        return
    with CriticClient(url, timeout_s=CALL_TIMEOUT_S) as client:
        client.wait_until_ready(START_TIMEOUT_S)
        yield Critic(client, reward)


def mean_reward(samples: Sequence[Sample]) -> float:
    """Return the mean reward of the samples that have one.

    Raises:
        RuntimeError: none has.
    """
    judged = [sample.reward for sample in samples if sample.reward is not None]
    if not judged:
        reason = samples[0].reason if samples else "there is no clip"
        raise RuntimeError(f"no clip has a reward: {reason}")
    return float(np.mean(judged))
