"""The benchmark of dimensions: no figure of different numbers, both sides by turns."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from critic_models.dimensions.catalogue import NETWORK_DIMENSIONS

from benchmarks import dimensions, run
from benchmarks.dimension_cases import CASES, BenchClip
from benchmarks.measure import Refusal, Row

CPU = torch.device("cpu")


@dataclass
class FakeSide:
    """Stands for a process: the reference takes 30 ms and then 10 ms, this project half."""

    python: str
    words: tuple[str, ...]
    numbers: ClassVar[dict[str, Any]] = {}
    order: ClassVar[list[str]] = []
    times: list[float] = field(default_factory=lambda: [30.0, 10.0])

    def __init__(self, python: str, *words: str) -> None:
        self.python, self.words, self.times = python, words, [30.0, 10.0]

    @property
    def side(self) -> str:
        return self.words[0]

    def ask(self, **asked: Any) -> dict[str, Any]:
        self.order.append(f"{self.side} {asked['do']}")
        if asked["do"] == "open":
            number = self.numbers[self.side]
            if isinstance(number, Exception):
                raise number
            return {"number": number, "peak_mb": 12.0 if self.side == "ours" else 48.0}
        return {"ms": self.times.pop(0) / (2 if self.side == "ours" else 1)}

    def __enter__(self) -> FakeSide:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> type[FakeSide]:
    monkeypatch.setattr(dimensions, "Side", FakeSide)
    FakeSide.order.clear()
    FakeSide.numbers.clear()
    FakeSide.numbers.update(reference=0.5, ours=0.5 + 1e-6)
    return FakeSide


def test_a_row_is_the_ratio_of_runs_that_alternate(sides: type[FakeSide]) -> None:
    row = dimensions.measured("dynamic_degree", CPU, 2, "python")
    assert isinstance(row, Row)
    assert sides.order[2:] == ["reference time", "ours time"] * 2
    assert (row.ratio, row.time_ms, row.baseline_ms) == (2.0, 10.0, 20.0)
    assert (row.peak_memory_mb, row.details["baseline_peak_memory_mb"]) == (12.0, 48.0)
    assert row.max_error == pytest.approx(1e-6)
    assert json.loads(row.to_json())["baseline"] == "vbench-0.1.5"


@pytest.mark.parametrize("wrong", [0.5 + 2e-5, float("nan")])
def test_different_numbers_have_no_figure(sides: type[FakeSide], wrong: float) -> None:
    sides.numbers["ours"] = wrong
    found = dimensions.measured("dynamic_degree", CPU, 2, "python")
    assert isinstance(found, Refusal)
    assert found.red
    assert not any(each.endswith("time") for each in sides.order)


def test_a_reference_that_fails_is_no_fault_of_ours(sides: type[FakeSide]) -> None:
    sides.numbers["reference"] = RuntimeError("ModuleNotFoundError: vbench")
    found = dimensions.measured("dynamic_degree", CPU, 2, "python")
    assert isinstance(found, Refusal)
    assert not found.red
    assert "vbench" in found.reason
    sides.numbers.update(reference=0.5, ours=RuntimeError("broken"))
    found = dimensions.measured("dynamic_degree", CPU, 2, "python")
    assert isinstance(found, Refusal)
    assert found.red


def test_without_an_environment_every_case_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["dimensions", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("--reference-python") == len(CASES) == 8
    assert run.main(["dimensions", "--device", "cpu", "--only", "dynamic*"]) == 0
    assert capsys.readouterr().out.count("--reference-python") == 1


def test_cases_are_dimensions_of_ours() -> None:
    assert set(CASES) <= set(NETWORK_DIMENSIONS)
    clip = BenchClip(3, 130, 141)
    assert clip.frames().shape == (3, 130, 141, 3)
    assert (clip.frames()[0] != clip.frames()[1]).any()


def test_a_worker_answers_whatever_its_case_prints() -> None:
    worker = Path(dimensions.__file__).with_name("dimension_worker.py")
    asked = [
        {"do": "time"},
        {"do": "open", "case": "dynamic_degree", "clip": [2, 16, 16]},
        {"do": "open", "case": "no_such", "clip": [2, 16, 16]},
    ]
    done = subprocess.run(
        [sys.executable, str(worker), "ours"],
        input="\n".join(map(json.dumps, asked)) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert "no case is open" in answers[0]["error"]
    assert "121 pixels" in answers[1]["error"]
    assert "no_such" in answers[2]["error"]
