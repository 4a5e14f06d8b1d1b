"""The BentoML side: hooks, private names we lean on, telemetry, signals, logs."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_judge import FakeJudge
from service_app import scored, until
from starlette.testclient import TestClient

from critic_service.guard import Guard
from critic_service.logs import JsonFormatter
from critic_service.openapi import document
from critic_service.service import CriticService, GuardedService
from critic_service.settings import SettingsError
from critic_service.signals import delay_stop_signals


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeJudge:
    judge = FakeJudge()
    monkeypatch.setattr("critic_service.service._load", lambda settings: judge)
    # Logging is the process's, and this process is the test's.
    monkeypatch.setattr("critic_service.service.configure_logs", lambda: None)
    for name in os.environ:
        if name.startswith("CRITIC_"):
            monkeypatch.delenv(name)
    return judge


def wait_until_ready(client: TestClient) -> None:
    for _ in range(500):
        if client.get("/readyz").status_code == 200:
            return
        time.sleep(0.01)
    pytest.fail("the service did not become ready")


@pytest.mark.parametrize("time_around", [1, 2])
def test_bentoml_opens_and_closes_the_door(fake: FakeJudge, time_around: int) -> None:
    app = CriticService.to_asgi()
    assert isinstance(app, Guard)
    with TestClient(app) as client:
        wait_until_ready(client)
        assert client.post("/v1/score", json=scored(1)).status_code == 200
        assert client.post("/schema.json").status_code == 404  # nothing of BentoML's is reachable
    assert CriticService.door.draining
    assert not CriticService.door._core.desk.alive  # type: ignore[union-attr]


def test_settings_come_from_the_environment(
    fake: FakeJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRITIC_API_KEY", "only-for-friends")
    with TestClient(CriticService.to_asgi()) as client:
        wait_until_ready(client)
        assert client.get("/v1/info").status_code == 401
    monkeypatch.setenv("CRITIC_APIKEY", "only-for-friends")
    with pytest.raises(SettingsError, match="CRITIC_APIKEY"):
        CriticService.to_asgi()


def test_a_wrong_setting_ends_the_command_at_once(tmp_path: Path) -> None:
    base = {k: v for k, v in os.environ.items() if not k.startswith("CRITIC_")}
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "critic_service.service:CriticService"],
        env={**base, "BENTOML_HOME": str(tmp_path), "CRITIC_DEVISE": "cuda"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode != 0
    assert "unknown: CRITIC_DEVISE" in done.stdout + done.stderr


def test_the_private_name_of_bentoml_is_still_there() -> None:
    assert importlib.metadata.version("bentoml") == "1.4.39"
    assert issubclass(GuardedService, importlib.import_module("_bentoml_sdk").Service)
    assert isinstance(CriticService, GuardedService)
    assert CriticService.config["metrics"] == {"enabled": False}
    assert CriticService.apis == {}
    assert CriticService.dependencies == {}


def test_the_document_in_a_bento_is_the_services_own() -> None:
    assert yaml.safe_load(yaml.dump(CriticService.openapi_spec)) == document()


def python(code: str, **environment: str) -> str:
    base = {k: v for k, v in os.environ.items() if not k.startswith(("BENTOML_", "CRITIC_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={**base, **environment},
    )
    return done.stdout.strip()


def test_telemetry_is_off_even_if_bentoml_asked_before() -> None:
    code = (
        "from bentoml._internal.utils.analytics.usage_stats import do_not_track;"
        "before = do_not_track(); import critic_service.service; print(before, do_not_track())"
    )
    assert python(code) == "False True"


def test_the_supervising_process_does_not_load_torch() -> None:
    code = "import sys, critic_service.service; print('torch' in sys.modules)"
    assert python(code) == "False"


@pytest.fixture
def own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
async def test_a_stop_signal_drains_before_the_server_hears_of_it() -> None:
    heard: list[str] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: heard.append("server"))
    delay_stop_signals(lambda: heard.append("drain"), 0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: heard != [])
    assert heard == ["drain"]
    await until(lambda: len(heard) == 2)
    assert heard == ["drain", "server"]
    os.kill(os.getpid(), signal.SIGINT)
    assert heard == ["drain", "server", "server"]


@pytest.mark.usefixtures("own_signals")
async def test_without_a_server_signals_are_left_alone() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    delay_stop_signals(lambda: None, 0)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_log_line_is_one_json_object() -> None:
    record = logging.makeLogRecord({"name": "critic_service.x", "levelno": 20, "levelname": "INFO"})
    record.msg, record.args = "%s\n%d", ("two lines", 7)
    vars(record)["request_id"] = "abc"
    try:
        raise ValueError("inside")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = JsonFormatter().format(record)
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    assert fields["message"] == "two lines\n7"
    assert fields["request_id"] == "abc"
    assert "ValueError: inside" in fields["exception"]
    assert fields["time"].endswith("Z")


def test_the_bento_names_the_wheel_of_this_version() -> None:
    root = Path(__file__).parents[2]
    bentofile = yaml.safe_load((root / "bentofile.yaml").read_text())
    version = importlib.metadata.version("critic-service")
    wheel = f"./dist/critic_service-{version}-py3-none-any.whl"
    assert bentofile["python"] == {"lock_packages": False, "wheels": [wheel]}
    assert bentofile["include"] == ["/LICENSE"]
