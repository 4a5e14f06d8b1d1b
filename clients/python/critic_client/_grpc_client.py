"""The clients for gRPC: the calls of `CriticClient`, sent another way.

grpcio is imported when the first of them is made: it is an extra of this package.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ._async_client import AsyncCriticClient
from ._client import CriticClient
from ._config import DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT_S, Config
from ._core import Call, Prompts, new_request_id, score_call
from ._errors import APIError
from ._models import ScoreReply
from ._parts import ClipSource
from ._retry import Attempts

if TYPE_CHECKING:
    from ._grpc import AsyncGrpc, SyncGrpc, Trust

DEFAULT_GRPC_URL = "http://127.0.0.1:50051"


class GrpcCriticClient(CriticClient):
    """Ask a critic service over gRPC; calls, results and errors are those of `CriticClient`.

    Args:
        base_url: of the service: `http://host:port`, or `https://host:port` to speak TLS.
        api_key: sent as a bearer token, where the service asks for one.
        timeout_s: deadline of a call: all attempts and the waits between them.
        max_retries: further attempts after a refused or broken connection or a full queue.
        root_certificates: in PEM, of those who sign for the service; the machine's own if None.
        private_key, certificate: in PEM, the client's own, where the service asks for one.

    Raises:
        ImportError: if grpcio is not installed.
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_GRPC_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        root_certificates: bytes | None = None,
        private_key: bytes | None = None,
        certificate: bytes | None = None,
    ) -> None:
        library = _library()
        self._config = Config(base_url, api_key, timeout_s, max_retries)
        trust: Trust = library.Trust(root_certificates, private_key, certificate)
        self._grpc: SyncGrpc = library.SyncGrpc(self._config, trust)
        self._http = self._grpc

    def score_stream(
        self,
        clips: Iterable[ClipSource],
        prompts: Prompts = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
        dimensions: Sequence[str] | None = None,
    ) -> Iterator[tuple[int, ScoreReply | APIError]]:
        """Score clips that come one after another, each as soon as the service has room for it.

        The clips are read while others are judged: a generator of thousands needs no memory for
        all of them. Nothing is tried again; to leave the loop takes back what is not yet judged.

        Args:
            clips: any number of them; one is read when there is room.
            prompts: one text for all, or one (or None) for each.
            deadline_s: of all of them together, instead of the client's `timeout_s`.

        Yields:
            The place of a clip, counted from 0, with its reply or with the error of it alone, in
            the order in which they are finished.

        Raises:
            CriticClientError: if the stream broke.
        """
        calls = _calls(clips, prompts, criteria, reward, critic, dimensions)
        budget = Attempts(self._config.deadline_s(deadline_s), max_retries=0).budget()
        return self._grpc.score_stream(calls, budget, new_request_id())


class AsyncGrpcCriticClient(AsyncCriticClient):
    """Ask a critic service over gRPC, with asyncio; arguments as `GrpcCriticClient`.

    Cancelling a call cancels the work on the service.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_GRPC_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        root_certificates: bytes | None = None,
        private_key: bytes | None = None,
        certificate: bytes | None = None,
    ) -> None:
        library = _library()
        # The channel would otherwise belong to another loop, or to none.
        asyncio.get_running_loop()
        self._config = Config(base_url, api_key, timeout_s, max_retries)
        trust: Trust = library.Trust(root_certificates, private_key, certificate)
        self._grpc: AsyncGrpc = library.AsyncGrpc(self._config, trust)
        self._http = self._grpc

    def score_stream(
        self,
        clips: Iterable[ClipSource],
        prompts: Prompts = None,
        criteria: Sequence[str] | None = None,
        reward: Mapping[str, float] | None = None,
        critic: str | None = None,
        deadline_s: float | None = None,
        dimensions: Sequence[str] | None = None,
    ) -> AsyncIterator[tuple[int, ScoreReply | APIError]]:
        """Score clips that come one after another; see `GrpcCriticClient.score_stream`."""
        calls = _calls(clips, prompts, criteria, reward, critic, dimensions)
        budget = Attempts(self._config.deadline_s(deadline_s), max_retries=0).budget()
        return self._grpc.score_stream(calls, budget, new_request_id())


def _calls(
    clips: Iterable[ClipSource],
    prompts: Prompts,
    criteria: Sequence[str] | None,
    reward: Mapping[str, float] | None,
    critic: str | None,
    dimensions: Sequence[str] | None,
) -> Iterator[Call[ScoreReply]]:
    shared = prompts is None or isinstance(prompts, str)
    texts: Iterable[Any] = repeat(prompts) if shared else prompts or ()
    for clip, prompt in zip(clips, texts):  # noqa: B905 - one of them may have no end
        yield score_call([clip], prompt, criteria, reward, critic, dimensions)


def _library() -> Any:
    try:
        from . import _grpc
    except ImportError as error:
        raise ImportError(
            "gRPC is an extra of this package: pip install 'critic-client[grpc]'"
        ) from error
    return _grpc
