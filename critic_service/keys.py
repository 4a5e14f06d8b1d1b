"""Who may call, and how much: API keys, of which only hashes are kept, and what each may take.

A file has a key in each line, its name, the SHA-256 of the key, and limits of its own where it has
any; `critic keys` writes it:

    trainer:9f86d081…  requests_per_minute=600  clips_in_flight=64

Keys are random and long, so that a plain hash is enough: there is nothing to guess. The file is
read again when it changes. Two lines may have one name: an old key and its successor.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from critic_service.errors import InvalidRequest, Overloaded, Unauthenticated

logger = logging.getLogger(__name__)

SINGLE = "default"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LIMITS = ("requests_per_minute", "clips_in_flight")


class KeysUnusable(ValueError):
    """The file of keys cannot be read, or has a line that is not a key."""


@dataclass(frozen=True)
class KeyLine:
    """One line of the file; a limit of None is the service's own.

    Attributes:
        name: says whose key it is; jobs belong to it.
        digest: SHA-256 of the key, in hex.
        requests_per_minute: on average; a minute's worth may come at once.
        clips_in_flight: of all calls in progress together.

    Raises:
        KeysUnusable: the name is no name, or the digest no digest.
    """

    name: str
    digest: str
    requests_per_minute: int | None = None
    clips_in_flight: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise KeysUnusable("a name has 1 to 64 letters, digits, dots, dashes and underscores")
        if not _HASH.fullmatch(self.digest):
            raise KeysUnusable("a key is kept as its SHA-256, 64 digits in small hex")

    def __str__(self) -> str:
        given = {name: getattr(self, name) for name in _LIMITS}
        limits = [f" {name}={value}" for name, value in given.items() if value is not None]
        return f"{self.name}:{self.digest}{''.join(limits)}"


@dataclass(eq=False)
class _Use:
    """What a name has taken: it outlives the file's being read again."""

    tokens: float
    counted_at_s: float
    clips: int = 0


@dataclass(frozen=True, eq=False)
class Caller:
    """Whoever was let in.

    Attributes:
        name: of the key; empty where everybody is let in.
        clips_in_flight: how many clips may be in progress; None for no bound.
    """

    name: str
    clips_in_flight: int | None = None
    _use: _Use = field(default_factory=lambda: _Use(0.0, 0.0))

    @contextmanager
    def clips(self, num_clips: int) -> Iterator[None]:
        """Count clips as in progress.

        Raises:
            InvalidRequest: they are more than this caller may ever have.
            Overloaded: with those in progress they are more than it may have.
        """
        allowed = self.clips_in_flight
        if allowed is not None and num_clips > allowed:
            raise InvalidRequest(
                f"the call has {num_clips} clips; this key may have {allowed} in progress",
                limit="clips_in_flight",
                allowed=allowed,
            )
        if allowed is not None and self._use.clips + num_clips > allowed:
            raise Overloaded(
                f"{self._use.clips} clips of this key are in progress and this call brings "
                f"{num_clips}; the limit is {allowed}",
                resource="clips_in_flight",
            )
        self._use.clips += num_clips
        try:
            yield
        finally:
            self._use.clips -= num_clips


NOBODY = Caller("")
CALLER: ContextVar[Caller] = ContextVar("caller", default=NOBODY)
"""Who made the call that the running task works for; the tasks it starts inherit it."""


class Keyring:
    """All keys that are let in; for the event loop's thread.

    Args:
        single: a key that is not in the file, called `default`.
        file: see above; None for no file. With neither, everybody is let in.
        requests_per_minute, clips_in_flight: of keys whose line does not say; None for no bound.
        clock: seconds that only grow.

    Raises:
        KeysUnusable: the file is not as it should be.
    """

    def __init__(
        self,
        single: str | None,
        file: Path | None,
        requests_per_minute: int | None = None,
        clips_in_flight: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._single = [] if single is None else [KeyLine(SINGLE, digest_of(single))]
        self._file = file
        self._requests_per_minute = requests_per_minute
        self._clips_in_flight = clips_in_flight
        self._clock = clock
        self._uses: dict[str, _Use] = {}
        self._stamp: object = None
        self._lines: list[KeyLine] = []
        if file is not None:
            self._stamp = _stamp_of(file)
            self._lines = read_keys(file)

    def admit(self, headers: Mapping[str, str]) -> Caller:
        """Let a caller in by `Authorization: Bearer <key>` or `X-API-Key`, and count the request.

        Raises:
            Unauthenticated: the key is missing or wrong.
            Overloaded: this key has had its requests for now.
        """
        if self._file is None and not self._single:
            return NOBODY
        self._read_again()
        line = self._find(digest_of(_given(headers)))
        if line is None:
            raise Unauthenticated(
                "the API key is missing or wrong; send `Authorization: Bearer <key>` or `X-API-Key`"
            )
        rate = line.requests_per_minute or self._requests_per_minute
        use = self._uses.setdefault(line.name, _Use(float(rate or 0), self._clock()))
        if rate is not None:
            self._count_request(use, rate)
        return Caller(line.name, line.clips_in_flight or self._clips_in_flight, use)

    def _find(self, digest: str) -> KeyLine | None:
        """Look at every key in the same time, wherever and whether it is found."""
        found = None
        for line in (*self._single, *self._lines):
            if hmac.compare_digest(line.digest, digest):
                found = line
        return found

    def _count_request(self, use: _Use, per_minute: int) -> None:
        now_s = self._clock()
        earned = (now_s - use.counted_at_s) * per_minute / 60
        use.tokens, use.counted_at_s = min(per_minute, use.tokens + earned), now_s
        if use.tokens < 1:
            raise Overloaded(
                f"this key may make {per_minute} requests per minute",
                retry_after_s=(1 - use.tokens) * 60 / per_minute,
                resource="requests_per_minute",
            )
        use.tokens -= 1

    def _read_again(self) -> None:
        """Follow the file. While it is not as it should be, the keys before it hold."""
        if self._file is None:
            return
        stamp = _stamp_of(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._lines = read_keys(self._file)
            logger.info("%d API keys were read", len(self._lines))
        except KeysUnusable as error:
            logger.error("the API keys are as they were: %s", error)


def digest_of(key: str) -> str:
    """Return what is kept of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def read_keys(file: Path) -> list[KeyLine]:
    """Read a file of keys.

    Raises:
        KeysUnusable: it cannot be read, or a line is not a key.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeysUnusable(f"{file} cannot be read: {error}") from None
    lines = [
        (number, line.partition("#")[0].split()) for number, line in enumerate(text.split("\n"), 1)
    ]
    return [_key_line(file, number, words) for number, words in lines if words]


def write_keys(file: Path, lines: list[KeyLine]) -> None:
    """Write a file of keys at once, readable to its owner alone."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)
    os.replace(new, file)


def _key_line(file: Path, number: int, words: list[str]) -> KeyLine:
    name, _, digest = words[0].partition(":")
    limits: dict[str, int] = {}
    for word in words[1:]:
        which, _, value = word.partition("=")
        if which not in _LIMITS or not re.fullmatch(r"[1-9][0-9]{0,8}", value):
            raise KeysUnusable(
                f"{file}, line {number}: allowed are {' and '.join(_LIMITS)}, above 0"
            )
        limits[which] = int(value)
    try:
        return KeyLine(name, digest, **limits)
    except KeysUnusable as error:
        raise KeysUnusable(f"{file}, line {number}: {error}") from None


def _given(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _stamp_of(file: Path) -> object:
    """Return what changes when a file is written, or replaced, or goes."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
