"""One side of the benchmark of dimensions, in a process and an environment of its own.

It reads one JSON object a line and answers with one: `open` builds a case and gives its number,
`time` runs it once and gives milliseconds. With the number comes the memory that the first run took
above what was taken before it: later ones find what it left.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[1]
for _folder in ("benchmarks/vbench_goldens", "benchmarks", "tests/support", "models", "kernels"):
    sys.path.insert(0, str(ROOT / _folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("ours", "reference"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dino", type=Path)
    options = parser.parse_args()
    # What the reference prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _serve(options, answers)


def _serve(options: argparse.Namespace, answers: TextIO) -> None:
    import torch

    _declare_operators()
    import dimension_cases

    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    measure: Callable[[], float] | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] == "open":
                measure = None
                gc.collect()
                clip = dimension_cases.BenchClip(*asked["clip"])
                if options.side == "ours":
                    measure = dimension_cases.ours(asked["case"], clip, device)
                else:
                    measure = dimension_cases.reference(asked["case"], clip, device, options.dino)
                number, peak_mb = _first_run(measure, device)
                reply: dict[str, Any] = {"number": number, "peak_mb": peak_mb}
            elif measure is None:
                raise RuntimeError("no case is open")
            else:
                reply = {"ms": _time_ms(measure)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def _time_ms(measure: Callable[[], float]) -> float:
    started = time.perf_counter()
    measure()
    # Every measurement ends on the host with a number.
    return (time.perf_counter() - started) * 1e3


def _first_run(measure: Callable[[], float], device: Any) -> tuple[float, float | None]:
    """Return the number, and the memory: of the device, or of the process where Linux tells it."""
    import torch

    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        number = measure()
        return number, (torch.cuda.max_memory_allocated(device) - before) / 2**20
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return measure(), None
    before_mb = _status_mb("VmRSS")
    return measure(), _status_mb("VmHWM") - before_mb


def _status_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field}")


def _declare_operators() -> None:
    """Let torchvision import beside a torch that its compiled part does not fit."""
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return
    except RuntimeError:
        for name in [each for each in sys.modules if each.startswith("torchvision")]:
            del sys.modules[name]
        from stand_ins import declare_missing_operators

        declare_missing_operators()


if __name__ == "__main__":
    main()
