"""`critic serve` becomes BentoML, with what was asked for in its environment."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from critic_service.cli.serve import service_environment

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound here


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str], dict[str, str]]]:
    calls: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    return calls


def test_serve_hands_over_to_bentoml_on_loopback(run: Any, executed: Any) -> None:
    done = run("serve", "--port", "4000", "--device", "cpu", "--dtype", "float32")
    assert (done.exit_code, done.stderr) == (0, "")
    ((program, arguments, environment),) = executed
    assert program == sys.executable
    assert arguments[1:] == [
        *("-m", "bentoml", "serve", "critic_service.service:CriticService"),
        *("--host", "127.0.0.1", "--port", "4000"),
    ]
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert environment["CRITIC_DEVICE"] == "cpu"
    assert environment["CRITIC_DTYPE"] == "float32"
    assert "CRITIC_CHECKPOINT" not in environment


def test_serve_opens_the_doors_of_other_protocols_where_asked(run: Any, executed: Any) -> None:
    run("serve")
    run("serve", "--compat")
    closed, opened = (environment for _, _, environment in executed)
    assert "CRITIC_COMPAT" not in closed
    assert opened["CRITIC_COMPAT"] == "1"


def test_serve_speaks_grpc_where_asked(run: Any, executed: Any) -> None:
    run("serve")
    run("serve", "--grpc-port", "50051")
    silent, speaking = (environment for _, _, environment in executed)
    assert "CRITIC_GRPC_PORT" not in silent
    assert speaking["CRITIC_GRPC_PORT"] == "50051"


@pytest.mark.parametrize(
    ("environment", "is_warned"),
    [
        ({}, False),
        ({"CRITIC_GRPC_HOST": "127.0.0.1"}, False),
        ({"CRITIC_GRPC_HOST": EVERYWHERE}, True),
        ({"CRITIC_GRPC_HOST": EVERYWHERE, "CRITIC_API_KEY": "a-long-key"}, False),
        ({"CRITIC_GRPC_HOST": EVERYWHERE, "CRITIC_API_KEYS_FILE": "keys"}, False),
    ],
)
def test_an_open_address_of_grpc_is_warned_of_too(
    environment: dict[str, str],
    is_warned: bool,
    run: Any,
    executed: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert len(run("serve", "--grpc-port", "50051").complaints) == is_warned
    assert run("serve").complaints == []


def test_serve_prints_a_call_to_paste(
    run: Any, executed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = run("serve", "--port", "4000").stdout.splitlines()[-1]
    command = shlex.split(call)
    assert command[:3] == ["curl", "-s", "http://127.0.0.1:4000/v1/score"]
    assert Path(command[command.index("-F") + 1].removeprefix("clip=@")).is_file()
    assert "CRITIC_API_KEY" not in call
    other = run("serve", "--host", "192.168.1.5").stdout.splitlines()[-1]
    assert "http://192.168.1.5:3000/" in other
    assert "http://127.0.0.1:3000/" in run("serve", "--host", EVERYWHERE).stdout.splitlines()[-1]
    monkeypatch.setenv("CRITIC_API_KEY", "a-long-key")
    keyed = run("serve").stdout.splitlines()[-1]
    assert "$CRITIC_API_KEY" in keyed
    assert "a-long-key" not in keyed


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.5", "gpu-box"])
def test_an_open_address_without_a_key_is_warned_of(run: Any, executed: Any, host: str) -> None:
    done = run("serve", "--host", host)
    assert len(done.complaints) == 1
    assert "without CRITIC_API_KEY" in done.stderr
    assert len(executed) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_not_warned_of(run: Any, executed: Any, host: str) -> None:
    assert run("serve", "--host", host).stderr == ""


def test_an_open_address_with_a_key_is_not_warned_of(
    run: Any, executed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRITIC_API_KEY", "a-long-key")
    assert run("serve", "--host", EVERYWHERE).stderr == ""


def test_a_checkpoint_folder_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    named = service_environment({}, critic="mine")["CRITIC_CHECKPOINT"]
    assert named == str(tmp_path / "mine")
    assert service_environment({}, critic="critic-nano")["CRITIC_CHECKPOINT"] == "critic-nano"


def test_a_port_that_is_none_is_bad_usage(run: Any, executed: Any) -> None:
    assert run("serve", "--port", "70000").exit_code == 2
    assert executed == []
