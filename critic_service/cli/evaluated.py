"""What `critic evaluate` says while it measures, and at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from critic_service.cli.output import complain, note, print_json, print_line, print_tables

if TYPE_CHECKING:
    from critic_models.evaluation.run import Task
    from critic_models.evaluation.summary import Summary

MOST_NAMED = 5
LINE_EVERY_S = 30.0


class Pace:
    """Says on stderr how far the work is, how fast it goes and how long it will take."""

    def __enter__(self) -> Pace:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._shown = Progress(
            TextColumn("measuring"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._shown.start()
        self._is_terminal = console.is_terminal
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def begin(self, tasks: list[Task], done: int) -> Callable[[], None]:
        """Be told how much there is; returns what to call after each clip."""
        if done:
            note(f"{done} clips are measured already; {len(tasks)} are left")
        shown = self._shown.add_task("", total=done + len(tasks), completed=done, pace="")
        started_s = last_line_s = time.monotonic()
        count = 0

        def advance() -> None:
            nonlocal count, last_line_s
            count += 1
            now_s = time.monotonic()
            pace = pace_of(count, len(tasks) - count, now_s - started_s)
            self._shown.update(shown, advance=1, pace=pace)
            if not self._is_terminal and now_s - last_line_s >= LINE_EVERY_S:
                last_line_s = now_s
                note(f"{done + count} of {done + len(tasks)} clips, {pace}")

        return advance


def pace_of(done: int, left: int, seconds: float) -> str:
    """Say how fast clips are done and when the rest will be, judged by those that were."""
    if seconds <= 0:
        return ""
    rate = done / seconds
    left_s = left / rate
    unit = f"{left_s / 3600:.1f} h" if left_s >= 5400 else f"{left_s / 60:.0f} min"
    return f"{rate:.3g} clips/s, {f'{left_s:.0f} s' if left_s < 90 else unit} left"


def show(summary: Summary, out: Path, as_json: bool) -> None:
    """Name on stderr what is not in the numbers, and print them on stdout."""
    from critic_models.evaluation.summary import to_document

    for what, keys in (
        ("missing", summary.missing),
        ("not in the list, left alone", summary.extra),
        ("listed twice, measured once", summary.duplicates),
    ):
        if keys:
            complain(f"{len(keys)} {what}: {_some(keys)}")
    for key, why in list(summary.broken.items())[:MOST_NAMED]:
        complain(f"{key}: {why}")
    if len(summary.broken) > MOST_NAMED:
        complain(f"and {len(summary.broken) - MOST_NAMED} more broken clips, in summary.json")
    if summary.identical:
        complain(
            f"the same file twice or more: {_some([' = '.join(g) for g in summary.identical])}"
        )
    if as_json:
        _print_document(to_document(summary))
        return
    _print_figures(summary)
    print_line(f"Everything is in {out}; `critic report {out} --html FILE` draws it.", "dim")


def _print_figures(summary: Summary) -> None:
    from critic_service.cli.tables import new_table, number, text

    table = new_table([f"{summary.num_clips} clips"], "dimension", "number", "clips", "state")
    for name, figure in summary.figures.items():
        state = "complete" if figure.is_complete else "incomplete"
        table.add_row(
            text(name),
            number(figure.number),
            text(f"{figure.counted}/{figure.asked}"),
            text("not available here" if figure.unavailable else state),
        )
    print_tables(table)
    found = summary.totals
    for label, total in (
        ("quality", found.quality),
        ("semantic", found.semantic),
        ("total", found.total),
    ):
        if total is not None:
            print_line(f"VBench {label}: {total:.4f}", "bold")
    if found.total is None and set(found.missing) <= summary.figures.keys():
        print_line(f"No VBench total: {', '.join(found.missing)} lack clips or are not measured.")
    for name, figure in summary.figures.items():
        if figure.unavailable:
            complain(f"{name}: {figure.unavailable}")


def _some(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:MOST_NAMED])
    return shown if len(keys) <= MOST_NAMED else f"{shown} and {len(keys) - MOST_NAMED} more"


def _print_document(document: dict[str, Any]) -> None:
    from pydantic import RootModel

    print_json(RootModel[dict[str, Any]](document))
