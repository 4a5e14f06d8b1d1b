"""One real service process, started as a user starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from critic_client import CriticClient
from service_process import Service, free_port

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    port, grpc_port = free_port(), free_port()
    log = folder / "service.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRITIC_")}
    environment["BENTOML_HOME"] = str(folder)
    command = [sys.executable, "-m", "critic_service.cli", "serve", "--port", str(port)]
    command += ["--grpc-port", str(grpc_port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    running = Service(
        f"http://127.0.0.1:{port}", process, log, grpc_url=f"http://127.0.0.1:{grpc_port}"
    )
    try:
        with CriticClient(running.url) as client:
            client.wait_until_ready(START_TIMEOUT_S)
    except Exception:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"the service did not start:\n{log.read_text()[-3000:]}")
    yield running
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"the service did not stop:\n{log.read_text()[-3000:]}")
    assert code == 0, log.read_text()[-3000:]
    assert time.monotonic() - started < STOP_TIMEOUT_S
