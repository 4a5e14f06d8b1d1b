"""`critic report`: finished evaluations against each other, as a table, JSON or one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from critic_service.cli.failures import Failure, bad_usage, reporting
from critic_service.cli.judge_commands import AsJson
from critic_service.cli.output import complain, note, print_json, print_tables, progress

if TYPE_CHECKING:
    from critic_models.evaluation.comparing import Comparison
    from rich.table import Table


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of `critic evaluate`; the first is judged."),
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a report with plots and clips.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare evaluations: intervals over prompts, and paired tests against the first."""
    with reporting(as_json):
        if html is not None and not html.absolute().parent.is_dir():
            raise bad_usage(f"{html.parent} is not a folder")
        for run in runs:
            if not run.is_dir():
                raise bad_usage(f"{run} is not a folder")
        comparison = _compare(runs)
        if html is not None:
            from critic_models.evaluation.report.page import render_report

            with progress("writing the report"):
                html.write_text(render_report(comparison), encoding="utf-8")
            note(f"The report is in {html}")
        for sentence in comparison.differently:
            complain(sentence)
        if as_json:
            _print_document(comparison)
        else:
            print_tables(*_tables(comparison))


def _compare(runs: list[Path]) -> Comparison:
    with progress("loading libraries"):
        from critic_models.errors import CriticError
        from critic_models.evaluation.comparing import compare, read_run
    try:
        with progress("comparing"):
            names = [run.absolute().name for run in runs]
            if len(set(names)) < len(names):
                names = [str(run) for run in runs]
            return compare([read_run(*each) for each in zip(runs, names, strict=True)])
    except CriticError as error:
        raise Failure(error.code, error.message, details=error.details) from error
    except OSError as error:
        raise bad_usage(f"{error.filename}: {error.strerror}") from error


def _tables(comparison: Comparison) -> list[Table]:
    from critic_service.cli.tables import MISSING, new_table, number, text

    first, *others = comparison.runs
    title = ["mean over clips (95% interval over prompts)"]
    table = new_table(title, "dimension", *(run.name for run in comparison.runs))
    for name in comparison.names:
        cells = []
        for run in comparison.runs:
            interval = comparison.figures[run.name, name]
            found = run.summary["dimensions"].get(name)
            cells.append(
                number(None if found is None else found["number"])
                if interval is None
                else text(f"{interval.value:.4g} ({interval.low:.4g}–{interval.high:.4g})")
            )
        table.add_row(text(name), *cells)
    tables = [table]
    for other in others:
        against = new_table(
            [f"{first.name} minus {other.name}, over the prompts of both"],
            *("dimension", "difference", "95% interval", "p", "p adjusted", "prompts"),
        )
        for name in comparison.names:
            each = comparison.against[other.name, name]
            if each.difference is None:
                cells = [text(MISSING)] * 4
            else:
                adjusted = comparison.adjusted.get((other.name, name))
                interval = each.difference
                cells = [
                    text(f"{interval.value:+.4g}"),
                    text(f"{interval.low:+.4g} to {interval.high:+.4g}"),
                    number(each.p),
                    number(adjusted),
                ]
            against.add_row(text(name), *cells, text(str(each.num_prompts)))
        tables.append(against)
    return tables


def _print_document(comparison: Comparison) -> None:
    from critic_models.evaluation.comparing import to_document
    from pydantic import RootModel

    print_json(RootModel[dict[str, Any]](to_document(comparison)))
