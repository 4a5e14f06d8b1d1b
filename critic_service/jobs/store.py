"""The SQLite file behind jobs. One connection, for one thread.

In WAL mode a committed transaction outlives the process, whatever ends it. A loss of power may undo
the last ones, but never a part of one: an item whose result is gone is waiting again.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from critic_service.jobs.tables import (
    SCHEMA,
    JobsUnusable,
    NewItem,
    StoredItem,
    StoredResult,
)

_VERSION = 1
# A job that is still being taken in is nobody's yet.
_KNOWN = "state != 'receiving'"


class JobStore:
    """Jobs, items and results in `folder`, which one process at a time may use.

    Raises:
        JobsUnusable: another process uses the folder, or it was written by another version.
        OSError, sqlite3.Error: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise JobsUnusable(f"another process uses the jobs in {folder}") from None
        self._db = sqlite3.connect(folder / "jobs.sqlite3", isolation_level=None)
        self._db.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise JobsUnusable(f"{folder} was written by another version ({version})")
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        # Whoever was sending these has gone with the process that took them in.
        self._db.execute("DELETE FROM jobs WHERE state = 'receiving'")

    def close(self) -> None:
        """Close the file, and let another process use the folder."""
        self._db.close()
        self._lock.close()

    def begin(self, owner: str, kind: str, options: dict[str, Any]) -> str:
        """Begin to take in a job, and return its id; until `finish` nobody else sees it."""
        job = uuid.uuid4().hex
        self._db.execute(
            "INSERT INTO jobs (id, owner, kind, options, state, created_at)"
            " VALUES (?, ?, ?, ?, 'receiving', ?)",
            (job, owner, kind, json.dumps(options), time.time()),
        )
        return job

    def add_items(self, job: str, items: Sequence[NewItem], num_bytes: int) -> None:
        """Add items to a job that is being taken in."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO items (job, position, item) VALUES (?, ?, ?)",
                [(job, each.position, json.dumps(each.item)) for each in items],
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO clips (job, name) VALUES (?, ?)",
                [(job, name) for each in items for name in each.clips],
            )
            self._db.execute(
                "UPDATE jobs SET num_items = num_items + ?, num_bytes = num_bytes + ? WHERE id = ?",
                (len(items), num_bytes, job),
            )

    def finish(self, job: str, idempotency_key: str | None, digest: str) -> None:
        """Make a job active."""
        self._db.execute(
            "UPDATE jobs SET state = 'active', idempotency_key = ?, digest = ? WHERE id = ?",
            (idempotency_key, digest, job),
        )

    def drop(self, jobs: Iterable[str]) -> list[str]:
        """Delete jobs; return the names of clips that no job has any more."""
        with self._transaction():
            before = self._clip_names()
            self._db.executemany("DELETE FROM jobs WHERE id = ?", [(job,) for job in jobs])
            return sorted(before - self._clip_names())

    def same(self, owner: str, idempotency_key: str) -> sqlite3.Row | None:
        """Return the job that was made under this key, if there is one."""
        return self._db.execute(
            f"SELECT * FROM jobs WHERE owner = ? AND idempotency_key = ? AND {_KNOWN}",  # noqa: S608
            (owner, idempotency_key),
        ).fetchone()

    def job(self, job: str) -> sqlite3.Row | None:
        """Return a job's row."""
        return self._db.execute(
            f"SELECT * FROM jobs WHERE id = ? AND {_KNOWN}",  # noqa: S608
            (job,),
        ).fetchone()

    def jobs(self, owner: str | None = None) -> list[sqlite3.Row]:
        """Return the rows of all jobs, or of one owner's, oldest first."""
        return self._db.execute(
            f"SELECT * FROM jobs WHERE {_KNOWN} AND (? IS NULL OR owner = ?)"  # noqa: S608
            " ORDER BY created_at, id",
            (owner, owner),
        ).fetchall()

    def fingerprints(self, job: str) -> list[str]:
        """Return the distinct fingerprints of a job's results."""
        rows = self._db.execute(
            "SELECT DISTINCT fingerprint FROM results"
            " WHERE job = ? AND fingerprint IS NOT NULL ORDER BY fingerprint",
            (job,),
        )
        return [row[0] for row in rows]

    def clip_names(self) -> set[str]:
        """Return the names of all clips that jobs have."""
        return self._clip_names()

    def num_jobs(self, owner: str) -> int:
        """Return how many jobs an owner has, those that are being taken in included."""
        count = self._db.execute("SELECT count(*) FROM jobs WHERE owner = ?", (owner,))
        return count.fetchone()[0]

    def num_bytes(self) -> int:
        """Return what all jobs hold, a shared clip counted for each."""
        return self._db.execute("SELECT coalesce(sum(num_bytes), 0) FROM jobs").fetchone()[0]

    def waiting(self, job: str) -> list[int]:
        """Return the positions of a job's waiting items, in order."""
        rows = self._db.execute(
            "SELECT position FROM items WHERE job = ? AND state = 'waiting' ORDER BY position",
            (job,),
        )
        return [row[0] for row in rows]

    def item(self, job: str, position: int) -> StoredItem | None:
        """Return an item that waits in an active job, else None."""
        row = self._db.execute(
            "SELECT kind, options, item, attempt FROM items JOIN jobs ON jobs.id = items.job"
            " WHERE job = ? AND position = ? AND items.state = 'waiting' AND jobs.state = 'active'",
            (job, position),
        ).fetchone()
        if row is None:
            return None
        return StoredItem(
            row["kind"], json.loads(row["options"]), json.loads(row["item"]), row["attempt"]
        )

    def commit(
        self,
        job: str,
        position: int,
        attempt: int,
        outcome: dict[str, Any],
        fingerprint: str | None,
    ) -> bool:
        """Store an item's outcome, once.

        Returns:
            Whether it was stored; not so where this attempt has an outcome already, or its job is
            not active any more.
        """
        text = json.dumps(outcome)
        state, counter = (
            ("failed", "num_failed") if outcome.get("failure") else ("done", "num_done")
        )
        with self._transaction():
            taken = self._db.execute(
                "UPDATE items SET state = ?"
                " WHERE job = ? AND position = ? AND attempt = ? AND state = 'waiting'"
                " AND (SELECT state FROM jobs WHERE id = job) = 'active'",
                (state, job, position, attempt),
            )
            if not taken.rowcount:
                return False
            self._db.execute(
                "INSERT INTO results (job, number, position, attempt, fingerprint, outcome)"
                " SELECT id, num_results, ?, ?, ?, ? FROM jobs WHERE id = ?",
                (position, attempt, fingerprint, text, job),
            )
            self._db.execute(
                f"UPDATE jobs SET {counter} = {counter} + 1, num_results = num_results + 1,"  # noqa: S608
                " num_bytes = num_bytes + ? WHERE id = ?",
                (len(text), job),
            )
            self._db.execute(
                "UPDATE jobs SET state = 'done', ended_at = ?"
                " WHERE id = ? AND num_done + num_failed = num_items",
                (time.time(), job),
            )
        return True

    def results(self, job: str, offset: int, limit: int) -> list[StoredResult]:
        """Return up to `limit` lines of results from number `offset` on."""
        rows = self._db.execute(
            "SELECT * FROM results WHERE job = ? AND number >= ? ORDER BY number LIMIT ?",
            (job, offset, limit),
        )
        return [
            StoredResult(
                row["number"],
                row["position"],
                row["attempt"],
                row["fingerprint"],
                json.loads(row["outcome"]),
            )
            for row in rows
        ]

    def cancel(self, job: str) -> None:
        """Stop a job where it is, if it is active."""
        self._db.execute(
            "UPDATE jobs SET state = 'cancelled', ended_at = ? WHERE id = ? AND state = 'active'",
            (time.time(), job),
        )

    def retry(self, job: str) -> list[int]:
        """Let the failed items of a job wait again, and return their positions."""
        with self._transaction():
            rows = self._db.execute(
                "SELECT position FROM items WHERE job = ? AND state = 'failed' ORDER BY position",
                (job,),
            ).fetchall()
            if rows:
                self._db.execute(
                    "UPDATE items SET state = 'waiting', attempt = attempt + 1"
                    " WHERE job = ? AND state = 'failed'",
                    (job,),
                )
                self._db.execute(
                    "UPDATE jobs SET state = 'active', ended_at = NULL, num_failed = 0"
                    " WHERE id = ?",
                    (job,),
                )
        return [row[0] for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _clip_names(self) -> set[str]:
        return {row[0] for row in self._db.execute("SELECT DISTINCT name FROM clips")}
