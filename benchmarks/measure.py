"""Timing, floors and the row format that all benchmarks share."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Row:
    """One measurement; `ratio` is the baseline's time divided by this one's.

    `floor_ms` is the time that the case's matrix products alone would take at the device's measured
    matrix rate.
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

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def median_ms(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Time `run` after one warm-up; the median of `repeats`, in milliseconds."""
    run()
    times = []
    for _ in range(repeats):
        _synchronise(device)
        started = time.perf_counter()
        run()
        _synchronise(device)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Measure multiply-add operations per second of a large square matrix product."""
    side = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / (median_ms(lambda: a @ b, device, repeats=5) / 1e3)


def count_flops(run: Callable[[], object]) -> int:
    """Count floating-point operations of matrix products and attention in one run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


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


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for name in ("transformers", "triton"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of the working tree, marked where it has changes."""
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return run.stdout.strip() or "unknown"


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
