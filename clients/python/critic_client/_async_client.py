"""The client for asyncio: the same calls as `CriticClient`, awaited."""

from __future__ import annotations

import asyncio
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
from ._http import AsyncHTTP, AsyncSender, AsyncTransport
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


class AsyncCriticClient:
    """Ask a critic service for rewards, preferences and measurements of clips, with asyncio.

    Arguments, results and errors are those of `CriticClient`; `transport` is an
    `httpx.AsyncBaseTransport`. Clips are read and packed in a thread, so that the event loop stays
    free. Cancelling a call closes its connection, which cancels the work on the service.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._config = Config(base_url, api_key, timeout_s, max_retries)
        self._http: AsyncSender = AsyncHTTP(self._config, transport)

    async def score(
        self,
        clips: ClipSource | Sequence[ClipSource],
        prompts: Prompts = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
        dimensions: Sequence[str] | None = None,
    ) -> ScoreReply:
        """Score clips, each by itself; see `CriticClient.score`."""
        call = await asyncio.to_thread(
            score_call, clips, prompts, criteria, reward, critic, dimensions
        )
        return await self._run(call, deadline_s)

    async def compare(
        self,
        a: ClipSource,
        b: ClipSource,
        prompt: str | None = None,
        criteria: Sequence[str] | None = None,
        critic: str | None = None,
        method: PairwiseMethod | None = None,
        deadline_s: float | None = None,
    ) -> CompareResult:
        """Compare clip A with clip B; see `CriticClient.compare`."""
        reply = await self.compare_many([(a, b)], prompt, criteria, critic, method, deadline_s)
        return reply.results[0]

    async def compare_many(
        self,
        pairs: Sequence[tuple[ClipSource, ClipSource]],
        prompts: Prompts = None,
        criteria: Sequence[str] | None = None,
        critic: str | None = None,
        method: PairwiseMethod | None = None,
        deadline_s: float | None = None,
    ) -> CompareReply:
        """Compare the clips of each pair; see `CriticClient.compare_many`."""
        call = await asyncio.to_thread(compare_call, pairs, prompts, criteria, critic, method)
        return await self._run(call, deadline_s)

    async def rank(
        self,
        clips: Sequence[ClipSource],
        prompt: str | None = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
        dimensions: Sequence[str] | None = None,
    ) -> RankReply:
        """Rank clips of one prompt by their rewards; see `CriticClient.rank`."""
        call = await asyncio.to_thread(
            rank_call, clips, prompt, criteria, reward, critic, dimensions
        )
        return await self._run(call, deadline_s)

    async def dimensions(
        self,
        clips: ClipSource | Sequence[ClipSource],
        names: Sequence[str] | None = None,
        deadline_s: float | None = None,
        prompts: Prompts = None,
        auxiliary: Auxiliaries = None,
    ) -> DimensionsReply:
        """Measure clips without a critic; see `CriticClient.dimensions`."""
        call = await asyncio.to_thread(dimensions_call, clips, names, prompts, auxiliary)
        return await self._run(call, deadline_s)

    async def score_prompts(
        self,
        queries: str | Sequence[str],
        optimised_prompts: str | Sequence[str],
        principles: Sequence[str] | None = None,
        judge: str | None = None,
        deadline_s: float | None = None,
    ) -> PromptsReply:
        """Judge prompts, without a clip; see `CriticClient.score_prompts`."""
        call = prompts_call(queries, optimised_prompts, principles, judge)
        return await self._run(call, deadline_s)

    async def upload(self, clip: ClipSource, deadline_s: float | None = None) -> StoredClip:
        """Send a clip ahead; see `CriticClient.upload`."""
        return await self._run(await asyncio.to_thread(upload_call, clip), deadline_s)

    async def info(self) -> Info:
        """Ask what the service is; see `CriticClient.info`."""
        return await self._run(INFO_CALL, None)

    async def ready(self) -> bool:
        """Ask once whether the service takes calls now; see `CriticClient.ready`."""
        attempts = Attempts(min(PROBE_TIMEOUT_S, self._config.timeout_s), max_retries=0)
        try:
            answer = await self._http.send(READY_REQUEST, attempts.budget(), new_request_id())
        except (ConnectionFailed, TimedOut):
            return False
        return read_readiness(answer)

    async def wait_until_ready(self, timeout_s: float = DEFAULT_READY_TIMEOUT_S) -> None:
        """Wait until the service takes calls; see `CriticClient.wait_until_ready`."""
        ends_at = time.monotonic() + check_seconds("timeout_s", timeout_s)
        while not await self.ready():
            if time.monotonic() + READY_POLL_S > ends_at:
                raise TimedOut(f"{self._config.base_url} was not ready within {timeout_s:g} s")
            await asyncio.sleep(READY_POLL_S)

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used after."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncCriticClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _run(self, call: Call[R], deadline_s: float | None) -> R:
        attempts = Attempts(self._config.deadline_s(deadline_s), self._config.max_retries)
        request_id = new_request_id()
        while True:
            budget = attempts.budget()
            try:
                return call.read(await self._http.send(call, budget, request_id))
            except CriticClientError as error:
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
