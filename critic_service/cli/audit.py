"""`critic audit`: how good a critic is, and whether anything has moved its scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from critic_service.cli.failures import NOT_JUDGED, Failure, bad_usage, reporting
from critic_service.cli.judge_commands import AsJson, Method, split_names
from critic_service.cli.output import note, print_json, print_line, print_tables, progress

if TYPE_CHECKING:
    from critic_models.audit.golden import Check
    from critic_models.audit.labelled import LabelledSet
    from critic_models.audit.run import Audit
    from critic_models.audit.verdict import Condition
    from critic_models.judging import Judge
    from rich.table import Table

DEFAULT_PAIRS = 64
_MOST_MOVED_SHOWN = 20
_STYLES = {
    "safe": "green",
    "order only": "yellow",
    "unproven": "yellow",
    "unsafe": "red",
    "not measured": "dim",
}

LoadCritic = Callable[[str | None], "Judge"]
"""Loads the critic in a dtype; in that of the settings if None."""


class Golden(StrEnum):
    """What to do with golden scores."""

    check = "check"
    write = "write"


def audit(
    critic: Annotated[str, typer.Argument(metavar="CRITIC", help="Its name, or a checkpoint.")],
    rows: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Measure on your own pairs and grades, as JSON lines."),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Measure on defects put on your own clips."),
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option(
            min=2, help=f"Pairs for every defect and slot, or cuts of --clips; {DEFAULT_PAIRS}."
        ),
    ] = None,
    criteria: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Which to audit; all of the critic's.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="How pairs are compared; auto is the critic's own way.")
    ] = Method.auto,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a report with plots.")
    ] = None,
    as_json: AsJson = False,
    golden: Annotated[
        Golden | None,
        typer.Option(help="Instead: write the critic's golden scores, or check them."),
    ] = None,
    golden_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Golden scores; golden.json beside the weights if none."),
    ] = None,
) -> None:
    """Measure how good a critic is, and say which criteria are safe to train on."""
    with reporting(as_json):
        if rows is not None and clips is not None:
            raise bad_usage("--rows and --clips are two labelled sets; audit one at a time")
        if rows is not None and pairs is not None:
            raise bad_usage("--pairs is for rendered clips and --clips; all --rows are taken")
        if golden is None and golden_file is not None:
            raise bad_usage("--golden-file needs --golden check or --golden write")
        if golden is not None and any(each is not None for each in (rows, clips, pairs, html)):
            raise bad_usage("--golden is about clips of its own; leave the other options out")
        if html is not None and not html.absolute().parent.is_dir():
            raise bad_usage(f"{html.parent} is not a folder")
        names = split_names("--criteria", criteria)
        with progress("loading libraries"):
            load = _loader(critic, device)
        with _failures():
            if golden is not None:
                _golden(golden, load, golden_file or _beside_weights(critic), as_json)
                return
            judge = load(None)
            labelled = _labelled_set(judge, rows, clips, pairs or DEFAULT_PAIRS)
            audited = _measure(judge, labelled, names, method)
            if html is not None:
                _write_report(audited, judge, labelled, html)
        _show(audited, as_json)


def _loader(critic: str, device: str | None) -> LoadCritic:
    from critic_models.judging import Judge
    from transformers.utils.logging import disable_progress_bar

    from critic_service.settings import Settings, SettingsError

    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise bad_usage(str(error)) from error
    disable_progress_bar()

    def load(dtype: str | None) -> Judge:
        with progress(f"loading {critic}"):
            return Judge.load(
                critic,
                device or settings.device,
                dtype or settings.dtype,
                settings.engine_options(),
            )

    return load


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what the models raise on purpose into failures of the command."""
    from critic_models.errors import CriticError

    try:
        yield
    except CriticError as error:
        raise Failure(error.code, error.message, retryable=error.retryable) from error
    except OSError as error:
        raise bad_usage(f"{error.filename}: {error.strerror}") from error


def _labelled_set(judge: Judge, rows: Path | None, clips: Path | None, pairs: int) -> LabelledSet:
    if rows is not None:
        from critic_models.audit.rows_set import rows_set

        return rows_set(rows, {name: c.needs_prompt for name, c in judge.spec.criteria.items()})
    if clips is not None:
        from critic_models.audit.footage_set import find_clips, footage_set

        if not clips.is_dir():
            raise bad_usage(f"{clips} is not a folder")
        with progress("reading files", len(find_clips(clips))) as advance:
            return footage_set(clips, pairs, advance)
    from critic_models.audit.world_set import world_set

    return world_set(pairs)


