"""The client that blocks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from ._config import (
    DEFAULT_BASE_URL,
    DEFAULT_MAX_RETRIES,
    DEFAULT_READY_TIMEOUT_S,
    DEFAULT_TIMEOUT_S,
    PROBE_TIMEOUT_S,
    READY_POLL_S,
    Config,
    check_seconds,
)
from ._core import (
    INFO_CALL,
    READY_REQUEST,
    Auxiliaries,
    Call,
    PairwiseMethod,
    Prompts,
    R,
    compare_call,
    dimensions_call,
    new_request_id,
    rank_call,
    read_readiness,
    score_call,
    upload_call,
)
from ._errors import ConnectionFailed, CriticClientError, TimedOut
from ._http import Sender, SyncHTTP, Transport
from ._models import (
    CompareReply,
    CompareResult,
    DimensionsReply,
    Info,
    RankReply,
    ScoreReply,
    StoredClip,
)
from ._parts import ClipSource
from ._prompts import PromptsReply, prompts_call
from ._retry import Attempts


class CriticClient:
    """Ask a critic service for rewards, preferences and measurements of clips.

    A clip is a path, encoded bytes, a binary file, or `Frames(array, fps=...)`. A clip that occurs
    twice in a call travels once. One client can be used by many threads and keeps its connections.

    Args:
        base_url: of the service.
        api_key: sent as a bearer token, where the service asks for one.
        timeout_s: deadline of a call: all attempts and the waits between them. The service is told
            and gives up a little earlier.
        max_retries: further attempts after a refused or broken connection or a full queue. Judging
            changes nothing on the service, so an attempt more is safe.
        transport: an `httpx.BaseTransport` to send with, for tests and special networks.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        transport: Transport | None = None,
    ) -> None:
        self._config = Config(base_url, api_key, timeout_s, max_retries)
        self._http: Sender = SyncHTTP(self._config, transport)

    def score(
        self,
        clips: ClipSource | Sequence[ClipSource],
        prompts: Prompts = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
        dimensions: Sequence[str] | None = None,
    ) -> ScoreReply:
        """Score clips, each by itself.

        Args:
            clips: one clip, or a list of them.
            prompts: what the clips were to show: one text for all, or one (or None) for each.
            criteria: names of what to judge beside what `reward` names; the critic's default ones
                if neither is given.
            reward: weight by criterion, or by metric as `metric.clip_score`; the critic's own if
                None.
            critic: its name; the service's default if None.
            deadline_s: of this call, instead of the client's `timeout_s`.
            dimensions: what to measure of the same clips; nothing if None.

        Returns:
            One result per clip, in order. A clip that could not be judged has the reward None and a
            reason; the call fails only if none could be judged.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
            ValueError, TypeError, OSError: if an argument cannot be sent.
        """
        return self._run(
            score_call(clips, prompts, criteria, reward, critic, dimensions), deadline_s
        )

    def compare(
        self,
        a: ClipSource,
        b: ClipSource,
        prompt: str | None = None,
        criteria: Sequence[str] | None = None,
        critic: str | None = None,
        method: PairwiseMethod | None = None,
        deadline_s: float | None = None,
    ) -> CompareResult:
        """Compare clip A with clip B.

        Args:
            a: a clip.
            b: another clip of the same prompt.
            prompt: what both were to show.
            criteria: names of what to judge; the critic's default ones if None.
            critic: its name; the service's default if None.
            method: `auto`, `both_orders` or `scores`; the service's default if None.
            deadline_s: of this call, instead of the client's `timeout_s`.

        Returns:
            The result of the pair; `compare_many` returns the whole reply, with its fingerprint.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
            ValueError, TypeError, OSError: if an argument cannot be sent.
        """
        reply = self.compare_many([(a, b)], prompt, criteria, critic, method, deadline_s)
        return reply.results[0]

    def compare_many(
        self,
        pairs: Sequence[tuple[ClipSource, ClipSource]],
        prompts: Prompts = None,
        criteria: Sequence[str] | None = None,
        critic: str | None = None,
        method: PairwiseMethod | None = None,
        deadline_s: float | None = None,
    ) -> CompareReply:
        """Compare the clips of each pair; `prompts` is one text for all pairs or one for each.

        Returns:
            One result per pair, in order. A pair that could not be judged has the preference None
            and a reason; the call fails only if none could be judged.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
            ValueError, TypeError, OSError: if an argument cannot be sent.
        """
        return self._run(compare_call(pairs, prompts, criteria, critic, method), deadline_s)

    def rank(
        self,
        clips: Sequence[ClipSource],
        prompt: str | None = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
        dimensions: Sequence[str] | None = None,
    ) -> RankReply:
        """Rank clips of one prompt by their rewards; arguments as in `score`.

        Returns:
            One result per clip, in the order given, with rank and group-normalised advantage.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
            ValueError, TypeError, OSError: if an argument cannot be sent.
        """
        return self._run(rank_call(clips, prompt, criteria, reward, critic, dimensions), deadline_s)

    def dimensions(
        self,
        clips: ClipSource | Sequence[ClipSource],
        names: Sequence[str] | None = None,
        deadline_s: float | None = None,
        prompts: Prompts = None,
        auxiliary: Auxiliaries = None,
    ) -> DimensionsReply:
        """Measure clips on the dimensions named, or on all that need neither weights nor a critic.

        Args:
            clips: one clip, or a list of them.
            names: of dimensions; `info().dimensions` says which can be measured.
            deadline_s: of this call, instead of the client's `timeout_s`.
            prompts: what the clips were to show: one text for all, or one (or None) for each.
            auxiliary: what the prompts ask for, as `{"color": "red"}`, for dimensions that need it:
                the same for all, or one (or None) for each.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
            ValueError, TypeError, OSError: if an argument cannot be sent.
        """
        return self._run(dimensions_call(clips, names, prompts, auxiliary), deadline_s)

    def score_prompts(
        self,
        queries: str | Sequence[str],
        optimised_prompts: str | Sequence[str],
        principles: Sequence[str] | None = None,
        judge: str | None = None,
        deadline_s: float | None = None,
    ) -> PromptsReply:
        """Judge prompts that were written for users' queries, without a clip.

        Args:
            queries: what users asked for: one text for all prompts, or one for each.
            optimised_prompts: one prompt, or a list of them.
            principles: of `harmless`, `accurate` and `helpful`; all of them if None.
            judge: `critic`, `endpoint`, `none` (checks alone) or `auto`; the service's choice if
                None.
            deadline_s: of this call, instead of the client's `timeout_s`.

        Returns:
            One result per prompt, in order. A principle that could not be judged has the value None
            and a reason; the checks are there all the same.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
            ValueError, TypeError: if an argument cannot be sent.
        """
        return self._run(prompts_call(queries, optimised_prompts, principles, judge), deadline_s)

    def upload(self, clip: ClipSource, deadline_s: float | None = None) -> StoredClip:
        """Send a clip ahead, so that many calls can name it and it travels once.

        Returns:
            What may be given in the clip's place, for as long as it says. A call that comes too
            late fails for this clip with the code `clip_unknown`.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
            ValueError, TypeError, OSError: if it cannot be sent.
        """
        return self._run(upload_call(clip), deadline_s)

    def info(self) -> Info:
        """Ask what the service is: critics, criteria, dimensions, limits, versions.

        Raises:
            CriticClientError: of a subclass that says what went wrong.
        """
        return self._run(INFO_CALL, None)

    def ready(self) -> bool:
        """Ask once whether the service takes calls now; False where nobody answers.

        Raises:
            APIError: if who answers is not a critic service, or refuses to say.
        """
        attempts = Attempts(min(PROBE_TIMEOUT_S, self._config.timeout_s), max_retries=0)
        try:
            answer = self._http.send(READY_REQUEST, attempts.budget(), new_request_id())
        except (ConnectionFailed, TimedOut):
            return False
        return read_readiness(answer)

    def wait_until_ready(self, timeout_s: float = DEFAULT_READY_TIMEOUT_S) -> None:
        """Wait until the service takes calls.

        Raises:
            TimedOut: if it did not within `timeout_s`.
            APIError: if who answers is not a critic service, or refuses to say.
        """
        ends_at = time.monotonic() + check_seconds("timeout_s", timeout_s)
        while not self.ready():
            if time.monotonic() + READY_POLL_S > ends_at:
                raise TimedOut(f"{self._config.base_url} was not ready within {timeout_s:g} s")
            time.sleep(READY_POLL_S)

    def close(self) -> None:
        """Close the connections; the client cannot be used after."""
        self._http.close()

    def __enter__(self) -> CriticClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, call: Call[R], deadline_s: float | None) -> R:
        attempts = Attempts(self._config.deadline_s(deadline_s), self._config.max_retries)
        request_id = new_request_id()
        while True:
            budget = attempts.budget()
            try:
                return call.read(self._http.send(call, budget, request_id))
            except CriticClientError as error:
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            time.sleep(wait_s)
