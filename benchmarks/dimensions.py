"""The eight heaviest dimensions against VBench 0.1.5: time and memory, gate first.

    python -m benchmarks.run dimensions --reference-python ENV/bin/python --reference-dino DIR

VBench lives in an environment of its own, which the user makes; so both sides run in processes of
their own, with the same clip, seeded weights and number of threads. Their runs alternate, so that
whatever else the machine does falls on both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from benchmarks.dimension_cases import CASES
from benchmarks.measure import (
    Finding,
    Refusal,
    Row,
    commit,
    device_name,
    significant,
    versions,
)

BASELINE = "vbench-0.1.5"
IMPL = "batched"
WORKER = Path(__file__).with_name("dimension_worker.py")

CLIPS = {"cpu": (9, 160, 240), "cuda": (33, 480, 720)}
"""Frames, height and width."""
BOUNDS = {"cpu": 1e-5, "cuda": 1e-3}
"""How far the numbers may be apart, relative to the larger of 1 and the reference's."""


class Side:
    """One side's process, as a context manager.

    Args:
        python: of its environment.
        words: what the worker is started with.
    """

    def __init__(self, python: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [python, str(WORKER), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **asked: Any) -> dict[str, Any]:
        """Send a question and return the answer.

        Raises:
            RuntimeError: the case failed there, or the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"the process ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def __enter__(self) -> Side:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()


def run(
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
    reference_python: str | None = None,
    reference_dino: Path | None = None,
    cases: Sequence[str] = CASES,
) -> Iterator[Finding]:
    """Measure each case, one process a side and case, so that memory begins anew."""
    for case in cases:
        if reference_python is None:
            reason = "VBench is not here: name its environment with --reference-python"
            yield Refusal("dimensions", case, IMPL, reason)
        else:
            yield measured(case, device, repeats, reference_python, reference_dino)


def measured(
    case: str,
    device: torch.device,
    repeats: int,
    reference_python: str,
    reference_dino: Path | None = None,
) -> Finding:
    """Compare the two sides on one case; a figure of different numbers is refused."""
    common = ("--device", str(device), "--threads", str(torch.get_num_threads()))
    dino = ("--dino", str(reference_dino)) if reference_dino else ()
    clip = CLIPS[device.type]
    with (
        Side(reference_python, "reference", *common, *dino) as theirs,
        Side(sys.executable, "ours", *common) as ours,
    ):
        try:
            expected = theirs.ask(do="open", case=case, clip=clip)
        except RuntimeError as error:
            return Refusal("dimensions", case, IMPL, f"the reference: {error}")
        try:
            found = ours.ask(do="open", case=case, clip=clip)
            off = difference(found["number"], expected["number"])
            if not off <= BOUNDS[device.type]:
                reason = f"{found['number']!r} is not the reference's {expected['number']!r}"
                return Refusal("dimensions", case, IMPL, reason, red=True)
            times = [
                (theirs.ask(do="time")["ms"], ours.ask(do="time")["ms"])
                for _ in range(max(1, repeats))
            ]
        except RuntimeError as error:
            return Refusal("dimensions", case, IMPL, str(error), red=True)
    return _row(case, device, times, (expected["peak_mb"], found["peak_mb"]), off)


def difference(found: float, expected: float) -> float:
    """Return how far a number is off, relative to the larger of 1 and the reference's."""
    return abs(found - expected) / max(1.0, abs(expected))


def _row(
    case: str,
    device: torch.device,
    times: list[tuple[float, float]],
    peaks: tuple[float | None, float | None],
    off: float,
) -> Row:
    baseline_ms, time_ms = (statistics.median(side) for side in zip(*times, strict=True))
    ratios = [theirs / ours for theirs, ours in times]
    frames, height, width = CLIPS[device.type]
    details: dict[str, float | str] = {
        "clip": f"{frames} frames of {width}x{height}",
        "least_ratio": significant(min(ratios)),
        "greatest_ratio": significant(max(ratios)),
    }
    if peaks[0] is not None:
        details["baseline_peak_memory_mb"] = significant(peaks[0])
    return Row(
        bench="dimensions",
        case=case,
        impl=IMPL,
        device=device_name(device),
        dtype="float32",
        time_ms=significant(time_ms),
        # Nobody has counted what these networks must do at least.
        floor_ms=0.0,
        fraction_of_floor=0.0,
        baseline=BASELINE,
        baseline_ms=significant(baseline_ms),
        baseline_repeats=len(times),
        ratio=significant(statistics.median(ratios)),
        repeats=len(times),
        max_error=off,
        error_bound=BOUNDS[device.type],
        peak_memory_mb=None if peaks[1] is None else significant(peaks[1]),
        versions=versions(),
        commit=commit(),
        details=details,
    )
