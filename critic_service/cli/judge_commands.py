"""The commands that judge clips: score, compare, rank and dimensions; and info."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from critic_service.cli.failures import NOT_JUDGED, bad_usage, naming, reporting
from critic_service.cli.output import complain, print_json, print_tables, progress

if TYPE_CHECKING:
    from critic_service import schemas

    Entry = schemas.Score | schemas.Preference | schemas.Dimension

# Reasons of a whole that lacks parts: each part has a reason of its own, or was not asked for.
_FOLLOWS_FROM_CRITERIA = frozenset({"no_reward", "no_preference"})


class Method(StrEnum):
    """How two clips are compared."""

    auto = "auto"
    both_orders = "both_orders"
    scores = "scores"


# Files are checked by the commands themselves, which say in one line what is wrong with them.
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", readable=False, help="Videos.")]
Prompt = Annotated[str | None, typer.Option("--prompt", "-p", help="What the clips were to show.")]
Criteria = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="What to judge; the critic's own choice if none."),
]
Reward = Annotated[
    str | None,
    typer.Option(
        metavar="A=W,B=W,…",
        help="Weight by criterion or metric; judges these. The critic's own if none.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Server = Annotated[
    str | None, typer.Option(metavar="URL", help="Ask this service instead of judging here.")
]
ApiKey = Annotated[
    str | None, typer.Option(envvar="CRITIC_API_KEY", show_default=False, help="For --server.")
]
Critic = Annotated[
    str | None, typer.Option(metavar="NAME_OR_PATH", help="Which critic, or which checkpoint.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; not with --server.")]


def score(
    files: Files,
    prompt: Prompt = None,
    criteria: Criteria = None,
    reward: Reward = None,
    as_json: AsJson = False,
    server: Server = None,
    api_key: ApiKey = None,
    critic: Critic = None,
    device: Device = None,
) -> None:
    """Score clips, each by itself."""
    with reporting(as_json):
        _check_files(files)
        names = split_names("--criteria", criteria)
        weights = split_weights("--reward", reward)
        from critic_service.cli.backend import open_backend
        from critic_service.cli.batch import call_for_each, merge_scores
        from critic_service.cli.tables import score_table

        with open_backend(server, api_key, critic, device) as backend:
            outcomes = call_for_each(
                files, lambda file: backend.score(file, prompt, names, weights), "scoring"
            )
        response = merge_scores(files, outcomes)
        if as_json:
            print_json(response)
        else:
            print_tables(score_table(_labels(files), response, prompt))
        _finish(
            (str(file), result.reason, result.scores)
            for file, result in zip(files, response.results, strict=True)
        )


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", readable=False, help="A video.")],
    b: Annotated[Path, typer.Argument(metavar="B", readable=False, help="Another one.")],
    prompt: Prompt = None,
    criteria: Criteria = None,
    method: Annotated[Method, typer.Option(help="Show both orders, or subtract scores.")] = (
        Method.auto
    ),
    as_json: AsJson = False,
    server: Server = None,
    api_key: ApiKey = None,
    critic: Critic = None,
    device: Device = None,
) -> None:
    """Say which of two clips is better."""
    with reporting(as_json):
        _check_files([a, b])
        names = split_names("--criteria", criteria)
        from critic_service.cli.backend import open_backend
        from critic_service.cli.tables import compare_table

        with (
            open_backend(server, api_key, critic, device) as backend,
            naming([f"{a} or {b}"]),
            progress("comparing"),
        ):
            response = backend.compare(a, b, prompt, names, method.value)
        if as_json:
            print_json(response)
        else:
            print_tables(compare_table((str(a), str(b)), response, prompt))
        (result,) = response.results
        _finish([(f"{a} and {b}", result.reason, result.preferences)])


def rank(
    files: Files,
    prompt: Prompt = None,
    criteria: Criteria = None,
    reward: Reward = None,
    as_json: AsJson = False,
    server: Server = None,
    api_key: ApiKey = None,
    critic: Critic = None,
    device: Device = None,
) -> None:
    """Order clips of one prompt from best to worst."""
    with reporting(as_json):
        _check_files(files)
        if len(files) < 2:
            raise bad_usage("ranking needs two files or more")
        names = split_names("--criteria", criteria)
        weights = split_weights("--reward", reward)
        from critic_service.cli.backend import open_backend
        from critic_service.cli.tables import rank_table

        with (
            open_backend(server, api_key, critic, device) as backend,
            naming([str(file) for file in files]),
            progress("ranking"),
        ):
            response = backend.rank(files, prompt, names, weights)
        if as_json:
            print_json(response)
        else:
            print_tables(rank_table(_labels(files), response, prompt))
        _finish(
            (str(file), result.reason, result.scores)
            for file, result in zip(files, response.results, strict=True)
        )


def dimensions(
    files: Files,
    names: Annotated[
        str | None,
        typer.Option(
            "--dimensions", metavar="A,B,…", help="What to measure; all without weights if none."
        ),
    ] = None,
    prompt: Prompt = None,
    auxiliary: Annotated[
        str | None,
        typer.Option(metavar="JSON", help='What the prompt asks for, as {"color": "red"}.'),
    ] = None,
    as_json: AsJson = False,
    server: Server = None,
    api_key: ApiKey = None,
    critic: Critic = None,
    device: Device = None,
) -> None:
    """Measure clips: by their frames, by networks, or by questions to a critic."""
    with reporting(as_json):
        _check_files(files)
        chosen = split_names("--dimensions", names)
        facts = _json_object("--auxiliary", auxiliary)
        from critic_service.cli.backend import open_backend
        from critic_service.cli.batch import call_for_each, merge_dimensions
        from critic_service.cli.tables import dimensions_table

        if server is None:
            # Few dimensions need a critic, but the core has one: the embedded one is the cheapest.
            critic, device = critic or "critic-nano", device or (None if chosen else "cpu")
        with open_backend(server, api_key, critic, device) as backend:
            outcomes = call_for_each(
                files, lambda file: backend.dimensions(file, chosen, prompt, facts), "measuring"
            )
        response = merge_dimensions(files, outcomes)
        if as_json:
            print_json(response)
        else:
            print_tables(dimensions_table(_labels(files), response))
        _finish(
            (str(file), result.reason, result.dimensions)
            for file, result in zip(files, response.results, strict=True)
        )


def info(
    as_json: AsJson = False,
    server: Server = None,
    api_key: ApiKey = None,
    critic: Critic = None,
    device: Device = None,
) -> None:
    """Say what can be judged and measured."""
    with reporting(as_json):
        from critic_service.cli.backend import open_backend
        from critic_service.cli.tables import (
            available_dimensions_table,
            available_metrics_table,
            critic_table,
        )

        with open_backend(server, api_key, critic, device) as backend:
            response = backend.info()
        if as_json:
            print_json(response)
        else:
            tables = map(critic_table, response.critics)
            measured = [available_dimensions_table(response.dimensions)]
            if response.metrics:
                measured.append(available_metrics_table(response.metrics))
            print_tables(*tables, *measured)


def _check_files(files: Sequence[Path]) -> None:
    for file in files:
        if file.is_dir():
            raise bad_usage(f"{file} is a directory; name the files in it")
        if not file.exists():
            raise bad_usage(f"{file} does not exist")
        if not os.access(file, os.R_OK):
            raise bad_usage(f"{file} may not be read")


def split_names(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise bad_usage(f"{option} is a list of names with commas between them, not {text!r}")
    return names


def split_weights(option: str, text: str | None) -> dict[str, float] | None:
    """Read `a=2,b=1`; a name alone weighs 1."""
    weights: dict[str, float] = {}
    for entry in split_names(option, text) or ():
        name, equals, weight = entry.partition("=")
        try:
            number = float(weight if equals else 1)
        except ValueError:
            number = math.nan
        if name in weights or not (math.isfinite(number) and number >= 0):
            raise bad_usage(f"{option} is names with weights, as a=2,b=1, each once; not {text!r}")
        weights[name] = number
    return weights or None


def _json_object(option: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise bad_usage(f"{option} is a JSON object, not {text!r}")
    return given


def _labels(files: Sequence[Path]) -> list[str]:
    """Return the names of the files, or their whole paths where two names are the same."""
    names = [file.name for file in files]
    return names if len(set(names)) == len(names) else [str(file) for file in files]


def _finish(results: Iterable[tuple[str, schemas.Reason | None, Mapping[str, Entry]]]) -> None:
    """Name what has no number and why, and exit accordingly.

    Args:
        results: of each clip or pair its label, its reason, and its scores or the like by name.
    """
    complete = True
    for label, reason, entries in results:
        lacking = {name: each.reason for name, each in entries.items() if each.reason is not None}
        for name, why in lacking.items():
            complain(f"{label}, {name}: {why.message}")
        follows = reason is not None and reason.code in _FOLLOWS_FROM_CRITERIA
        if reason is not None and not (follows and lacking):
            complain(f"{label}: {reason.message}")
        # A reward that lacks criteria which nobody asked for is no failure.
        complete = complete and not lacking and (reason is None or follows)
    if not complete:
        raise typer.Exit(NOT_JUDGED)
