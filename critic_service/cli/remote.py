"""A service elsewhere, through `critic_client`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from critic_client import APIError, ConnectionFailed, CriticClient, CriticClientError, TimedOut
from critic_client import ProtocolError as ClientProtocolError
from pydantic import ValidationError

from critic_service import schemas
from critic_service.cli.failures import Failure, bad_usage

SERVER_TIMEOUT_S = 600.0

ModelT = TypeVar("ModelT", bound=schemas.Wire)

_CODES: tuple[tuple[type[CriticClientError], str], ...] = (
    (ConnectionFailed, "connection_failed"),
    (TimedOut, "timed_out"),
    (ClientProtocolError, "protocol_error"),
)


class Remote:
    """Judge files by a service."""

    def __init__(self, server: str, api_key: str | None, critic: str | None) -> None:
        try:
            self._client = CriticClient(server, api_key=api_key, timeout_s=SERVER_TIMEOUT_S)
        except ValueError as error:
            raise bad_usage(str(error)) from error
        self._critic = critic

    def score(
        self,
        clip: Path,
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.ScoreResponse:
        return self._call(
            schemas.ScoreResponse,
            *(self._client.score, clip, prompt, criteria, reward),
            critic=self._critic,
        )

    def compare(
        self,
        a: Path,
        b: Path,
        prompt: str | None,
        criteria: list[str] | None,
        method: schemas.PairwiseMethod,
    ) -> schemas.CompareResponse:
        return self._call(
            schemas.CompareResponse,
            *(self._client.compare_many, [(a, b)], prompt, criteria, self._critic, method),
        )

    def rank(
        self,
        clips: Sequence[Path],
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.RankResponse:
        return self._call(
            schemas.RankResponse,
            *(self._client.rank, list(clips), prompt, criteria, reward),
            critic=self._critic,
        )

    def dimensions(
        self,
        clip: Path,
        names: list[str] | None,
        prompt: str | None = None,
        auxiliary: dict[str, Any] | None = None,
    ) -> schemas.DimensionsResponse:
        return self._call(
            schemas.DimensionsResponse,
            *(self._client.dimensions, clip, names),
            prompts=prompt,
            auxiliary=auxiliary,
        )

    def score_prompts(
        self, query: str, prompts: Sequence[str], principles: list[str] | None, judge: str
    ) -> schemas.PromptsResponse:
        return self._call(
            schemas.PromptsResponse,
            *(self._client.score_prompts, query, list(prompts), principles, judge),
        )

    def info(self) -> schemas.InfoResponse:
        return self._call(schemas.InfoResponse, self._client.info)

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _call(
        self, model: type[ModelT], method: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> ModelT:
        try:
            reply = method(*args, **kwargs)
        except CriticClientError as error:
            raise as_failure(error) from error
        return as_wire(model, reply)


def as_wire(model: type[ModelT], reply: Any) -> ModelT:
    """Turn a reply of the client into the schema; what a newer service adds is left out.

    Raises:
        Failure: if the service breaks the schema in a way that the client does not check.
    """
    known = {name: getattr(reply, name) for name in model.model_fields}
    try:
        return model.model_validate({name: _plain(value) for name, value in known.items()})
    except ValidationError as error:
        raise Failure("protocol_error", f"the service broke its schema: {error}") from error


def as_failure(error: CriticClientError) -> Failure:
    """Turn an error of the client into the failure of a command."""
    if not isinstance(error, APIError):
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "client_error")
        return Failure(code, error.message, retryable=True, request_id=error.request_id)
    return Failure(
        error.code,
        error.message,
        retryable=error.retryable,
        request_id=error.request_id,
        details=error.details,
    )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
