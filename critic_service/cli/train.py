"""`critic train`: run a recipe that makes a critic.

The field `recipe` of the configuration says which: `world` trains a small critic from nothing on
rendered clips, `rows` trains a Qwen-VL checkpoint on labelled rows.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from critic_service.cli.failures import Failure, bad_usage, reporting
from critic_service.cli.output import note, print_line, print_tables

if TYPE_CHECKING:
    from critic_models.finetune.config import TrainConfig
    from critic_models.finetune.train import Report
    from rich.table import Table

WORLD, ROWS = "world", "rows"


def train(
    out: Annotated[
        Path, typer.Option(help="Folder of the new critic; a run that was stopped there goes on.")
    ],
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG.json",
            help="What differs from the recipe's own numbers; its `recipe` is world or rows.",
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Time budget of the recipe `world`.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A few steps of a tiny network: does the recipe run?")
    ] = False,
) -> None:
    """Train a critic: a small one on clips rendered on the way, or a checkpoint on your rows."""
    with reporting():
        if config is not None and smoke:
            raise bad_usage("--smoke has a configuration of its own; leave the file out")
        if config is not None and not config.is_file():
            raise bad_usage(f"{config} is not a file")
        if out.exists() and not out.is_dir():
            raise bad_usage(f"{out} is not a folder")
        from critic_models.errors import CriticError
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            report = _run(config, out, minutes, smoke)
        except CriticError as error:
            raise Failure(error.code, error.message) from error
        if report:
            print_tables(_accuracy_table(report))
        print_line(f"The critic is in {out}; judge with it: critic score FILE --critic {out}")


def _run(path: Path | None, out: Path, minutes: float | None, smoke: bool) -> Report:
    recipe, content = _recipe(path)
    if recipe == ROWS and path is not None:
        if minutes is not None:
            raise bad_usage("--minutes is of the recipe world; rows has epochs and max_steps")
        from critic_models.finetune.tuning.config import RowsConfig
        from critic_models.finetune.tuning.train import main as train_on_rows

        return train_on_rows(RowsConfig.load(path), out, _note_row)
    from critic_models.finetune.train import main as train_on_world

    return train_on_world(_configure(content, minutes, smoke), out, _note_row)


def _recipe(path: Path | None) -> tuple[str, str]:
    """Read which recipe a configuration is of, and the rest of it."""
    try:
        content = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise bad_usage(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise bad_usage(f"{path} must hold a JSON object")
    recipe = content.pop("recipe", WORLD)
    if recipe not in (WORLD, ROWS):
        raise bad_usage(f"{path}: no recipe {recipe!r}; there are {WORLD} and {ROWS}")
    return recipe, json.dumps(content)


def _configure(content: str, minutes: float | None, smoke: bool) -> TrainConfig:
    from critic_models.finetune.config import SMOKE, TrainConfig

    config = SMOKE if smoke else TrainConfig.from_json(content)
    return config if minutes is None else dataclasses.replace(config, minutes=minutes)


def _note_row(row: dict[str, Any]) -> None:
    where = f"{row['share']:4.0%}  step {row['step']}"
    if "loss" in row:
        note(f"{where}, {row['elapsed_s'] / 60:.1f} min, loss {row['loss']:.3f}")
        return
    figures = {name: value for name, value in row.items() if name not in ("share", "step")}
    note(f"{where}, " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))


def _accuracy_table(report: Report) -> Table:
    from critic_service.cli.tables import new_table, text

    table = new_table(["accuracy on held-out clips, with 95% intervals"], "figure", *report)
    figures = dict.fromkeys(name for accuracies in report.values() for name in accuracies)
    for name in figures:
        cells = []
        for accuracies in report.values():
            if name not in accuracies:
                cells.append(text(""))
                continue
            low, high = accuracies[name].interval
            cells.append(text(f"{accuracies[name].share:.3f} ({low:.3f} to {high:.3f})"))
        table.add_row(text(name), *cells)
    return table
