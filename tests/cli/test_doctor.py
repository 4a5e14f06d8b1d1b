"""What is broken, what is only absent, and the exit code."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from critic_models.errors import CheckpointError
from fake_judge import FakeJudge

from critic_service.cli import doctor
from critic_service.cli.doctor import Finding


def test_the_report_names_what_is_broken(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        Finding("python", "ok", "3.11"),
        Finding("triton", "absent", "not installed", "not needed"),
        Finding("torch", "broken", "libc is too old", "install another"),
    ]
    monkeypatch.setattr(doctor, "LOOKS", (lambda: iter(findings),))
    done = run("doctor")
    assert done.exit_code == 1
    assert "Cannot judge clips before this is mended: torch." in done.stdout
    assert "libc is too old" in done.stdout

    monkeypatch.setattr(doctor, "LOOKS", (lambda: iter(findings[:2]),))
    done = run("doctor")
    assert done.exit_code == 0
    assert "Ready to judge clips." in done.stdout


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


def test_every_look_finds_something_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("critic_models.judging.Judge.load", lambda *_: FakeJudge())
    findings = by_name(finding for look in doctor.LOOKS for finding in look())
    for name in ("python", "torch", "cpu", "PyAV", "decode h264", "critic-fake"):
        assert findings[name].state == "ok", findings[name]
    assert findings["torch"].found.startswith("2.")


def test_an_old_python_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MIN_PYTHON", (99, 0))
    assert by_name(doctor.look_at_python())["python"].state == "broken"


def test_a_package_that_is_needed_is_broken_when_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    findings = by_name(doctor.look_at_packages())
    assert findings["bentoml"].state == "broken"
    assert findings["triton"].state == "absent"


@pytest.mark.parametrize(
    ("module", "look", "name"),
    [("torch", doctor.look_at_torch, "torch"), ("av", doctor.look_at_decoders, "PyAV")],
)
def test_an_import_that_fails_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, module: str, look: Any, name: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (finding,) = look()
    assert (finding.what, finding.state) == (name, "broken")


def test_a_codec_without_a_decoder_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_has_decoder", lambda name: name != "hevc")
    findings = by_name(doctor.look_at_decoders())
    assert findings["decode hevc"].state == "absent"
    assert findings["decode h264"].state == "ok"


def test_the_hardware_only_decoder_of_av1_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_has_decoder", lambda name: name == "av1")
    assert by_name(doctor.look_at_decoders())["decode av1"].state == "absent"


def test_a_name_that_is_no_decoder_is_told_from_one() -> None:
    assert doctor._has_decoder("h264")
    assert not doctor._has_decoder("no-such-codec")


def test_an_embedded_critic_that_cannot_be_loaded_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*_: Any) -> None:
        raise CheckpointError("the weights are cut short")

    monkeypatch.setattr("critic_models.judging.Judge.load", load)
    (finding,) = doctor.look_at_embedded_critic()
    assert (finding.state, finding.found) == ("broken", "the weights are cut short")


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert doctor.look_at_port("127.0.0.1", port).state == "absent"
    assert doctor.look_at_port("127.0.0.1", port).state == "ok"


@pytest.mark.parametrize(
    ("memory_gib", "has_bf16", "note"),
    [
        (80, True, "bfloat16 yes; fits a 7B critic"),
        (8, False, "bfloat16 no, use --dtype float32; is too small for a 7B critic"),
    ],
)
def test_a_gpu_is_described(
    monkeypatch: pytest.MonkeyPatch, memory_gib: int, has_bf16: bool, note: str
) -> None:
    properties = SimpleNamespace(name="GPU", major=9, minor=0, total_memory=memory_gib * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bf16)
    gpu = by_name(doctor.look_at_torch())["cuda:0"]
    assert gpu.found == f"GPU, sm_90, {memory_gib} GiB"
    assert gpu.advice == note
