"""The service as a child process on a free loopback port, for as long as somebody needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from critic_client import CriticClient, CriticClientError

from critic_service.cli.failures import Failure
from critic_service.cli.output import complain, progress
from critic_service.cli.serve import DEFAULT_HOST, service_command, service_environment

LOG_TAIL_LINES = 30
POLL_S = 0.5
STOP_S = 20.0


@contextmanager
def child_service(start_timeout_s: float) -> Iterator[str]:
    """Run the service while the block lasts.

    If the block raises, the end of the service's log goes to stderr.

    Yields:
        The address of the service, once it is ready.

    Raises:
        Failure: if it ends, or is not ready in time.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="critic-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "service.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                service_command(DEFAULT_HOST, port),
                env=_environment(os.environ, Path(folder)),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            url = f"http://{DEFAULT_HOST}:{port}"
            _wait_until_ready(url, process, start_timeout_s)
            yield url
        except Exception:
            _show_end_of(log)
            raise
        finally:
            _stop(process)


def free_port() -> int:
    """Return a loopback port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((DEFAULT_HOST, 0))
        return int(probe.getsockname()[1])


def _environment(base: Mapping[str, str], folder: Path) -> dict[str, str]:
    environment = service_environment(base)
    # Nobody else is let in and nobody else is waited for, and nothing stays behind in the home.
    environment.pop("CRITIC_API_KEY", None)
    return {**environment, "CRITIC_PRE_DRAIN_S": "0", "BENTOML_HOME": str(folder / "bentoml")}


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    ends_at = time.monotonic() + timeout_s
    with progress("starting the service"), CriticClient(url) as client:
        while not _is_ready(client):
            if process.poll() is not None:
                raise Failure("no_service", f"the service ended with code {process.returncode}")
            if time.monotonic() > ends_at:
                raise Failure("no_service", f"the service was not ready within {timeout_s:g} s")
            time.sleep(POLL_S)


def _is_ready(client: CriticClient) -> bool:
    try:
        return client.ready()
    except CriticClientError as error:
        raise Failure("no_service", f"something else answers on the port: {error}") from error


def _show_end_of(log: Path) -> None:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines[-LOG_TAIL_LINES:]:
        complain(f"service: {line}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the service and its workers, which are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        complain(f"the service did not stop within {STOP_S:g} s and is killed")
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
