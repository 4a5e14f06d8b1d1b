"""How much of jobs is kept, and for how long; for the thread of the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from critic_service.errors import BodyTooLarge, Overloaded
from critic_service.jobs.files import ClipFiles
from critic_service.jobs.store import JobStore

RETRY_AFTER_S = 60.0


@dataclass(frozen=True)
class JobLimits:
    """How much jobs may take.

    Attributes:
        max_jobs: of one owner that are kept at the same time, ended ones included.
        max_items: of one job.
        max_bytes: of all jobs together: lines, clips and results.
        keep_s: how long an ended job is kept.
        max_in_flight: items that are worked on at the same time.
    """

    max_jobs: int
    max_items: int
    max_bytes: int
    keep_s: float
    max_in_flight: int


class Retention:
    """Drops what has to go.

    Args:
        store, files: of the jobs.
        limits: see `JobLimits`.
    """

    def __init__(self, store: JobStore, files: ClipFiles, limits: JobLimits) -> None:
        self._store = store
        self._files = files
        self._limits = limits

    def make_room(self, owner: str) -> None:
        """Make room for one more job of an owner, by dropping those of its own that ended first.

        Raises:
            Overloaded: all that it has are under way, or others fill the room.
        """
        limits = self._limits
        ended = [row for row in self._store.jobs(owner) if row["ended_at"] is not None]
        ended.sort(key=lambda row: row["ended_at"])
        num_jobs, num_bytes = self._store.num_jobs(owner), self._store.num_bytes()
        dropped: list[str] = []
        while num_jobs >= limits.max_jobs or num_bytes >= limits.max_bytes:
            if not ended:
                raise Overloaded(
                    f"there is no room: {num_jobs} jobs of this key are kept and all jobs hold "
                    f"{num_bytes} bytes; the limits are {limits.max_jobs} and {limits.max_bytes}",
                    retry_after_s=RETRY_AFTER_S,
                    resource="jobs",
                )
            oldest = ended.pop(0)
            dropped.append(oldest["id"])
            num_jobs -= 1
            num_bytes -= oldest["num_bytes"]
        self.drop(dropped)

    def check_items(self, num_items: int) -> None:
        """Check that a job may have so many items.

        Raises:
            BodyTooLarge: it may not.
        """
        allowed = self._limits.max_items
        if num_items > allowed:
            raise BodyTooLarge(
                f"the job has more than {allowed} items", limit="jobs_max_items", allowed=allowed
            )

    def check_bytes(self, num_bytes: int) -> None:
        """Check that jobs may hold so many bytes more.

        Raises:
            BodyTooLarge: they may not.
        """
        held, allowed = self._store.num_bytes(), self._limits.max_bytes
        if held + num_bytes > allowed:
            raise BodyTooLarge(
                f"all jobs together hold {held} bytes; with this one they would exceed {allowed}",
                limit="jobs_max_bytes",
                allowed=allowed,
            )

    def sweep(self) -> None:
        """Drop what ended long ago."""
        before = time.time() - self._limits.keep_s
        rows = [row for row in self._store.jobs() if row["ended_at"] is not None]
        self.drop([row["id"] for row in rows if row["ended_at"] < before])

    def drop(self, jobs: Sequence[str]) -> None:
        """Drop jobs, and the clips that only they had."""
        if jobs:
            self._files.drop(self._store.drop(jobs))
