"""A critic service on a real port, in a thread, with faults on demand."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, get_args

from . import answers

Fault = Literal["overloaded", "unavailable", "slow", "dropped"]

DEFAULT_SLOW_S = 0.1
_POLL_S = 0.01


@dataclass(frozen=True)
class Received:
    """One request, as it came. Names of headers are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FakeCritic:
    """A critic service for tests: any bytes are a clip, and scores are hashes.

    It answers in the schema of the real service, at `url`, from construction until `close`, or the
    end of its `with` block.

    Args:
        fingerprint_id: of its answers; two with different ones are two different critics.
        slow_s: how long a call waits that is to be slow.
        retry_after_s: what an overloaded answer asks for.

    Attributes:
        unreadable: hashes (`FakeCritic.clip_hash`) of clips that count as unreadable.
        ready: what `/readyz` says.
    """

    clip_hash = staticmethod(answers.clip_hash)
    value_of = staticmethod(answers.value_of)

    def __init__(
        self,
        *,
        fingerprint_id: str = "fake",
        slow_s: float = DEFAULT_SLOW_S,
        retry_after_s: int = 0,
    ) -> None:
        self.fingerprint_id = fingerprint_id
        self.slow_s = slow_s
        self.retry_after_s = retry_after_s
        self.unreadable: set[str] = set()
        self.ready = True
        self._lock = threading.Lock()
        self._faults: deque[Fault] = deque()
        self._received: list[Received] = []
        self._port = 0
        self._server: _Server | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def received(self) -> list[Received]:
        """All requests so far but those for readiness, in the order in which they came."""
        with self._lock:
            return list(self._received)

    def fail_next(self, *faults: Fault) -> None:
        """Meet the next calls with these faults, one each; a slow one is then answered well.

        Raises:
            ValueError: if there is no such fault.
        """
        unknown = set(faults) - set(get_args(Fault))
        if unknown:
            raise ValueError(
                f"no fault {', '.join(unknown)}; there is {', '.join(get_args(Fault))}"
            )
        with self._lock:
            self._faults.extend(faults)

    def stop(self) -> None:
        """Die as a killed process does: no new connections, and open ones break off."""
        if self._server is not None:
            self._server.die()
            self._server = None

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        if self._server is None:
            self._server = _Server(self, self._port)
            self._port = self._server.server_address[1]

    def close(self) -> None:
        self.stop()

    def __enter__(self) -> FakeCritic:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def note(self, received: Received) -> Fault | None:
        """Keep a call, and return the fault that it is to meet."""
        with self._lock:
            self._received.append(received)
            return self._faults.popleft() if self._faults else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A restart finds its port in use for a while otherwise.
    allow_reuse_address = True

    def __init__(self, critic: FakeCritic, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.critic = critic
        self.is_dead = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), name="fake-critic", daemon=True
        )
        self._thread.start()

    def die(self) -> None:
        self.is_dead.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: a client that hangs up is part of what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        critic = self.server.critic
        if self.path == "/readyz":
            self._answer(200 if critic.ready else 503, {"ready": critic.ready})
        elif self.path == "/v1/info":
            critic.note(self._received(b""))
            self._answer(200, answers.info(critic.fingerprint_id))
        else:
            self._refuse(answers.Refused(404, "not_found", f"there is no {self.path}"))

    def do_POST(self) -> None:
        critic = self.server.critic
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fault = critic.note(self._received(body))
        if fault == "dropped":
            self._drop()
        elif fault == "overloaded":
            refused = answers.Refused(429, "overloaded", "the queue is full", retryable=True)
            self._refuse(refused, {"Retry-After": str(critic.retry_after_s)})
        elif fault == "unavailable":
            self._refuse(answers.Refused(503, "not_ready", "still loading", retryable=True))
        else:
            if fault == "slow":
                self.server.is_dead.wait(critic.slow_s)
            self._judge(body)

    def _judge(self, body: bytes) -> None:
        critic = self.server.critic
        content_type = self.headers.get("Content-Type", "")
        try:
            reply = answers.answer_call(
                self.path, content_type, body, critic.fingerprint_id, critic.unreadable
            )
        except answers.Refused as refused:
            self._refuse(refused)
        else:
            self._answer(200, reply)

    def _received(self, body: bytes) -> Received:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Received(self.command, self.path, headers, body)

    def _refuse(self, refused: answers.Refused, headers: dict[str, str] | None = None) -> None:
        self._answer(refused.status, refused.body, headers)

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        if self.server.is_dead.is_set():
            self._drop()
            return
        content = json.dumps(body, allow_nan=False).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
