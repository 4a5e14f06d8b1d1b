"""An evaluation from a list to a folder: measured, written down, added up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from critic_models.evaluation.header import Header, read_header
from critic_models.evaluation.manifest import WorkList
from critic_models.evaluation.results import Results, write_whole
from critic_models.evaluation.run import Advance, Measuring, Task, plan, run
from critic_models.evaluation.setup import Setup
from critic_models.evaluation.summary import Summary, summarise, to_document
from critic_models.evaluation.vbench_files import write_vbench_files

SUMMARY_FILE = "summary.json"

Begin = Callable[[list[Task], int], Advance]
"""Told what is left to do, and how many clips are done; returns what to call after each clip."""


@dataclass(frozen=True)
class Manner:
    """How a folder is dealt with.

    Attributes:
        resume: keep what is there and do the rest; else throw it away.
        again: measure once more what has no number.
        partial: give VBench's files dimensions that lack clips too.
    """

    resume: bool = True
    again: bool = False
    partial: bool = False


def evaluate(
    work: WorkList,
    setup: Setup,
    header: Header,
    measuring: Measuring,
    folder: Path,
    manner: Manner = Manner(),
    begin: Begin = lambda tasks, done: lambda: None,
) -> Summary:
    """Measure what is not measured yet, and write all files of the folder.

    The folder gets `run.json`, `results.jsonl`, `summary.json` and, for VBench's dimensions, a
    folder `vbench` with its own files. A run that ends early leaves the first two and is gone on
    with by the same call.

    Raises:
        InputError: the folder holds other results.
        InUse: another process writes into it.
        EngineError: measuring failed altogether.
    """
    names = setup.measurable()
    with Results(folder) as results:
        earlier = read_header(folder)
        if not manner.resume:
            results.clear()
        elif earlier is not None and results.rows:
            header = header.after(earlier)
        tasks = plan(work, names, results, manner.again)
        # A summary speaks of all rows that are there, or is not there.
        (folder / SUMMARY_FILE).unlink(missing_ok=True)
        header.write(folder)
        unmeasured = run(tasks, measuring, results, begin(tasks, len(work.clips) - len(tasks)))
        lacking = {n: why for n, why in setup.unavailable().items() if not _has(results, n)}
        summary = summarise(work, results.rows, header.names, lacking, unmeasured)
        write_vbench_files(folder, work, results.rows, summary.figures, manner.partial)
        document = json.dumps(to_document(summary), indent=2, allow_nan=False)
        write_whole(folder / SUMMARY_FILE, document.encode("ascii") + b"\n")
    return summary


def _has(results: Results, name: str) -> bool:
    return any(name in row.scores for row in results.rows.values())
