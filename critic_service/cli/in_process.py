"""A critic in this process: the service's core on an event loop of its own, without HTTP."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from critic_models.errors import CriticError
from critic_models.judging import Judge
from pydantic import ValidationError
from transformers.utils.logging import disable_progress_bar

from critic_service import schemas
from critic_service.call import CallContext
from critic_service.cli.failures import Failure, bad_usage
from critic_service.cli.output import progress
from critic_service.core import CriticCore
from critic_service.errors import envelope_of
from critic_service.intake import Part
from critic_service.settings import Settings, SettingsError

RequestT = TypeVar("RequestT", bound=schemas.Wire)
ResponseT = TypeVar("ResponseT", bound=schemas.Wire)
T = TypeVar("T")


class InProcess:
    """Judge files here. Settings are the service's own, from the environment.

    Args:
        critic: name or path of a checkpoint; that of the settings if None.
        device: where it runs; that of the settings if None.

    Raises:
        Failure: if a setting is not valid, or the critic cannot be loaded.
    """

    def __init__(self, critic: str | None, device: str | None) -> None:
        try:
            settings = Settings.from_environment(os.environ)
        except SettingsError as error:
            raise bad_usage(str(error)) from error
        checkpoint = critic or settings.checkpoint
        settings = replace(settings, device=device or settings.device)
        # The command line shows progress of its own, and only to a terminal.
        disable_progress_bar()
        try:
            with progress(f"loading {checkpoint}"):
                judge = Judge.load(
                    checkpoint,
                    settings.device,
                    settings.dtype,
                    settings.engine_options(),
                )
        except CriticError as error:
            raise _as_failure(error, uuid.uuid4().hex) from error
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="core", daemon=True)
        self._thread.start()
        self._core = self._wait(_start(judge, settings))

    def score(
        self,
        clip: Path,
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.ScoreResponse:
        items = [{"clip": _reference(0), "prompt": prompt}]
        request = _valid(schemas.ScoreRequest, items=items, criteria=criteria, reward=_spec(reward))
        return self._call(self._core.score, request, [clip])

    def compare(
        self,
        a: Path,
        b: Path,
        prompt: str | None,
        criteria: list[str] | None,
        method: schemas.PairwiseMethod,
    ) -> schemas.CompareResponse:
        pairs = [{"a": _reference(0), "b": _reference(1), "prompt": prompt}]
        request = _valid(schemas.CompareRequest, pairs=pairs, criteria=criteria, method=method)
        return self._call(self._core.compare, request, [a, b])

    def rank(
        self,
        clips: Sequence[Path],
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.RankResponse:
        references = [_reference(i) for i in range(len(clips))]
        request = _valid(
            schemas.RankRequest,
            clips=references,
            prompt=prompt,
            criteria=criteria,
            reward=_spec(reward),
        )
        return self._call(self._core.rank, request, clips)

    def dimensions(
        self,
        clip: Path,
        names: list[str] | None,
        prompt: str | None = None,
        auxiliary: dict[str, Any] | None = None,
    ) -> schemas.DimensionsResponse:
        item = {"clip": _reference(0), "prompt": prompt, "auxiliary": auxiliary}
        request = _valid(schemas.DimensionsRequest, items=[item], dimensions=names)
        return self._call(self._core.dimensions, request, [clip])

    def score_prompts(
        self, query: str, prompts: Sequence[str], principles: list[str] | None, judge: str
    ) -> schemas.PromptsResponse:
        items = [{"query": query, "optimised_prompt": each} for each in prompts]
        request = _valid(schemas.PromptsRequest, items=items, principles=principles, judge=judge)
        return self._call(self._core.score_prompts, request, [])

    def info(self) -> schemas.InfoResponse:
        return self._core.info()

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._core.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(
        self,
        use_case: Callable[[RequestT, dict[str, Part], CallContext], Awaitable[ResponseT]],
        request: RequestT,
        files: Sequence[Path],
    ) -> ResponseT:
        context = CallContext(uuid.uuid4().hex)
        try:
            parts = {_part_name(i): Part.of_file(file) for i, file in enumerate(files)}
            return self._wait(_as_coroutine(use_case(request, parts, context)))
        except CriticError as error:
            raise _as_failure(error, context.request_id) from error
        except OSError as error:
            raise bad_usage(f"{error.filename}: {error.strerror}") from error

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _start(judge: Judge, settings: Settings) -> CriticCore:
    core = CriticCore(judge, settings)
    core.start()
    return core


async def _as_coroutine(work: Awaitable[T]) -> T:
    return await work


def _part_name(index: int) -> str:
    return f"clip-{index}"


def _reference(index: int) -> dict[str, str]:
    return {"part": _part_name(index)}


def _spec(reward: dict[str, float] | None) -> dict[str, dict[str, float]] | None:
    return None if reward is None else {"weights": reward}


def _valid(schema: type[RequestT], **fields: Any) -> RequestT:
    """Build a request by the same rules that hold for one that comes over the wire."""
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise Failure("invalid_request", f"{where}: {fault['msg']}") from error


def _as_failure(error: CriticError, request_id: str) -> Failure:
    envelope = envelope_of(error, request_id)
    return Failure(
        envelope.code,
        envelope.message,
        retryable=envelope.retryable,
        request_id=envelope.request_id,
        details=envelope.details,
    )
