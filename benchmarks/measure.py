"""Timing, rates of the device, and the row format that all benchmarks share.

A benchmark is a function `run(device, dtype, repeats)` that yields a `Row` for what it measured and
a `Refusal` for what it did not. Rows are written as they come, so that a run that is cut short
leaves what it had measured.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

WARM_UP_AGREES_WITHIN = 0.05
WARM_UP_RUNS = 10
WARM_UP_S = 3.0
TIMING_S = 20.0


@dataclass(frozen=True)
class Row:
    """One measurement; `ratio` is the baseline's time divided by this one's.

    Attributes:
        bench, case, impl: what was measured, and how it was computed.
        model: the model's shape where there is one, and how far its layers were cut.
        time_ms: the median of `repeats` runs.
        floor_ms: the least time that the case's matrix products and bytes would take at the
            device's measured rates.
        fraction_of_floor: `floor_ms / time_ms`; 1.0 would be the floor itself.
        baseline, baseline_ms, baseline_repeats: what it is compared with, in the same run.
        max_error, error_bound: of the correctness gate that this row passed.
        peak_memory_mb: device memory that the run took above what was allocated before it.
        details: facts of one benchmark, as numbers and words.
    """

    bench: str
    case: str
    impl: str
    device: str
    dtype: str
    time_ms: float
    floor_ms: float
    fraction_of_floor: float
    baseline: str
    ratio: float
    repeats: int
    versions: dict[str, str]
    commit: str
    model: str = ""
    baseline_ms: float | None = None
    baseline_repeats: int | None = None
    max_error: float | None = None
    error_bound: float | None = None
    peak_memory_mb: float | None = None
    details: dict[str, float | str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Refusal:
    """A figure that is not printed: it cannot be measured here, or its gate is red.

    Attributes:
        reason: what was missing, or by how much the results were off.
        red: whether the implementation failed or gave wrong results; the run then fails too.
    """

    bench: str
    case: str
    impl: str
    reason: str
    red: bool = False
    model: str = ""


Finding = Row | Refusal


@dataclass(frozen=True)
class Timing:
    """The median of some runs, and how far they lay apart (largest less smallest)."""

    median_ms: float
    spread_ms: float
    repeats: int


def measure(
    run: Callable[[], object],
    device: torch.device,
    repeats: int,
    *,
    warm_up: Callable[[], object] | None = None,
    limit_s: float = TIMING_S,
) -> Timing:
    """Time `run`, warmed up until two runs agree.

    On CUDA every run is timed by events of the stream. Reading one gigabyte comes before each: it
    clears the second-level cache, and it keeps the device busy while the host queues the run, so
    that a short kernel is not charged for its launch.

    Args:
        repeats: how many runs to time; fewer where they would take longer than `limit_s`, at
            least one.
        warm_up: what to run instead of `run` until it is warm, where `run` is long.
    """
    last_s = _warm_up(warm_up or run, device)
    if warm_up is None:
        repeats = max(1, min(repeats, int(limit_s / max(last_s, 1e-9))))
    times_ms: list[float] = []
    started = time.perf_counter()
    while len(times_ms) < repeats:
        times_ms.append(_time_once_ms(run, device))
        if time.perf_counter() - started > limit_s:
            break
    return Timing(statistics.median(times_ms), max(times_ms) - min(times_ms), len(times_ms))


def median_ms(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Time `run` after warming up; the median of `repeats`, in milliseconds."""
    return measure(run, device, repeats).median_ms


@cache
def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Measure multiply-add operations per second: the best of some large matrix products."""
    sides = (4096, 8192, 12288) if device.type == "cuda" else (1024, 1536)
    rates = []
    for side in sides:
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        rates.append(2 * side**3 / (median_ms(lambda a=a, b=b: a @ b, device, repeats=10) / 1e3))
    return max(rates)


@cache
def copy_bandwidth(device: torch.device) -> float:
    """Measure bytes per second, read and written, of a copy far larger than any cache."""
    num_bytes = 1 << 31 if device.type == "cuda" else 1 << 28
    source = torch.full((num_bytes,), 1, dtype=torch.uint8, device=device)
    target = torch.full_like(source, 2)
    return 2 * num_bytes / (median_ms(lambda: target.copy_(source), device, repeats=10) / 1e3)


def count_flops(run: Callable[[], object]) -> int:
    """Count floating-point operations of matrix products and attention in one run.

    Kernels of this project are not seen by torch's counter; count the reference instead.
    """
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def peak_memory_mb(run: Callable[[], object], device: torch.device) -> float | None:
    """Return the device memory that `run` takes above what is allocated; None on a CPU."""
    if device.type != "cuda":
        return None
    gc.collect()
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return significant((torch.cuda.max_memory_allocated(device) - before) / 2**20)


def significant(value: float, digits: int = 4) -> float:
    """Round to significant digits: milliseconds of a forward and of a kernel alike."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


@cache
def device_name(device: torch.device) -> str:
    """Name the device as a reader would: the card, or the processor and its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    models = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return f"{models[0] if models else platform.machine()}, {torch.get_num_threads()} threads"


@cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for name in ("transformers", "triton", "flash-attn"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str:
    """Return the commit of the working tree, marked where it has changes.

    A copy without its history is told by the environment: `BENCHMARK_COMMIT`.
    """
    told = os.environ.get("BENCHMARK_COMMIT")
    if told:
        return told
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
        )
    except FileNotFoundError:
        return "unknown"
    return run.stdout.strip() or "unknown"


def _warm_up(run: Callable[[], object], device: torch.device) -> float:
    """Run until two times in a row agree; the last of them, in seconds."""
    started = time.perf_counter()
    last_ms = math.inf
    for _ in range(WARM_UP_RUNS):
        now_ms = _time_once_ms(run, device)
        settled = abs(now_ms - last_ms) <= WARM_UP_AGREES_WITHIN * now_ms
        last_ms = now_ms
        if settled or time.perf_counter() - started > WARM_UP_S:
            break
    return last_ms / 1e3


def _time_once_ms(run: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        started = time.perf_counter()
        run()
        return (time.perf_counter() - started) * 1e3
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    _gigabyte(device).sum()
    begin.record()
    run()
    end.record()
    torch.cuda.synchronize(device)
    return float(begin.elapsed_time(end))


@cache
def _gigabyte(device: torch.device) -> torch.Tensor:
    return torch.zeros(1 << 28, dtype=torch.float32, device=device)
