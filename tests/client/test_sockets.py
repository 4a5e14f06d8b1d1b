"""What a mock cannot show: refused ports, broken and reused connections, deadlines, readiness."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from critic_client import AsyncCriticClient, ConnectionFailed, CriticClient, TimedOut

INFO = {
    "service": "critic-service",
    "version": "0",
    "default_critic": "c",
    "critics": [],
    "dimensions": [],
    "limits": {},
    "versions": {},
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.num_connections = 0
        self.statuses: list[int] = []
        self.delay_s = 0.0
        self.drops = 0
        self.drip_s = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> Any:
        self.num_connections += 1
        return super().get_request()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.server.drops:
            self.server.drops -= 1
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        time.sleep(self.server.delay_s)
        body = json.dumps(INFO).encode()
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        size = 1 if self.server.drip_s else len(body)
        with contextlib.suppress(OSError):
            for start in range(0, len(body), size):
                self.wfile.write(body[start : start + size])
                time.sleep(self.server.drip_s)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def closed_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_calls_share_one_connection(server: Server) -> None:
    with CriticClient(server.url) as client:
        for _ in range(5):
            client.info()
    assert server.num_connections == 1


def test_threads_share_one_client(server: Server) -> None:
    with CriticClient(server.url) as client, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: client.info().service, range(40)))
    assert replies == ["critic-service"] * 40
    assert server.num_connections <= 8


def test_a_refused_connection_says_where(closed_url: str) -> None:
    with (
        CriticClient(closed_url, max_retries=0) as client,
        pytest.raises(ConnectionFailed, match=closed_url),
    ):
        client.info()


def test_a_connection_that_is_dropped_is_tried_again(server: Server) -> None:
    server.drops = 1
    with CriticClient(server.url) as client:
        assert client.info().service == "critic-service"


def test_a_slow_answer_ends_at_the_deadline(server: Server) -> None:
    server.delay_s = 10.0
    began_s = time.monotonic()
    with CriticClient(server.url, timeout_s=0.2) as client, pytest.raises(TimedOut):
        client.info()
    assert time.monotonic() - began_s < 5


def test_a_slow_answer_ends_at_the_deadline_of_the_async_client(server: Server) -> None:
    server.delay_s = 10.0

    async def run() -> None:
        async with AsyncCriticClient(server.url, timeout_s=0.2) as client:
            await client.info()

    with pytest.raises(TimedOut):
        asyncio.run(run())


def test_an_answer_that_comes_in_drops_ends_at_the_deadline(server: Server) -> None:
    server.drip_s = 0.05
    began_s = time.monotonic()
    with CriticClient(server.url, timeout_s=0.2) as client, pytest.raises(TimedOut):
        client.info()

    async def run() -> None:
        async with AsyncCriticClient(server.url, timeout_s=0.2) as client:
            await client.info()

    with pytest.raises(TimedOut):
        asyncio.run(run())
    assert time.monotonic() - began_s < 4


def test_ready_is_false_where_nobody_listens(closed_url: str) -> None:
    with CriticClient(closed_url) as client:
        assert client.ready() is False


def test_wait_until_ready_outlasts_a_service_that_is_starting(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("critic_client._client.READY_POLL_S", 0.01)
    monkeypatch.setattr("critic_client._async_client.READY_POLL_S", 0.01)
    server.statuses = [503, 503, 200]
    with CriticClient(server.url) as client:
        client.wait_until_ready(5)
    assert server.statuses == []

    async def run() -> None:
        server.statuses = [503, 502, 200]
        async with AsyncCriticClient(server.url) as client:
            await client.wait_until_ready(5)

    asyncio.run(run())
    assert server.statuses == []


def test_wait_until_ready_gives_up(closed_url: str) -> None:
    with CriticClient(closed_url) as client, pytest.raises(TimedOut, match=r"within 0\.2 s"):
        client.wait_until_ready(0.2)


def test_ready_does_not_take_another_program_for_a_service(server: Server) -> None:
    server.statuses = [404]
    with CriticClient(server.url) as client, pytest.raises(Exception, match="404"):
        client.ready()
