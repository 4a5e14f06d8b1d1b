"""`critic weights`: the published checkpoints that dimensions need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from critic_service.cli.failures import NOT_JUDGED, Failure, bad_usage, reporting
from critic_service.cli.judge_commands import AsJson
from critic_service.cli.output import note, print_json, print_line, print_tables, progress

if TYPE_CHECKING:
    from critic_models.dimensions.weights.store import Check, WeightStore

Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Of the weights; see `list`.")
]
Folder = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="CRITIC_WEIGHTS_DIR, or the user's cache, if none."),
]

app = typer.Typer(
    help="List, fetch and verify the checkpoints that dimensions need.", no_args_is_help=True
)

_STYLES = {"verified": "green", "recorded": "green", "present": "yellow", "damaged": "red"}


@app.command("list")
def list_weights(folder: Folder = None, as_json: AsJson = False) -> None:
    """Say what files there are, of which size and licence, who needs them, and which are there."""
    with reporting(as_json), _failures():
        store = _store(folder)
        rows = [_facts(store, name) for name in store.known]
        if as_json:
            _print_document({"folder": str(store.folder), "weights": rows})
            return
        _print_list(store, rows)


@app.command()
def fetch(
    names: Names = None,
    dimensions: Annotated[
        str | None,
        typer.Option("--dimensions", metavar="A,B,…", help="Fetch what these dimensions need."),
    ] = None,
    accept_non_commercial: Annotated[
        bool,
        typer.Option(
            "--accept-non-commercial",
            help="Also fetch weights whose licence forbids commercial use, or states nothing.",
        ),
    ] = False,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Download checkpoints, having said under which licence they are."""
    with reporting(as_json), _failures():
        store = _store(folder)
        chosen = _chosen(store, names, dimensions)
        refused = [n for n in chosen if store.named(n).non_commercial]
        for name in chosen:
            weights = store.named(name)
            note(f"{name}: {weights.file}, {_size(weights.megabytes)}; licence: {weights.licence}")
        if refused and not accept_non_commercial:
            raise bad_usage(
                f"not known to be free for commercial use: {', '.join(refused)}; "
                "fetch them with --accept-non-commercial if your use allows it"
            )
        checks = []
        for name in chosen:
            with progress(f"fetching {store.named(name).file}"):
                checks.append(store.fetch(name))
        _show(checks, as_json)


@app.command()
def verify(names: Names = None, folder: Folder = None, as_json: AsJson = False) -> None:
    """Hash the checkpoints that are there; one that was named and is missing is a failure."""
    with reporting(as_json), _failures():
        store = _store(folder)
        wanted = list(names or store.known)
        with progress("hashing"):
            checks = [store.check(name) for name in wanted]
        if not names:
            checks = [each for each in checks if each.state != "missing"]
        _show(checks, as_json)
        if any(each.state in ("missing", "damaged") for each in checks):
            raise typer.Exit(NOT_JUDGED)


def _store(folder: Path | None) -> WeightStore:
    from critic_models.dimensions.weights.store import WeightStore, weights_dir

    return WeightStore(folder or weights_dir())


@contextmanager
def _failures() -> Iterator[None]:
    from critic_models.errors import CriticError

    try:
        yield
    except CriticError as error:
        raise Failure(error.code, error.message, details=error.details) from error


def _chosen(store: WeightStore, names: Sequence[str] | None, dimensions: str | None) -> list[str]:
    chosen = [store.named(name).name for name in names or ()]
    if dimensions is not None:
        from critic_models.dimensions.catalogue import CATALOGUE

        from critic_service.cli.judge_commands import split_names

        for name in split_names("--dimensions", dimensions) or ():
            if name not in CATALOGUE:
                raise bad_usage(f"no dimension {name!r}; there are {', '.join(CATALOGUE)}")
            chosen += CATALOGUE[name].weights
    if not chosen:
        raise bad_usage("name weights, or dimensions with --dimensions")
    return list(dict.fromkeys(chosen))


def _facts(store: WeightStore, name: str) -> dict[str, Any]:
    from critic_models.dimensions.catalogue import users_of

    weights = store.named(name)
    return {
        "name": name,
        "file": weights.file,
        "there": store.path(name).is_file(),
        "megabytes": weights.megabytes,
        "licence": weights.licence,
        "non_commercial": weights.non_commercial,
        "what": weights.what,
        "dimensions": users_of(name),
        "url": weights.url,
        "sha256": weights.sha256,
        "sha256_note": weights.sha256_note,
    }


def _size(megabytes: float | None) -> str:
    return "size not known" if megabytes is None else f"about {megabytes:g} MB"


def _print_list(store: WeightStore, rows: Sequence[dict[str, Any]]) -> None:
    from critic_service.cli.tables import new_table, text

    table = new_table([f"weights in {store.folder}"], "name", "there", "size", "licence", "for")
    for row in rows:
        there = text("yes", "green") if row["there"] else text("no", "dim")
        limited = " (not for commercial use, or not known)" if row["non_commercial"] else ""
        size = "–" if row["megabytes"] is None else f"{row['megabytes']:g} MB"
        users = ", ".join(row["dimensions"])
        table.add_row(
            text(row["name"]), there, text(size), text(row["licence"] + limited), text(users)
        )
    print_tables(table)


def _show(checks: Sequence[Check], as_json: bool) -> None:
    if as_json:
        _print_document({"weights": [_document(each) for each in checks]})
        return
    if not checks:
        print_line("Nothing is there.", "dim")
    for each in checks:
        against = {
            "verified": "as its publisher states",
            "recorded": "as it was when it was fetched",
            "present": f"nothing to compare with: {each.weights.sha256_note}",
            "damaged": f"should be {each.expected}",
        }.get(each.state, str(each.path))
        line = f"{each.weights.name}: {each.state}, {each.sha256 or '–'} ({against})"
        print_line(line, _STYLES.get(each.state, "red"))


def _document(check: Check) -> dict[str, Any]:
    return {
        "name": check.weights.name,
        "path": str(check.path),
        "state": check.state,
        "sha256": check.sha256,
        "expected": check.expected,
    }


def _print_document(document: dict[str, Any]) -> None:
    from pydantic import RootModel

    print_json(RootModel[dict[str, Any]](document))
