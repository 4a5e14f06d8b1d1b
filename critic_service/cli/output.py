"""Where commands print: one JSON document or tables on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pydantic import BaseModel


class Advance(Protocol):
    """Says that one more step is done."""

    def __call__(self) -> None: ...


def print_json(document: BaseModel) -> None:
    """Print the one document of a command on stdout."""
    sys.stdout.write(document.model_dump_json(indent=2) + "\n")


def complain(message: str) -> None:
    """Print on stderr one line that says what is wrong."""
    note(f"critic: {message}")


def note(message: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(f"{one_line(message)}\n")


def one_line(text: str) -> str:
    """Make text safe for a terminal: control characters, of a file name say, become visible."""
    joined = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Advance]:
    """Show work in progress on stderr, and nothing where stderr is no terminal.

    Args:
        label: what is being done.
        total: how many steps there are; None where it cannot be known.

    Yields:
        A function to call after each step, from any thread.
    """
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}" if total is not None else ""),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task(label, total=total)
        yield lambda: shown.advance(task)


def print_tables(*tables: Table) -> None:
    """Print tables on stdout."""
    console = Console()
    for table in tables:
        console.print(table)


def print_line(line: str, style: str = "") -> None:
    """Print one line on stdout."""
    Console(soft_wrap=True).print(Text(one_line(line), style=style))
