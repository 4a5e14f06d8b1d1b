"""Run benchmarks: `python -m benchmarks.run kernels engine --device cpu --out FILE`.

Rows go to the file as they are measured. A figure whose results were wrong is not printed; the run
goes on and ends with status 1.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.measure import Finding, Refusal, Row
from benchmarks.plan import Plan
from benchmarks.shapes import SHAPES

KERNELS = ("segmented_attention", "frame_patches", "elementwise")
BENCHES = (*KERNELS, "engine", "dimensions")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that were asked for; return the exit status."""
    options = _parser().parse_args(arguments)
    # Wider types are the truth of the gates: products must not be cut to TF32.
    torch.set_float32_matmul_precision("highest")
    device = torch.device(options.device)
    default = torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype = getattr(torch, options.dtype) if options.dtype else default
    plan = Plan(options.only, options.budget_s)
    asked = [b for name in options.benches for b in (KERNELS if name == "kernels" else (name,))]
    red = False
    for bench in dict.fromkeys(asked):
        if plan.out_of_time:
            plan.skipped.append(bench)
            continue
        try:
            for finding in _findings(bench, device, dtype, plan, options):
                red |= isinstance(finding, Refusal) and finding.red
                _report(finding, options.out)
        except Exception:
            # One benchmark that fails must not cost the figures of those after it.
            traceback.print_exc()
            red = True
    if plan.skipped:
        print("not started, the time was used up:", *plan.skipped, sep="\n  ")
    return int(red)


def _findings(
    bench: str, device: torch.device, dtype: torch.dtype, plan: Plan, options: argparse.Namespace
) -> Iterator[Finding]:
    module = importlib.import_module(f"benchmarks.{bench}")
    if bench == "engine":
        shapes = [SHAPES[name] for name in options.model]
        yield from module.run(device, dtype, options.repeats, plan, shapes, options.layers)
        return
    if bench == "dimensions":
        cases = [case for case in module.CASES if plan.asks_for(case)]
        reference = (options.reference_python, options.reference_dino)
        findings = module.run(device, dtype, options.repeats, *reference, cases)
    else:
        findings = module.run(device, dtype, options.repeats)
    for finding in findings:
        if plan.asks_for(finding.case):
            yield finding
        if plan.out_of_time:
            plan.skipped.append(f"{bench}, after {finding.case}")
            return


def _report(finding: Finding, out: Path | None) -> None:
    if isinstance(finding, Refusal):
        figures = f"{'RED' if finding.red else 'not measured'}: {finding.reason}"
    else:
        figures = (
            f"{finding.time_ms:9.4g} ms {_of_floor(finding)} "
            f"{finding.ratio:7.4g}x against {finding.baseline}"
        )
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("a", encoding="utf-8") as file:
                file.write(finding.to_json() + "\n")
    subject = f"{finding.bench} {finding.model}".strip()
    print(f"{subject:22} {finding.case:14} {finding.impl:26} {figures}", flush=True)


def _of_floor(row: Row) -> str:
    return f"{row.fraction_of_floor:6.1%} of floor" if row.floor_ms else "no floor"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.run", description=__doc__)
    parser.add_argument("benches", nargs="+", choices=("kernels", *BENCHES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"))
    parser.add_argument("--repeats", type=int, default=10, help="runs that are timed, at most")
    parser.add_argument("--only", metavar="GLOB", help="cases whose names match")
    parser.add_argument("--budget-s", type=float, help="start no case after so many seconds")
    parser.add_argument(
        "--model", action="append", default=[], choices=SHAPES, help="of `engine`; repeatable"
    )
    parser.add_argument("--layers", type=int, help="cut models to so many layers")
    parser.add_argument(
        "--reference-python", metavar="PATH", help="of `dimensions`: Python that has VBench 0.1.5"
    )
    parser.add_argument(
        "--reference-dino", type=Path, metavar="DIR", help="where DINO's vision_transformer.py is"
    )
    parser.add_argument("--out", type=Path, help="append rows to this file of JSON lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
