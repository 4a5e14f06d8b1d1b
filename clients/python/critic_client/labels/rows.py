"""What a critic said of clips, and the rows that trainers learn from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Origin:
    """Where a judgement comes from; every row made of it carries this.

    Attributes:
        critic, revision, fingerprint: of the critic; judgements compare only within a fingerprint.
        round: of the preference loop, from 0.
        generator: tag of the model that made the clip.
        seed: with which it was sampled.
    """

    critic: str | None = None
    revision: str | None = None
    fingerprint: str | None = None
    round: int = 0
    generator: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Sample:
    """One clip and what the critic said of it.

    Attributes:
        clip: path, URI or hash by which the trainer finds the clip.
        prompt: what the clip was to show; the user's own words, not an optimised prompt.
        reward: one number, higher is better; None where the clip could not be judged.
        scores: calibrated score by criterion.
        answers: P(yes), or 0 and 1, by question of a checklist.
        grades: a word such as `good` by criterion.
        reason: why there is no reward.
        origin: of the judgement.
        columns: whatever else the trainer wants back.
    """

    clip: str
    prompt: str
    reward: float | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    answers: Mapping[str, float | None] = field(default_factory=dict)
    grades: Mapping[str, str | None] = field(default_factory=dict)
    reason: str | None = None
    origin: Origin = Origin()
    columns: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = [self.reward, *self.scores.values(), *self.answers.values()]
        if any(number is not None and not math.isfinite(number) for number in numbers):
            raise ValueError(
                f"{self.clip}: a score that is not finite; a clip that could not be judged has None"
            )

    def with_reward(self, reward: float | None, reason: str | None = None) -> Sample:
        """Copy with another reward; a reason belongs to None alone."""
        if reward is None and not (reason or self.reason):
            raise ValueError(f"{self.clip}: a missing reward needs a reason")
        return replace(self, reward=reward, reason=None if reward is not None else reason)


@dataclass(frozen=True)
class Pair:
    """A preferred clip and a rejected one of the same prompt.

    Attributes:
        chosen, rejected: the two.
        margin: difference of their rewards, where both have one.
        p_chosen: probability that `chosen` is the better one: 1 for a hard label, 0.5 for a tie.
        weight: factor of this row's loss.
        rule: which rule made the pair.
    """

    chosen: Sample
    rejected: Sample
    margin: float | None
    p_chosen: float = 1.0
    weight: float = 1.0
    rule: str = ""

    def __post_init__(self) -> None:
        if self.chosen.prompt != self.rejected.prompt:
            raise ValueError(
                f"a pair needs one prompt: {self.chosen.prompt!r}, {self.rejected.prompt!r}"
            )
        if self.chosen.origin.fingerprint != self.rejected.origin.fingerprint:
            raise ValueError(
                f"{self.chosen.clip} and {self.rejected.clip} were judged under different "
                "fingerprints; their scores cannot be compared"
            )
        if not 0.0 <= self.p_chosen <= 1.0:
            raise ValueError(f"p_chosen must be in [0, 1], not {self.p_chosen}")

    @property
    def prompt(self) -> str:
        return self.chosen.prompt


@dataclass(frozen=True)
class Signed:
    """A clip that is desirable or not, as Kahneman–Tversky optimisation takes it."""

    sample: Sample
    desirable: bool
    rule: str = ""


@dataclass(frozen=True)
class Weighted:
    """A clip and the weight of its likelihood, as reward-weighted regression takes it."""

    sample: Sample
    weight: float
    rule: str = ""


@dataclass(frozen=True)
class Reject:
    """What did not become a label, and why."""

    prompt: str
    clips: tuple[str, ...]
    reason: str
    origin: Origin = Origin()


def by_prompt(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Group samples by prompt; prompts and samples keep the order in which they come."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.prompt, []).append(sample)
    return groups


def split_judged(samples: Sequence[Sample]) -> tuple[list[Sample], list[Reject]]:
    """Part the samples that have a reward from those that have none."""
    judged = [s for s in samples if s.reward is not None]
    rejects = [
        Reject(s.prompt, (s.clip,), s.reason or "the clip has no reward", s.origin)
        for s in samples
        if s.reward is None
    ]
    return judged, rejects


def reward_of(sample: Sample) -> float:
    """Return the reward of a judged sample.

    Raises:
        ValueError: where it has none.
    """
    if sample.reward is None:
        raise ValueError(f"{sample.clip} has no reward: {sample.reason or 'not judged'}")
    return sample.reward
