"""An OpenAI-compatible endpoint on a socket: it answers with the log-probabilities it is told."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, bytes]


def chat_reply(tokens: dict[str, float]) -> bytes:
    """What vLLM and SGLang answer to one token with `logprobs` and `top_logprobs`."""
    top = [
        {"token": token, "logprob": math.log(p), "bytes": list(token.encode())}
        for token, p in tokens.items()
    ]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": top[0]["token"]},
        "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
        "finish_reason": "length",
    }
    body = {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]}
    return json.dumps(body).encode()


def yes_with(p: float) -> Callable[[dict[str, Any]], Answer]:
    return lambda request: (200, chat_reply({"Yes": p, "No": 1 - p}))


@dataclass
class FakeEndpoint:
    """Attributes:
    answer: makes an answer of the parsed request.
    requests: headers and bodies, as they came.
    most_at_once: how many requests were held at the same time.
    piece_s: a wait before each piece of the answer's body, which then comes in drops.
    """

    answer: Callable[[dict[str, Any]], Answer] = field(default_factory=lambda: yes_with(0.9))
    delay_s: float = 0.0
    piece_s: float = 0.0
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            length = int(handler.headers["content-length"])
            request = json.loads(handler.rfile.read(length))
            headers = {name.lower(): value for name, value in handler.headers.items()}
            with self.lock:
                self.requests.append((handler.path, headers, request))
            time.sleep(self.delay_s)
            status, content = self.answer(request)
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(content)))
            if status in (301, 302, 307):
                handler.send_header("Location", f"{self.url}/elsewhere")
            handler.end_headers()
            for start in range(0, len(content), 64 if self.piece_s else max(1, len(content))):
                time.sleep(self.piece_s)
                handler.wfile.write(content[start : start + (64 if self.piece_s else len(content))])
        except OSError:
            pass
        finally:
            with self.lock:
                self.at_once -= 1

    @contextmanager
    def serving(self) -> Iterator[FakeEndpoint]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
