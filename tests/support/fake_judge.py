"""A critic without weights: deterministic scores from a hash of the frames, faults on demand."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from critic_models.errors import CriticError, PromptError
from critic_models.types import Clip, Fingerprint, Preference, Score
from critic_models.video.sampling import Sampling, Uniform

TOKENS_PER_CLIP = 100


@dataclass(frozen=True)
class FakeCriterion:
    name: str
    needs_prompt: bool = False
    default: bool = True
    question: str = "How good is it?"
    read_from: str = "yes_no"


@dataclass(frozen=True)
class FakeSpec:
    description: str = "a stand-in"
    limits: str = "it judges nothing"
    criteria: dict[str, FakeCriterion] = field(
        default_factory=lambda: {
            each.name: each
            for each in (
                FakeCriterion("quality"),
                FakeCriterion("motion"),
                FakeCriterion("alignment", needs_prompt=True, default=False),
            )
        }
    )
    reward_weights: dict[str, float] = field(
        default_factory=lambda: {"quality": 3.0, "motion": 1.0}
    )
    pairwise_method: str = "both_orders"


@dataclass(frozen=True, eq=False)
class FakePreparedClip:
    clip_id: str
    digest: str
    num_tokens: int = TOKENS_PER_CLIP
    num_bytes: int = 1000


@dataclass(frozen=True, eq=False)
class FakeItem:
    clips: tuple[FakePreparedClip, ...]
    prompt: str | None
    criteria: tuple[str, ...]
    num_tokens: int


@dataclass
class FakeJudge:
    """Implements the critic's interface.

    Attributes:
        run_s: how long a run takes, whatever it holds.
        prepare_s: how long preparing a clip takes.
        gate: closed, it holds every run.
        on_run: called with the items of a run before it answers; may raise.
        outcome_of: makes an item's outcome; None takes the honest one.
        batches: the items of each run.
        prepared: digests in the order of preparing.
        most_preparing: how many clips were prepared at the same time.
    """

    name: str = "critic-fake"
    revision: str = "r0"
    spec: FakeSpec = field(default_factory=FakeSpec)
    max_batch_tokens: int = 4_000
    run_s: float = 0.0
    prepare_s: float = 0.0
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    on_run: Callable[[Sequence[FakeItem]], None] = lambda items: None
    outcome_of: Callable[[FakeItem], Any] = lambda item: None
    batches: list[list[FakeItem]] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    preparing: int = 0
    most_preparing: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def sampling(self) -> Sampling:
        return Uniform(4)

    @property
    def fingerprint(self) -> Fingerprint:
        facts = dict.fromkeys(("template", "sampling", "positions", "calibration"), "fake")
        return Fingerprint(
            critic=self.name,
            revision=self.revision,
            dtype="float32",
            device="cpu",
            attention="none",
            versions={"fake": "1"},
            **facts,
        )

    def prepare(self, clip: Clip) -> FakePreparedClip:
        with self.lock:
            self.preparing += 1
            self.most_preparing = max(self.most_preparing, self.preparing)
        try:
            time.sleep(self.prepare_s)
            digest = hashlib.sha256(np.ascontiguousarray(clip.frames)).hexdigest()
            self.prepared.append(digest)
            return FakePreparedClip(clip.clip_id, digest)
        finally:
            with self.lock:
                self.preparing -= 1

    def pointwise(
        self, clip: FakePreparedClip, prompt: str | None, criteria: Sequence[str]
    ) -> FakeItem:
        return self._item((clip,), prompt, criteria)

    def pairwise(
        self,
        a: FakePreparedClip,
        b: FakePreparedClip,
        prompt: str | None,
        criteria: Sequence[str],
    ) -> tuple[FakeItem, FakeItem]:
        return self._item((a, b), prompt, criteria), self._item((b, a), prompt, criteria)

    def run(self, items: Sequence[FakeItem]) -> list[Any]:
        self.batches.append(list(items))
        self.entered.set()
        if not self.gate.wait(10):
            raise TimeoutError("the gate stayed closed")
        time.sleep(self.run_s)
        self.on_run(items)
        return [self.outcome_of(item) or honest_answers(item) for item in items]

    def scores(self, answers: dict[str, tuple[float, ...]]) -> dict[str, Score]:
        return {name: score_of(name, raw) for name, (raw,) in answers.items()}

    def preferences(
        self, a_first: dict[str, tuple[float, ...]], b_first: dict[str, tuple[float, ...]]
    ) -> dict[str, Preference]:
        return {
            name: preference_of(name, a_first[name][0] - a_first[name][1], "pairwise")
            for name in a_first
        }

    def preferences_from_scores(
        self, a: dict[str, Score], b: dict[str, Score]
    ) -> dict[str, Preference]:
        return {
            name: preference_of(name, (a[name].raw or 0) - (b[name].raw or 0), "scores")
            for name in a
        }

    @property
    def batch_sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]

    def _item(
        self, clips: tuple[FakePreparedClip, ...], prompt: str | None, criteria: Sequence[str]
    ) -> FakeItem:
        needy = [name for name in criteria if self.spec.criteria[name].needs_prompt]
        if needy and not prompt:
            raise PromptError(f"{', '.join(needy)} needs a prompt")
        tokens = sum(clip.num_tokens for clip in clips)
        return FakeItem(clips, prompt, tuple(criteria), tokens)


def honest_answers(item: FakeItem) -> dict[str, tuple[float, ...]]:
    return {
        name: tuple(raw_of(clip.digest, name, item.prompt) for clip in item.clips)
        for name in item.criteria
    }


def raw_of(digest: str, criterion: str, prompt: str | None) -> float:
    """A number from -3 to 3 that depends on the frames, the criterion and the prompt."""
    text = f"{digest} {criterion} {prompt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4]) / 2**32 * 6 - 3


def score_of(name: str, raw: float) -> Score:
    value = 1 / (1 + math.exp(-raw))
    return Score(name, raw, value, "yes_no", {"yes": value, "no": 1 - value}, 0.9)


def preference_of(name: str, difference: float, read_from: Any) -> Preference:
    win = 1 / (1 + math.exp(-difference))
    side: Any = "a" if win > 0.5 else "b" if win < 0.5 else "tie"
    return Preference(name, win, 0.0, 1 - win, side, None, read_from, 0.9)


def failing(error: CriticError, when: Callable[[FakeItem], bool]) -> Callable[[FakeItem], Any]:
    """Make an `outcome_of` that gives some items an error."""
    return lambda item: error if when(item) else None
