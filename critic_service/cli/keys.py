"""`critic keys`: the API keys of a service, in the file that CRITIC_API_KEYS_FILE names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from critic_service.cli.failures import bad_usage, reporting
from critic_service.cli.output import note, print_line

if TYPE_CHECKING:
    from critic_service.keys import KeyLine

KEY_BYTES = 32

File = Annotated[
    Path,
    typer.Option(
        "--file",
        envvar="CRITIC_API_KEYS_FILE",
        metavar="FILE",
        help="The keys' hashes; a running service follows it.",
    ),
]
Name = Annotated[str, typer.Argument(help="Whose key it is.")]

app = typer.Typer(help="Add, list and revoke the API keys of a service.", no_args_is_help=True)


@app.command()
def add(
    name: Name,
    file: File,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="On average; a minute's worth may come at once.")
    ] = None,
    clips_in_flight: Annotated[
        int | None, typer.Option(min=1, help="Clips of all its calls in progress.")
    ] = None,
) -> None:
    """Make a new key and print it, which is the only time that it can be seen.

    A name may have more than one key: add the new one, change over, revoke, and add it again.
    """
    from critic_service.keys import KeyLine, digest_of, write_keys

    with reporting(), _usable():
        key = secrets.token_urlsafe(KEY_BYTES)
        line = KeyLine(name, digest_of(key), requests_per_minute, clips_in_flight)
        write_keys(file, [*_lines(file), line])
        note(f"{name} can call with this key; only its hash was kept in {file}:")
        print_line(key)


@app.command("list")
def list_keys(file: File) -> None:
    """Print the names, the first letters of the hashes, and the limits."""
    with reporting(), _usable():
        for line in _lines(file):
            print_line(str(line).replace(line.digest, f"{line.digest[:12]}…"))


@app.command()
def revoke(name: Name, file: File) -> None:
    """Take away every key of a name."""
    from critic_service.keys import write_keys

    with reporting(), _usable():
        lines = _lines(file)
        kept = [line for line in lines if line.name != name]
        if len(kept) == len(lines):
            raise bad_usage(f"{file} has no key of {name!r}")
        write_keys(file, kept)
        note(f"{len(lines) - len(kept)} of {name}'s keys are gone from {file}")


def _lines(file: Path) -> list[KeyLine]:
    from critic_service.keys import read_keys

    return read_keys(file) if file.exists() else []


@contextmanager
def _usable() -> Iterator[None]:
    from critic_service.keys import KeysUnusable

    try:
        yield
    except (KeysUnusable, OSError) as error:
        raise bad_usage(str(error)) from None
