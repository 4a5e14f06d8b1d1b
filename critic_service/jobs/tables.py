"""What the SQLite file of jobs holds, and the values that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from critic_models.errors import CriticError

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    options TEXT NOT NULL,
    state TEXT NOT NULL,
    idempotency_key TEXT,
    digest TEXT,
    created_at REAL NOT NULL,
    ended_at REAL,
    num_items INTEGER NOT NULL DEFAULT 0,
    num_done INTEGER NOT NULL DEFAULT 0,
    num_failed INTEGER NOT NULL DEFAULT 0,
    num_results INTEGER NOT NULL DEFAULT 0,
    num_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (owner, idempotency_key)
);
CREATE TABLE IF NOT EXISTS items (
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    position INTEGER NOT NULL,
    item TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempt INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (job, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    fingerprint TEXT,
    outcome TEXT NOT NULL,
    PRIMARY KEY (job, number),
    UNIQUE (job, position, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clips (
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (job, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS clips_by_name ON clips (name);
"""


class JobsUnusable(CriticError):
    """The folder of jobs cannot be used."""

    code = "jobs_unusable"


@dataclass(frozen=True)
class StoredItem:
    """One item: its job's kind and options, and which attempt at it this is."""

    kind: str
    options: dict[str, Any]
    item: dict[str, Any]
    attempt: int


@dataclass(frozen=True)
class StoredResult:
    """One line of results; `outcome` is JSON with `result` or `failure`."""

    number: int
    position: int
    attempt: int
    fingerprint: str | None
    outcome: dict[str, Any]


@dataclass(frozen=True)
class NewItem:
    """An item on its way in, and the names of its clips."""

    position: int
    item: dict[str, Any]
    clips: tuple[str, ...]
