"""The benchmark command and the engine's rows: complete, and no figure of wrong results.

Nothing is timed here: timers and device rates are replaced.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import requires
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from critic_models.engine import WorkItem
from small_benchmarks import CPU, FAMILIES, LAYERS, SMALL, batch, of_kind, small_subject

from benchmarks import engine, run, subject
from benchmarks.engine import CLIP_BY_CLIP, ONE_QUESTION
from benchmarks.floors import Rates, forward_parts
from benchmarks.measure import Finding, Refusal, Row, Timing
from benchmarks.plan import Plan
from benchmarks.shapes import build
from benchmarks.subject import LOOPS, Contender, Subject, default_variant
from benchmarks.workload import question

PROMISED_FIELDS = {
    *("bench", "case", "impl", "device", "dtype", "time_ms", "floor_ms", "fraction_of_floor"),
    *("baseline", "ratio", "versions", "commit"),
}


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run takes two milliseconds, on a device of round rates."""
    monkeypatch.setattr(subject, "measure", lambda *_, **__: Timing(2.0, 0.5, 3))
    monkeypatch.setattr(engine, "matrix_rate", lambda *_: 1e12)
    monkeypatch.setattr(engine, "copy_bandwidth", lambda *_: 1e11)


@pytest.fixture
def small_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small models; of the engine's variants one that runs on a CPU, and one that cannot."""
    monkeypatch.setattr(engine, "default_shapes", lambda _: tuple(SMALL.values()))
    monkeypatch.setattr(
        engine,
        "other_variants",
        lambda first: [replace(first, attention="varlen"), replace(first, deterministic=True)],
    )


@pytest.mark.usefixtures("untimed", "small_shapes")
def test_every_case_becomes_complete_rows() -> None:
    findings = list(engine.run(CPU, torch.float32, repeats=3, max_layers=LAYERS))
    rows = of_kind(findings, Row)
    on_a_cpu = [name for name in LOOPS if name != subject.ONE_BY_ONE_FLASH]
    loops = {f"questions-{n}": on_a_cpu for n in (1, 16, 29, 64)} | {"pair": on_a_cpu}
    expected = loops | {"29-over-1": [ONE_QUESTION], "packed-8": [subject.KV_EXPAND, CLIP_BY_CLIP]}
    expected |= {"variants-16": ["shared-prefix/reference"]}
    models = [shape.label(LAYERS) for shape in SMALL.values()]
    assert {(row.model, row.case, row.baseline) for row in rows} == {
        (model, case, name)
        for model in models
        for case, names in expected.items()
        for name in names
    }
    for row in rows:
        written = json.loads(row.to_json())
        assert set(written) >= PROMISED_FIELDS
        assert written == asdict(row)
        assert row.max_error <= row.error_bound
        assert row.ratio == pytest.approx(row.baseline_ms / row.time_ms)
        assert row.fraction_of_floor == pytest.approx(row.floor_ms / row.time_ms, rel=1e-3)
    assert {row.impl for row in rows if row.case == "variants-16"} == {
        "shared-prefix/reference+deterministic"
    }
    refusals = of_kind(findings, Refusal)
    assert {r.impl for r in refusals} == {subject.ONE_BY_ONE_FLASH, "varlen+none"}
    assert not any(r.red for r in refusals)


def test_variants_differ_from_the_default_in_one_thing() -> None:
    first = default_variant(CPU, torch.float32)
    assert str(first) == "reference+none"
    others = subject.other_variants(first)
    assert {v.attention for v in others} == set(get_args(subject.AttentionImpl))
    assert {v.elementwise for v in others} == set(get_args(subject.ElementwiseImpl))
    assert "reference+none+deterministic" in map(str, others)
    for variant in others:
        assert len(asdict(variant).items() - asdict(first).items()) == 1


@pytest.mark.usefixtures("untimed")
def test_against_itself_the_row_says_how_many_times_one_question() -> None:
    shape = SMALL["qwen3_vl"]
    plan = Plan(only="29-over-1")
    (row,) = engine.run(CPU, torch.float32, 1, plan, [shape], max_layers=LAYERS)
    network = build(shape, CPU, torch.float32, LAYERS)
    rates = Rates(1e12, 1e11)
    floors = [rates.floor_ms(forward_parts(network, batch(shape, n))) for n in (29, 1)]
    at_the_floor = row.details["times_the_baseline_at_the_floor"]
    assert at_the_floor == pytest.approx(floors[0] / floors[1], rel=1e-3)
    assert row.details["times_the_baseline"] == pytest.approx(1 / row.ratio, rel=1e-3)


def other_pixels(item: WorkItem) -> WorkItem:
    (only,) = item.clips
    return replace(item, clips=(replace(only, patches=only.patches.flip(0)),))


def neighbours_seen(item: WorkItem) -> WorkItem:
    """Every question after all before it, as a mask that leaks would have it."""
    ids = [np.concatenate([question(j) for j in range(i + 1)]) for i in range(len(item.branches))]
    return replace(
        item, branches=tuple(replace(b, ids=i) for b, i in zip(item.branches, ids, strict=True))
    )


def positions_run_on(item: WorkItem) -> WorkItem:
    return replace(item, branch_start=item.branch_start + 30)


def answers_exchanged(item: WorkItem) -> WorkItem:
    return replace(item, branches=item.branches[::-1])


