"""Recorded sessions: requests and answers as JSON lines, and a service made of such a file.

One line per answer:

    {"method": "POST", "path": "/v1/score",
     "request": {"items": [{"clip": {"sha256": "…", "bytes": 1234, "media_type": "…"},
                            "prompt": "…"}]},
     "status": 200, "headers": {"server-timing": "…"}, "answer": {…}}

A clip is named by the SHA-256 of its bytes as sent, not by the part that it travelled in, so that a
session does not depend on how clips were put into calls. No key of the service is ever written.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from ._decode import parse_json
from ._errors import ProtocolError
from ._multipart import read_parts, split_request
from ._parts import Part
from ._training_errors import NotRecorded

# What the client reads of an answer beside its body.
_HEADERS = ("server-timing", "retry-after")
_READY_PATH = "/readyz"

Json = dict[str, Any]


class RecordingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Send calls on and write them with their answers to a file, one JSON line each.

        with CriticClient(url, transport=RecordingTransport("session.jsonl")) as client:
            ...

    It serves `CriticClient`, `AsyncCriticClient` and `Pipeline`. Lines are added to a file that
    exists. Calls that got no answer, and questions for readiness, are not written.

    Args:
        path: of the file.
        keep_clips: write the bytes of the clips too, as base64 in `content`.
        transport: to send with; a direct connection if None, so without the environment's proxies.

    Raises:
        OSError: if the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keep_clips: bool = False,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._path = Path(path)
        self._keep_clips = keep_clips
        self._transport = transport
        self._lock = threading.Lock()
        # A path that cannot be written is found out now, not after the first batch.
        self._append("")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._transport is None:
            self._transport = httpx.HTTPTransport()
        if not isinstance(self._transport, httpx.BaseTransport):
            raise TypeError("the transport given to the recording is for asyncio alone")
        body = request.read()
        response = self._transport.handle_request(request)
        try:
            content = response.read()
        finally:
            response.close()
        return self._record(request, body, response, content)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport()
        if not isinstance(self._transport, httpx.AsyncBaseTransport):
            raise TypeError("the transport given to the recording is not for asyncio")
        body = await request.aread()
        response = await self._transport.handle_async_request(request)
        try:
            content = await response.aread()
        finally:
            await response.aclose()
        return self._record(request, body, response, content)

    def close(self) -> None:
        if isinstance(self._transport, httpx.BaseTransport):
            self._transport.close()

    async def aclose(self) -> None:
        if isinstance(self._transport, httpx.AsyncBaseTransport):
            await self._transport.aclose()

    def _record(
        self, request: httpx.Request, body: bytes, response: httpx.Response, content: bytes
    ) -> httpx.Response:
        headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
        if not request.url.path.endswith(_READY_PATH):
            line = {
                **_described(request, body, self._keep_clips),
                "status": response.status_code,
                "headers": headers,
                "answer": _json_or_text(content),
            }
            self._append(json.dumps(line, ensure_ascii=False) + "\n")
        # The content is decoded by now, so the headers that say how it was encoded must go.
        return httpx.Response(response.status_code, headers=headers, content=content)

    def _append(self, text: str) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(text)


class ReplayTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answer calls from recorded sessions, without any service.

        with CriticClient(transport=ReplayTransport("session.jsonl")) as client:
            ...

    A call is answered as it was when it was recorded: same path, prompts, criteria and clips. Where
    it was recorded more than once, the answers come in their order, and the last one again after.

    Args:
        paths: of the files.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if a line of it is not of a session.
    """

    def __init__(self, *paths: str | os.PathLike[str]) -> None:
        self._names = ", ".join(str(path) for path in paths)
        self._lock = threading.Lock()
        self._answers: dict[str, deque[Json]] = {}
        for path in paths:
            # Not splitlines: a prompt may hold what Unicode, but not JSON, takes for a line's end.
            lines = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
            for number, text in enumerate(lines if lines != [""] else [], start=1):
                line = _read_line(text, f"{path}:{number}")
                self._answers.setdefault(_key(line), deque()).append(line)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._replay(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._replay(request, await request.aread())

    def _replay(self, request: httpx.Request, body: bytes) -> httpx.Response:
        if request.url.path.endswith(_READY_PATH):
            return httpx.Response(200)
        asked = _described(request, body, keep_clips=False)
        with self._lock:
            answers = self._answers.get(_key(asked))
            if not answers:
                raise NotRecorded(
                    f"{request.method} {request.url.path} was not recorded in {self._names} with "
                    f"these clips and settings: {json.dumps(asked['request']):.300}"
                )
            line = answers.popleft() if len(answers) > 1 else answers[0]
        return httpx.Response(line["status"], headers=line["headers"], **_content(line["answer"]))


def _described(request: httpx.Request, body: bytes, keep_clips: bool) -> Json:
    described: Json = {"method": request.method, "path": request.url.path, "request": None}
    if body:
        parts = read_parts(request.headers.get("content-type", ""), body)
        asked, clips = split_request(parts)
        named = {name: _described_clip(part, keep_clips) for name, part in clips.items()}
        described["request"] = _with_clips(asked, named)
    return described


def _described_clip(part: Part, keep_clips: bool) -> Json:
    described: Json = {
        "sha256": hashlib.sha256(part.content).hexdigest(),
        "bytes": len(part.content),
        "media_type": part.media_type,
    }
    if keep_clips:
        described["content"] = base64.b64encode(part.content).decode()
    return described


def _with_clips(value: Any, clips: Mapping[str, Json]) -> Any:
    """Put the description of each clip in the place of the reference to its part."""
    if isinstance(value, dict):
        if set(value) == {"part"} and value["part"] in clips:
            return clips[value["part"]]
        return {name: _with_clips(entry, clips) for name, entry in value.items()}
    if isinstance(value, list):
        return [_with_clips(entry, clips) for entry in value]
    return value


def _key(line: Json) -> str:
    """Return what two equal calls have in common, whether or not their clips were kept."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            kept = "sha256" in value and "content" in value
            return {k: bare(v) for k, v in value.items() if not (kept and k == "content")}
        return [bare(entry) for entry in value] if isinstance(value, list) else value

    return json.dumps([line["method"], line["path"], bare(line["request"])], sort_keys=True)


def _read_line(text: str, where: str) -> Json:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON: {error}") from error
    wanted = {"method", "path", "request", "status", "headers", "answer"}
    if not isinstance(line, dict) or set(line) != wanted:
        raise ValueError(f"{where} is not a line of a session, which has {', '.join(wanted)}")
    return line


def _json_or_text(content: bytes) -> Any:
    try:
        return parse_json(content)
    except ProtocolError:
        return content.decode("utf-8", errors="replace")


def _content(answer: Any) -> dict[str, Any]:
    return {"text": answer} if isinstance(answer, str) else {"json": answer}
