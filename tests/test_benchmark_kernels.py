"""Benchmarks of single kernels print no figure of wrong results; timing is the median it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from small_benchmarks import CPU, of_kind

from benchmarks import elementwise, frame_patches, measure, segmented_attention
from benchmarks.measure import Finding, Refusal, Row, Timing


def two_milliseconds(call: Callable[[], object], *_: object, **__: object) -> Timing:
    call()
    return Timing(2.0, 0.5, 3)


def test_attention_that_is_wrong_has_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    module = segmented_attention
    monkeypatch.setattr(module, "measure", two_milliseconds)
    monkeypatch.setattr(module, "matrix_rate", lambda *_: 1e12)
    monkeypatch.setattr(module, "copy_bandwidth", lambda *_: 1e15)
    monkeypatch.setattr(module, "IMPLS", ("reference", "varlen"))
    tree = module.Case("tree", 2, 1, 16, trees=((9, 2), (5, 3)))
    vision = module.Case("vision", 2, 2, 16, segments=(3, 8))

    def findings() -> list[Finding]:
        return list(module.run(CPU, torch.float32, 1, [tree, vision], sweep=False))

    rows = of_kind(findings(), Row)
    names = ("reference", "reference-deterministic")
    assert [(r.case, r.impl) for r in rows] == [(c, n) for c in ("tree", "vision") for n in names]
    pairs = 45 + 2 * (30 * 9 + 465) + 15 + 3 * (30 * 5 + 465)
    assert rows[0].floor_ms == pytest.approx(4 * 2 * 16 * pairs / 1e12 * 1e3, rel=1e-3)
    right = module.segmented_attention

    def leaking(*arguments: torch.Tensor, impl: str = "reference", deterministic: bool = False):
        mixed = right(*arguments, impl=impl, deterministic=deterministic)
        return mixed if deterministic else mixed.roll(1, 0)

    monkeypatch.setattr(module, "segmented_attention", leaking)
    refused = [f for f in findings() if isinstance(f, Refusal) and f.red]
    assert {(r.case, r.impl) for r in refused} == {("tree", "reference"), ("vision", "reference")}


def test_patches_that_are_wrong_have_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_patches, "measure", two_milliseconds)
    monkeypatch.setattr(frame_patches, "copy_bandwidth", lambda _: 1e11)
    case = frame_patches.Case("tiny", "Qwen2VLVideoProcessor", ((3, 400, 420),))
    right = frame_patches.Bench(case, CPU, torch.float32, 1).truth

    def findings(patches: torch.Tensor) -> list[Finding]:
        def processor(*_: object, **__: object) -> dict[str, torch.Tensor]:
            return {"pixel_values_videos": patches}

        monkeypatch.setattr(frame_patches, "load_processor", lambda _: processor)
        return list(frame_patches.run(CPU, torch.float32, 1, [case]))

    (row,) = of_kind(findings(right), Row)
    num_bytes = 3 * 400 * 420 * 3 + right.numel() * 4
    assert row.floor_ms == pytest.approx(num_bytes / 1e11 * 1e3, rel=1e-3)
    for wrong in (right.roll(1, 0), right[1:], right + 1e-6):
        refused = findings(wrong)
        assert not of_kind(refused, Row)
        assert [r.impl for r in refused if isinstance(r, Refusal) and r.red] == ["transformers"]


def test_elementwise_results_that_are_wrong_have_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elementwise, "measure", two_milliseconds)
    monkeypatch.setattr(elementwise, "copy_bandwidth", lambda _: 1e11)

    def doubled(factor: float) -> Callable[..., tuple[torch.Tensor]]:
        return lambda impl, x: (x * (2 if impl == "reference" else factor),)

    cases = [elementwise.Case(f"by {f}", doubled(f), ((4, 8),)) for f in (2, 2.001)]
    findings = list(elementwise.run(CPU, torch.float32, 1, cases))
    (row,) = of_kind(findings, Row)
    assert (row.case, row.impl, row.baseline) == ("by 2", "compile", "eager")
    assert row.floor_ms == pytest.approx(2 * 4 * 8 * 4 / 1e11 * 1e3, rel=1e-3)
    assert [(r.case, r.impl) for r in findings if isinstance(r, Refusal) and r.red] == [
        ("by 2.001", "compile")
    ]


@pytest.mark.parametrize(
    ("runs_ms", "repeats", "limit_s", "expected"),
    [
        ((100, 50, 49, 48, 52, 51), 3, 1.0, Timing(51, 4, 3)),
        ((7, 7, 6, 8, 9, 9), 2, 1.0, Timing(7, 2, 2)),
        ((400, 400, 300), 9, 0.5, Timing(300, 0, 1)),
    ],
)
def test_runs_are_timed_once_two_agree(
    runs_ms: Sequence[float],
    repeats: int,
    limit_s: float,
    expected: Timing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter(runs_ms)
    monkeypatch.setattr(measure, "_time_once_ms", lambda *_: next(times))
    assert measure.measure(lambda: None, CPU, repeats, limit_s=limit_s) == expected


def test_figures_keep_four_digits() -> None:
    assert measure.significant(0.00123456) == 0.001235
    assert measure.significant(12345.6) == 12350.0
    assert measure.significant(0.0) == 0.0


def test_a_copy_without_history_is_told_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_COMMIT", "abc123")
    assert measure.commit.__wrapped__() == "abc123"
