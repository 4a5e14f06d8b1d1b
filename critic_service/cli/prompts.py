"""`critic prompts score`: judge prompts that were written for a user's query, without a clip."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from critic_service.cli.failures import NOT_JUDGED, bad_usage, reporting
from critic_service.cli.judge_commands import ApiKey, AsJson, Critic, Device, Server, split_names
from critic_service.cli.output import complain, print_json, print_tables, progress

if TYPE_CHECKING:
    from rich.table import Table

    from critic_service import schemas

app = typer.Typer(help="Judge optimised prompts.", no_args_is_help=True)


class JudgedBy(StrEnum):
    """Who is asked."""

    auto = "auto"
    critic = "critic"
    endpoint = "endpoint"
    none = "none"


@app.callback()
def prompts() -> None:
    """Judge optimised prompts."""


@app.command()
def score(
    query: Annotated[str, typer.Argument(help="What the user asked for; @FILE reads it.")],
    optimised: Annotated[
        list[str], typer.Argument(metavar="PROMPT...", help="Written for it; @FILE reads one.")
    ],
    principles: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="harmless, accurate, helpful; all if none.")
    ] = None,
    judge: Annotated[
        JudgedBy, typer.Option(help="none makes the checks alone, which need no model.")
    ] = JudgedBy.auto,
    as_json: AsJson = False,
    server: Server = None,
    api_key: ApiKey = None,
    critic: Critic = None,
    device: Device = None,
) -> None:
    """Say how harmless, accurate and helpful prompts are, and check them without a judge.

    An endpoint that judges is set up with CRITIC_PROMPT_JUDGE_URL, _MODEL and _API_KEY, here or on
    the service.
    """
    with reporting(as_json):
        names = split_names("--principles", principles)
        asked = _text(query)
        texts = [_text(each) for each in optimised]
        from critic_service.cli.backend import open_backend

        with open_backend(server, api_key, critic, device) as backend, progress("judging"):
            response = backend.score_prompts(asked, texts, names, judge.value)
        if as_json:
            print_json(response)
        else:
            print_tables(_table(asked, texts, response))
        _finish(response)


def _text(given: str) -> str:
    if not given.startswith("@"):
        return given
    path = Path(given[1:])
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise bad_usage(f"{path} cannot be read: {error}") from error


def _table(query: str, prompts: Sequence[str], response: schemas.PromptsResponse) -> Table:
    from critic_service.cli.tables import new_table, text, value

    judge = response.judge
    names = list(dict.fromkeys(name for each in response.results for name in each.scores))
    by = f"judged by {judge.model}" if judge.model is not None else "checked without a judge"
    table = new_table([by, f'query: "{query}"'], "prompt", *names, "failed checks")
    for prompt, result in zip(prompts, response.results, strict=True):
        failed = [name for name, check in result.checks.items() if check.passed is False]
        table.add_row(
            text(prompt),
            *(value(result.scores[name].value) for name in names),
            text(", ".join(failed) or "none", style="yellow" if failed else "green"),
        )
    return table


def _finish(response: schemas.PromptsResponse) -> None:
    """Name what has no number and why; a check that failed is a finding, and no failure."""
    lacking: dict[str, list[str]] = {}
    for result in response.results:
        for name, each in result.scores.items():
            if each.reason is not None:
                label = f"prompt {result.index + 1}, {name}"
                lacking.setdefault(each.reason.message, []).append(label)
    for message, labels in lacking.items():
        complain(f"{'; '.join(labels)}: {message}")
    if lacking:
        raise typer.Exit(NOT_JUDGED)