def _measure(judge: Judge, labelled: LabelledSet, names: list[str] | None, method: Method) -> Audit:
    from critic_models.audit.run import audit as run_audit

    chosen = judge.spec.pairwise_method
    if method is not Method.auto:
        chosen = "scores" if method is Method.scores else "both_orders"
    return run_audit(judge, labelled, names, chosen, progress)


def _write_report(audited: Audit, judge: Judge, labelled: LabelledSet, path: Path) -> None:
    from critic_models.audit.report.page import render_report

    with progress("writing the report"):
        page = render_report(audited, lambda clip: labelled.sources[clip](judge))
        path.write_text(page, encoding="utf-8")
    note(f"The report is in {path}")


def _show(audited: Audit, as_json: bool) -> None:
    from critic_models.audit.document import to_document
    from critic_models.audit.verdict import STANDINGS, by_standing

    if as_json:
        _print_document(to_document(audited))
        return
    print_tables(_table(audited))
    print_line("What it cannot judge:", "bold")
    for sentence in audited.limits or ["Nothing was found on this set."]:
        print_line(f"  {sentence}")
    print_line("Verdict:", "bold")
    for name, verdict in audited.verdicts.items():
        if parts := [_name_part(each) for each in verdict.unmet]:
            print_line(f"  {name} falls short in {'; '.join(parts)}.")
    for standing, meaning in STANDINGS.items():
        if names := by_standing(audited.verdicts, standing):
            print_line(f"  {standing} ({meaning}): {', '.join(names)}", _STYLES[standing])


def _name_part(condition: Condition) -> str:
    return f"{condition.what} (too few answers to be sure)" if condition.too_few else condition.what


def _table(audited: Audit) -> Table:
    from critic_service.cli.tables import new_table, text

    fingerprint = audited.fingerprint
    title = [
        f"{fingerprint.critic} ({fingerprint.revision}) on {audited.set_name}, "
        f"{audited.num_clips} clips; 95% intervals",
    ]
    columns = ["without ties", "with ties", "Spearman", "calibration error", "order", "static wins"]
    table = new_table(title, "criterion", "verdict", *columns, "pairs")
    for name, each in audited.criteria.items():
        standing = audited.verdicts[name].standing
        ties, orders = each.with_ties, each.orders
        figures = [
            each.accuracy,
            None if ties is None else ties.held_out,
            each.spearman,
            each.ece,
            None if orders is None else orders.consistency,
            each.static_wins,
        ]
        cells = [
            text("–" if f is None else f"{f.value:.3f} ({f.low:.2f}–{f.high:.2f})") for f in figures
        ]
        table.add_row(text(name), text(standing, _STYLES[standing]), *cells, text(str(each.n)))
    return table


def _golden(what: Golden, load: LoadCritic, path: Path, as_json: bool) -> None:
    from critic_models.audit.golden import check_golden, make_golden, read_golden, write_golden

    if what is Golden.write:
        golden = make_golden(load)
        write_golden(golden, path)
        note(f"The golden scores of {golden.fingerprint.critic} are in {path}")
        return
    if not path.is_file():
        raise bad_usage(f"{path} is not a file; --golden write makes it")
    golden = read_golden(path)
    judge = load(None)
    check = check_golden(judge, golden)
    if as_json:
        _print_document(check.to_document())
    else:
        _show_check(check)
    if check.moved:
        raise typer.Exit(NOT_JUDGED)


def _show_check(check: Check) -> None:
    from critic_service.cli.tables import new_table, number, text

    moved = check.moved
    for change in check.changes:
        print_line(f"differs from when they were written: {change}", "dim")
    if not moved:
        print_line(
            f"{len(check.compared)} golden scores of {check.critic} hold; the largest deviation is "
            f"{check.largest_share:.0%} of what is allowed.",
            "bold green",
        )
        return
    title = [f"{len(moved)} of {len(check.compared)} golden scores of {check.critic} have moved"]
    table = new_table(title, "clip", "criterion", "quantity", "golden", "now", "allowed")
    for each in sorted(moved, key=lambda each: -each.share)[:_MOST_MOVED_SHOWN]:
        names = [text(name) for name in (each.clip, each.criterion, each.quantity)]
        table.add_row(*names, number(each.expected), number(each.found), number(each.tolerance))
    print_tables(table)


def _beside_weights(critic: str) -> Path:
    from critic_models.audit.golden import GOLDEN_FILE
    from critic_models.judging import EMBEDDED

    return EMBEDDED.get(critic, Path(critic)) / GOLDEN_FILE


def _print_document(document: dict[str, Any]) -> None:
    from pydantic import RootModel

    print_json(RootModel[dict[str, Any]](document))
