"""`critic train`: run the recipe that makes a small critic."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from critic_service.cli.failures import Failure, bad_usage, reporting
from critic_service.cli.output import note, print_line, print_tables

if TYPE_CHECKING:
    from critic_models.finetune.config import TrainConfig
    from critic_models.finetune.train import Report
    from rich.table import Table


def train(
    out: Annotated[
        Path, typer.Option(help="Folder of the new critic; a run that was stopped there goes on.")
    ],
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG.json", help="What differs from the recipe's own numbers."),
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Time budget.")] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A few steps of a tiny network: does the recipe run?")
    ] = False,
) -> None:
    """Train a small critic on clips that are rendered on the way."""
    with reporting():
        if config is not None and smoke:
            raise bad_usage("--smoke has a configuration of its own; leave the file out")
        if config is not None and not config.is_file():
            raise bad_usage(f"{config} is not a file")
        if out.exists() and not out.is_dir():
            raise bad_usage(f"{out} is not a folder")
        from critic_models.errors import CriticError
        from critic_models.finetune.train import main
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            report = main(_configure(config, minutes, smoke), out, _note_row)
        except CriticError as error:
            raise Failure(error.code, error.message) from error
        if report:
            print_tables(_accuracy_table(report))
        print_line(f"The critic is in {out}; judge with it: critic score FILE --critic {out}")


def _configure(path: Path | None, minutes: float | None, smoke: bool) -> TrainConfig:
    from critic_models.finetune.config import SMOKE, TrainConfig

    recipe = SMOKE if smoke else TrainConfig()
    config = recipe if path is None else TrainConfig.load(path)
    return config if minutes is None else dataclasses.replace(config, minutes=minutes)


def _note_row(row: dict[str, Any]) -> None:
    note(
        f"{row['share']:4.0%}  step {row['step']}, {row['elapsed_s'] / 60:.1f} min, "
        f"loss {row['loss']:.3f}"
    )


def _accuracy_table(report: Report) -> Table:
    from critic_service.cli.tables import new_table, text

    table = new_table(["accuracy on held-out clips, with 95% intervals"], "figure", *report)
    figures = dict.fromkeys(name for accuracies in report.values() for name in accuracies)
    for name in figures:
        cells = []
        for accuracies in report.values():
            low, high = accuracies[name].interval
            cells.append(text(f"{accuracies[name].share:.3f} ({low:.3f} to {high:.3f})"))
        table.add_row(text(name), *cells)
    return table
