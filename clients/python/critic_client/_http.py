"""Send a call, get an answer or an error of ours: what the clients know of the HTTP library.

Beside it only recordings know the library, as they are transports of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import httpx

from ._config import CONNECT_TIMEOUT_S, Config
from ._core import Answer, Request
from ._errors import ConnectionFailed, CriticClientError, ProtocolError, TimedOut
from ._retry import Budget
from ._version import __version__

Transport: TypeAlias = httpx.BaseTransport
AsyncTransport: TypeAlias = httpx.AsyncBaseTransport

# From the most specific class to the least: the first that fits is the one.
_TRANSLATION: tuple[tuple[type[httpx.RequestError], type[CriticClientError], str], ...] = (
    (httpx.ConnectTimeout, ConnectionFailed, "no connection in time"),
    (httpx.TimeoutException, TimedOut, "no answer in time"),
    (httpx.ConnectError, ConnectionFailed, "cannot connect"),
    (httpx.ProxyError, ConnectionFailed, "the proxy refused"),
    (httpx.NetworkError, ConnectionFailed, "the connection broke"),
    (httpx.RemoteProtocolError, ConnectionFailed, "the connection broke before an answer"),
    (httpx.UnsupportedProtocol, ConnectionFailed, "not an HTTP address"),
    (httpx.LocalProtocolError, ProtocolError, "the request is not valid HTTP"),
    (httpx.DecodingError, ProtocolError, "the answer cannot be decompressed"),
    (httpx.TooManyRedirects, ProtocolError, "the answer is a chain of redirects"),
)


class Sender(Protocol):
    """Whatever sends one attempt of a call: `SyncHTTP`, or gRPC's."""

    def send(self, request: Request, budget: Budget, request_id: str) -> Answer: ...

    def close(self) -> None: ...


class AsyncSender(Protocol):
    """Whatever sends one attempt of a call, for asyncio: `AsyncHTTP`, or gRPC's."""

    async def send(self, request: Request, budget: Budget, request_id: str) -> Answer: ...

    async def aclose(self) -> None: ...


class SyncHTTP:
    """A pool of connections to one service."""

    def __init__(self, config: Config, transport: Transport | None) -> None:
        self._base_url = config.base_url
        self._client = httpx.Client(transport=transport, **_client_arguments(config))

    def send(self, request: Request, budget: Budget, request_id: str) -> Answer:
        """Send one attempt and return the answer, whatever its status.

        Raises:
            ConnectionFailed: if no answer came.
            TimedOut: if the budget ran out.
            ProtocolError: if what came is not HTTP.
        """
        ends_at = time.monotonic() + budget.timeout_s
        arguments = _arguments(request, budget, request_id)
        with _own_errors(self._base_url, request_id), self._client.stream(**arguments) as response:
            content = bytearray()
            # The library times each read; only this bounds an answer that comes in drops.
            for chunk in response.iter_bytes():
                content += chunk
                if time.monotonic() > ends_at:
                    raise TimeoutError
            return _answer(response, bytes(content))

    def close(self) -> None:
        self._client.close()


class AsyncHTTP:
    """A pool of connections to one service, for asyncio."""

    def __init__(self, config: Config, transport: AsyncTransport | None) -> None:
        self._base_url = config.base_url
        self._client = httpx.AsyncClient(transport=transport, **_client_arguments(config))

    async def send(self, request: Request, budget: Budget, request_id: str) -> Answer:
        """Send one attempt and return the answer, whatever its status; errors as `SyncHTTP`."""
        with _own_errors(self._base_url, request_id):
            sending = self._client.request(**_arguments(request, budget, request_id))
            response = await asyncio.wait_for(sending, budget.timeout_s)
            return _answer(response, response.content)

    async def aclose(self) -> None:
        await self._client.aclose()


def _client_arguments(config: Config) -> dict[str, Any]:
    headers = {"User-Agent": f"critic-client/{__version__}", "Accept": "application/json"}
    if config.api_key is not None:
        headers["Authorization"] = f"Bearer {config.api_key}"
    return {
        "base_url": config.base_url,
        "headers": headers,
        # A proxy named in the environment is meant for other machines than this one.
        "trust_env": not config.is_loopback,
    }


def _arguments(request: Request, budget: Budget, request_id: str) -> dict[str, Any]:
    connect_s = min(CONNECT_TIMEOUT_S, budget.timeout_s)
    # A part without a file name would be a form field, which servers keep small.
    files = [(part.name, (part.name, part.content, part.media_type)) for part in request.parts]
    # The same for all attempts of a call, so that a service may know one that it has done.
    key = {"Idempotency-Key": request_id} if request.parts else {}
    body = {} if request.content is None else {"content": request.content}
    return {
        **body,
        "method": request.method,
        "url": request.path,
        "headers": {
            "X-Request-Id": request_id,
            "X-Request-Deadline-Ms": str(budget.server_deadline_ms),
            **key,
        },
        "files": files or None,
        "timeout": httpx.Timeout(budget.timeout_s, connect=connect_s),
    }


def _answer(response: httpx.Response, content: bytes) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, content)


@contextmanager
def _own_errors(base_url: str, request_id: str) -> Iterator[None]:
    try:
        yield
    except httpx.RequestError as error:
        for theirs, ours, sentence in _TRANSLATION:
            if isinstance(error, theirs):
                reason = f": {error}" if str(error) else ""
                raise ours(f"{sentence}: {base_url}{reason}", request_id=request_id) from error
        raise
    except (asyncio.TimeoutError, TimeoutError) as error:
        raise TimedOut(f"no answer in time: {base_url}", request_id=request_id) from error
