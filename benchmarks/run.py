"""Run benchmarks: `python -m benchmarks.run engine --device cpu --out FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks import engine

BENCHES = {"engine": engine.run}


def main() -> None:
    """Print every row, and append it to a file of JSON lines where one is named."""
    parser = argparse.ArgumentParser("benchmarks.run", description=__doc__)
    parser.add_argument("benches", nargs="+", choices=BENCHES)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    device = torch.device(options.device)
    default = torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype = getattr(torch, options.dtype) if options.dtype else default
    for bench in options.benches:
        for row in BENCHES[bench](device, dtype, options.repeats):
            print(
                f"{row.bench:8} {row.case:14} {row.impl:26} {row.time_ms:10.1f} ms  "
                f"{row.fraction_of_floor:6.1%} of floor  {row.ratio:6.2f}x against {row.baseline}",
                flush=True,
            )
            if options.out:
                options.out.parent.mkdir(parents=True, exist_ok=True)
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(row.to_json() + "\n")


if __name__ == "__main__":
    main()