MUTANTS = (other_pixels, neighbours_seen, positions_run_on, answers_exchanged)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_gate_tells_right_from_wrong(model_type: str, dtype: torch.dtype) -> None:
    items = batch(SMALL[model_type], dtype=dtype)
    under_test = small_subject(model_type, items, dtype)
    right = under_test.engine(default_variant(CPU, dtype)).answer
    verdict = under_test.gate.check(right, items)
    assert not verdict.red, verdict
    for mutant in MUTANTS:

        def wrong(items: Sequence[WorkItem], mutant: Callable = mutant) -> torch.Tensor:
            return right([mutant(item) for item in items])

        assert under_test.gate.check(wrong, items).red, mutant.__name__
    assert under_test.gate.check(lambda items: right(items) * torch.nan, items).red
    assert under_test.gate.check(lambda items: right(items) * 1.5, items).red


@pytest.mark.usefixtures("untimed", "small_shapes")
def test_a_red_gate_prints_no_figure_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = Subject.engine

    def wrong_about_16(self: Subject, variant: subject.Variant) -> Contender:
        contender = honest(self, variant)

        def answer(items: Sequence[WorkItem]) -> torch.Tensor:
            return contender.answer(items) + (len(items[0].branches) == 16)

        return replace(contender, answer=answer)

    monkeypatch.setattr(Subject, "engine", wrong_about_16)
    out = tmp_path / "new" / "rows.jsonl"
    asked = ["engine", "--device", "cpu", "--layers", str(LAYERS), "--only", "questions-1*"]
    assert run.main([*asked, "--out", str(out)]) == 1
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["case"] for row in rows} == {"questions-1"}
    assert {row["model"] for row in rows} == {shape.label(LAYERS) for shape in SMALL.values()}
    printed = capsys.readouterr().out.splitlines()
    assert all("RED" in line and " ms " not in line for line in printed if "questions-16" in line)
    assert run.main(["engine", "--device", "cpu", "--layers", "2", "--only", "questions-1"]) == 0


@pytest.mark.usefixtures("untimed")
def test_what_fails_is_red_and_what_lacks_something_is_not() -> None:
    items = batch(SMALL["qwen3_vl"])
    under_test = small_subject("qwen3_vl", items)

    def failing(error: Exception) -> Contender:
        def answer(_: Sequence[WorkItem]) -> torch.Tensor:
            raise error

        return Contender("x", "none", answer)

    broken = under_test.trial(failing(ValueError("head size 7")), items, 1, 1.0)
    assert isinstance(broken, subject.Failure)
    assert broken.red
    assert "head size 7" in broken.reason
    for lack in (torch.OutOfMemoryError("80 GiB"), ModuleNotFoundError("triton")):
        lacking = under_test.trial(failing(lack), items, 1, 1.0)
        assert isinstance(lacking, subject.Failure)
        assert not lacking.red


def fake_bench(name: str, findings: Sequence[Finding], error: Exception | None = None) -> object:
    def rows(*_: object) -> Iterator[Finding]:
        yield from findings
        if error:
            raise error

    return types.SimpleNamespace(run=rows, __name__=f"benchmarks.{name}")


def row(case: str) -> Row:
    return Row("fake", case, "i", "d", "t", 1.0, 0.5, 0.5, "b", 2.0, 1, {}, "c")


@pytest.fixture
def fake_kernels(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(**benches: object) -> None:
        for name, bench in benches.items():
            monkeypatch.setitem(sys.modules, f"benchmarks.{name}", bench)
        monkeypatch.setattr(run, "KERNELS", tuple(benches))
        monkeypatch.setattr(run, "BENCHES", (*benches, "engine"))

    return install


def test_kernels_run_one_after_another_whatever_becomes_of_one(
    fake_kernels: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_kernels(
        one=fake_bench("one", [row("a"), Refusal("one", "b", "triton", "no such device")]),
        two=fake_bench("two", [], RuntimeError("broken")),
        three=fake_bench("three", [row("c")]),
    )
    out = tmp_path / "rows.jsonl"
    assert run.main(["kernels", "--device", "cpu", "--out", str(out)]) == 1
    assert [json.loads(line)["case"] for line in out.read_text().splitlines()] == ["a", "c"]
    captured = capsys.readouterr()
    assert "not measured: no such device" in captured.out
    assert "broken" in captured.err
    assert run.main(["one", "three", "--device", "cpu"]) == 0
    out.unlink()
    assert run.main(["kernels", "--device", "cpu", "--only", "c", "--out", str(out)]) == 1
    assert [json.loads(line)["case"] for line in out.read_text().splitlines()] == ["c"]


@pytest.mark.usefixtures("untimed", "small_shapes")
def test_no_case_starts_after_the_time_is_used_up(
    fake_kernels: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_kernels(one=fake_bench("one", [row("a")]))
    assert run.main(["one", "engine", "--device", "cpu", "--budget-s", "0"]) == 0
    printed = capsys.readouterr().out
    assert "time was used up" in printed
    assert " ms " not in printed
    plan = Plan(budget_s=0)
    assert not list(engine.run(CPU, torch.float32, 1, plan))
    assert len(plan.skipped) == 8 * len(SMALL)
    assert Plan(only="questions-*").asks_for("questions-29")
    assert not Plan(only="questions-*").asks_for("pair")


def test_only_torch_transformers_and_numpy_are_needed() -> None:
    ours = {"av", "bentoml", "pydantic", "httpx", "cv2", "PIL", "prometheus_client"}
    theirs = {re.match(r"[\w-]+", need)[0] for need in requires("huggingface_hub") or ()}
    modules = ", ".join(f"benchmarks.{name}" for name in ("run", *run.BENCHES))
    code = f"""
import sys

class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in {ours - theirs!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import {modules}
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
