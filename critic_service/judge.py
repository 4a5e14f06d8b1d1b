"""What the service asks of a critic: the seam behind which `critic_models.judging.Judge` sits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from critic_models.errors import CriticError
from critic_models.prompts.judgement import Judgement
from critic_models.types import Clip, Fingerprint, Preference, Score
from critic_models.video.sampling import Sampling


class Criterion(Protocol):
    """One question that a critic answers."""

    @property
    def name(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def read_from(self) -> str: ...
    @property
    def needs_prompt(self) -> bool: ...
    @property
    def default(self) -> bool: ...


class Spec(Protocol):
    """What a critic says of itself."""

    @property
    def description(self) -> str: ...
    @property
    def limits(self) -> str: ...
    @property
    def criteria(self) -> Mapping[str, Any]: ...
    @property
    def reward_weights(self) -> Mapping[str, float]: ...
    @property
    def pairwise_method(self) -> str: ...


class PreparedClip(Protocol):
    """A clip that is resized and cut into patches."""

    @property
    def clip_id(self) -> str: ...
    @property
    def num_tokens(self) -> int: ...


class WorkItem(Protocol):
    """Questions about one clip or two, ready for the engine."""

    @property
    def num_tokens(self) -> int: ...


Answers = Any


class CacheStats(Protocol):
    """What the engine's cache of encoded clips did, and holds."""

    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def num_bytes(self) -> int: ...


class EngineStats(Protocol):
    """What an engine did so far, and its present budget."""

    @property
    def forwards(self) -> int: ...
    @property
    def out_of_memory(self) -> int: ...
    @property
    def max_batch_tokens(self) -> int: ...
    @property
    def vision_cache(self) -> CacheStats: ...


@runtime_checkable
class CountingJudge(Protocol):
    """A critic whose engine counts what it does; the counts may be read from any thread."""

    @property
    def engine_stats(self) -> EngineStats: ...


@runtime_checkable
class TextJudge(Protocol):
    """A critic that may be asked about texts."""

    @property
    def why_no_texts(self) -> str | None: ...

    def text(self, query: str, prompt: str, principles: Sequence[str] | None) -> Any: ...

    def judgements(self, answers: Answers) -> dict[str, Judgement]: ...


@runtime_checkable
class AskingJudge(Protocol):
    """A critic that may be asked a caller's own yes/no questions about a clip."""

    @property
    def why_no_questions(self) -> str | None: ...

    def ask(self, clip: Any, questions: Mapping[str, str]) -> Any: ...

    def replies(self, answers: Answers) -> dict[str, Score]: ...


class Judge(Protocol):
    """A critic, ready to judge. `run` is for one thread at a time, the rest for any thread."""

    @property
    def max_batch_tokens(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def spec(self) -> Spec: ...
    @property
    def sampling(self) -> Sampling: ...
    @property
    def fingerprint(self) -> Fingerprint: ...

    def prepare(self, clip: Clip) -> Any: ...

    def pointwise(self, clip: Any, prompt: str | None, criteria: Sequence[str]) -> Any: ...

    def pairwise(
        self, a: Any, b: Any, prompt: str | None, criteria: Sequence[str]
    ) -> tuple[Any, Any]: ...

    def run(self, items: Sequence[Any]) -> Sequence[Answers | CriticError]: ...

    def scores(self, answers: Answers) -> dict[str, Score]: ...

    def preferences(self, a_first: Answers, b_first: Answers) -> dict[str, Preference]: ...

    def preferences_from_scores(
        self, a: dict[str, Score], b: dict[str, Score]
    ) -> dict[str, Preference]: ...
