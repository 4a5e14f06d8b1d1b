"""Expected failures of a command: one line on stderr, an exit code, JSON where it was asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from critic_service.cli import output

if TYPE_CHECKING:
    from critic_service import schemas

NOT_JUDGED = 1
BAD_INPUT = 2

_BAD_INPUT_CODES = frozenset(
    {
        *("bad_usage", "bad_input", "bad_prompt", "unknown_name"),
        *("invalid_request", "malformed_request"),
    }
)
_CLIP_CODES = frozenset(
    {"bad_clip", "clip_unreadable", "clip_empty", "clip_too_large", "body_too_large"}
    | {"decode_crashed", "decode_killed", "decode_timeout"}
)


class Failure(Exception):
    """A call that was refused or could not be made, in the form of the wire's error."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        request_id: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.request_id = request_id or uuid.uuid4().hex
        self.details = details or {}

    @property
    def exit_code(self) -> int:
        """What the command exits with: 2 where the caller asked for what cannot be, else 1."""
        return BAD_INPUT if self.code in _BAD_INPUT_CODES else NOT_JUDGED

    @property
    def is_of_one_clip(self) -> bool:
        """Whether the fault is in a clip, so that other clips may still be judged."""
        return self.code in _CLIP_CODES

    def naming(self, labels: Sequence[str]) -> Failure:
        """Return the same failure with a message that names each clip and what is wrong with it.

        Args:
            labels: of the items of the call, which `details["items"]` counts from 0.
        """
        items = self.details.get("items")
        if not (self.is_of_one_clip and items):
            return self
        message = "; ".join(f"{labels[item['index']]}: {item['message']}" for item in items)
        return Failure(self.code, message, request_id=self.request_id, details=self.details)

    def to_wire(self) -> schemas.ErrorResponse:
        """Return the failure as the service would answer it."""
        from critic_service import schemas

        return schemas.ErrorResponse(
            code=self.code,
            message=self.message,
            retryable=self.retryable,
            request_id=self.request_id,
            details=self.details,
        )


def bad_usage(message: str) -> Failure:
    """Make the failure of a command line that asks for what cannot be."""
    return Failure("bad_usage", message)


@contextmanager
def naming(labels: Sequence[str]) -> Iterator[None]:
    """Let a `Failure` inside the block name its clips; see `Failure.naming`."""
    try:
        yield
    except Failure as failure:
        raise failure.naming(labels) from failure


@contextmanager
def reporting(as_json: bool = False) -> Iterator[None]:
    """Turn a `Failure` inside the block into a message on stderr and an exit code.

    Args:
        as_json: also print the wire's error on stdout, where a reader expects one document.
    """
    try:
        yield
    except Failure as failure:
        output.complain(failure.message)
        if as_json:
            output.print_json(failure.to_wire())
        raise typer.Exit(failure.exit_code) from None
