"""Jobs as their callers see them: take in, report, cancel, retry, and what is kept for how long."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from critic_service.body import parse_json
from critic_service.core import CriticCore, Parts
from critic_service.errors import (
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
)
from critic_service.intake import CallClips
from critic_service.jobs.files import ClipFiles
from critic_service.jobs.intake import steps_of, stored_item
from critic_service.jobs.kinds import KINDS
from critic_service.jobs.retention import JobLimits, Retention
from critic_service.jobs.runner import Runner
from critic_service.jobs.schemas import Job, JobLine, JobSpec
from critic_service.jobs.store import JobStore
from critic_service.jobs.tables import StoredItem

logger = logging.getLogger(__name__)

T = TypeVar("T")

SWEEP_S = 60.0
LINES_PER_READ = 200


class Jobs:
    """The jobs in a folder, and the one process that works on them.

    Args:
        core: judges their items.
        folder: is made where it is missing.
        limits: see `JobLimits`.
    """

    def __init__(self, core: CriticCore, folder: Path, limits: JobLimits) -> None:
        self._core = core
        self._folder = folder
        self._limits = limits
        self._files = ClipFiles(folder / "clips")
        # SQLite's connection belongs to one thread, and what happens in it happens in order.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._runner = Runner(core, self, limits.max_in_flight)
        self._news = asyncio.Event()
        self._closing = False
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take up what an earlier process left, on the running event loop.

        Raises:
            JobsUnusable: see `JobStore`.
        """
        self._store = await self._do(lambda: JobStore(self._folder))
        self._retention = Retention(self._store, self._files, self._limits)
        await self._do(lambda: self._files.keep_only(self._store.clip_names()))
        await self._do(self._retention.sweep)
        for row in await self._do(self._store.jobs):
            if row["state"] == "active":
                self._runner.add(row["id"], await self._do(self._store.waiting, row["id"]))
        self._runner.start()
        self._sweeping = asyncio.create_task(self._sweep_at_times(), name="sweep")

    async def close(self) -> None:
        """Stop working; what is unfinished waits for the next process."""
        self._closing = True
        self._tell()
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._runner.close()
        await self._do(self._store.close)
        self._thread.shutdown()

    @property
    def waiting_items(self) -> int:
        """How many items are not finished."""
        return self._runner.waiting_items

    async def submit(
        self, owner: str, lines: AsyncIterator[bytes], idempotency_key: str | None
    ) -> tuple[Job, bool]:
        """Take in a job: its spec, then its items.

        Args:
            owner: the name of the key that makes it.
            lines: JSON, one value each.
            idempotency_key: with the same key the same lines make one job.

        Returns:
            The job, and whether it is new.

        Raises:
            MalformedRequest, InvalidRequest: a line is not what it should be.
            BodyTooLarge: there are too many items, or they are too large.
            Overloaded: there is no room among the jobs that are kept.
            IdempotencyConflict: the key was used for other lines.
        """
        digest = hashlib.sha256()
        first = await anext(aiter(lines), None)
        if first is None:
            raise InvalidRequest("the body is empty; its first line says which kind of job it is")
        spec = parse_json(JobSpec, first)
        digest.update(first)
        await self._do(self._retention.make_room, owner)
        job = await self._do(self._store.begin, owner, spec.kind, spec.options)
        try:
            num_items = 0
            async for step in steps_of(lines):
                for line in step:
                    digest.update(b"\n" + line)
                begin, num_items = num_items, num_items + len(step)
                self._retention.check_items(num_items)
                await self._do(self._take_in, job, spec, begin, step)
            if not num_items:
                raise InvalidRequest("the job has no items: each has a line after the first")
            return await self._finish(job, owner, idempotency_key, digest.hexdigest())
        except BaseException:
            await asyncio.shield(self._do(self._retention.drop, [job]))
            raise

    async def job(self, owner: str, job: str) -> Job:
        """Return how far a job is.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return await self._do(lambda: self._described(self._owned(owner, job)))

    async def jobs(self, owner: str) -> list[Job]:
        """Return an owner's jobs, oldest first."""
        return await self._do(lambda: [self._described(row) for row in self._store.jobs(owner)])

    async def results(
        self, owner: str, job: str, offset: int, follow: bool
    ) -> AsyncIterator[JobLine]:
        """Yield lines of results from number `offset` on.

        Args:
            owner, job: as `job`.
            offset: from 0.
            follow: whether to wait for what is still to come, until the job or the process ends.

        Raises:
            NotFound: as `job`; also when the job is dropped meanwhile.
        """
        while True:
            news = self._news
            row = await self._do(lambda: self._owned(owner, job))
            found = await self._do(self._store.results, job, offset, LINES_PER_READ)
            for each in found:
                offset = each.number + 1
                yield JobLine(
                    offset=each.number,
                    index=each.position,
                    attempt=each.attempt,
                    fingerprint=each.fingerprint,
                    **each.outcome,
                )
            if len(found) == LINES_PER_READ:
                continue
            if not follow or row["state"] != "active" or self._closing:
                return
            await news.wait()

    async def cancel(self, owner: str, job: str) -> Job:
        """Stop a job where it is; what it has is kept. Nothing happens where it has ended."""
        await self._do(lambda: self._store.cancel(self._owned(owner, job)["id"]))
        await self._runner.stop_job(job)
        self._tell()
        return await self.job(owner, job)

    async def retry(self, owner: str, job: str) -> Job:
        """Try the failed items of a job again.

        Raises:
            NotFound: as `job`.
            InvalidRequest: it was cancelled.
        """

        def again() -> list[int]:
            if self._owned(owner, job)["state"] == "cancelled":
                raise InvalidRequest("the job was cancelled; its items cannot be tried again")
            return self._store.retry(job)

        self._runner.add(job, await self._do(again))
        return await self.job(owner, job)

    async def item(self, job: str, position: int) -> StoredItem | None:
        """See `runner.Desk`."""
        return await self._do(self._store.item, job, position)

    async def commit(
        self,
        job: str,
        position: int,
        attempt: int,
        outcome: dict[str, Any],
        fingerprint: str | None,
    ) -> None:
        """See `runner.Desk`."""
        await self._do(self._store.commit, job, position, attempt, outcome, fingerprint)
        self._tell()

    def parts(self, names: Iterable[str]) -> Parts:
        """See `runner.Desk`."""
        return {name: self._files.part(name) for name in names}

    def _take_in(self, job: str, spec: JobSpec, begin: int, lines: list[bytes]) -> None:
        """Store some items and their clips, in the thread of the store.

        Both happen there, so that no clip is dropped with its last job while a new one counts on
        it.
        """
        try:
            self._store_items(job, spec, begin, lines)
        except BaseException:
            self._files.keep_only(self._store.clip_names())
            raise

    def _store_items(self, job: str, spec: JobSpec, begin: int, lines: list[bytes]) -> None:
        clips: CallClips[Any] = CallClips(self._core.intake, {}, bytes)
        kind = KINDS[spec.kind]
        found = [
            stored_item(kind, spec.options, position, line, clips, self._files)
            for position, line in enumerate(lines, start=begin)
        ]
        num_bytes = sum(size for _, size in found)
        self._retention.check_bytes(num_bytes)
        self._store.add_items(job, [item for item, _ in found], num_bytes)

    async def _finish(
        self, job: str, owner: str, idempotency_key: str | None, digest: str
    ) -> tuple[Job, bool]:
        def finish() -> sqlite3.Row | None:
            same = self._store.same(owner, idempotency_key) if idempotency_key else None
            if same is None:
                self._store.finish(job, idempotency_key, digest)
            return same

        same = await self._do(finish)
        if same is None:
            self._runner.add(job, await self._do(self._store.waiting, job))
            return await self.job(owner, job), True
        if same["digest"] != digest:
            raise IdempotencyConflict("this Idempotency-Key was used for another job")
        await self._do(self._retention.drop, [job])
        return await self.job(owner, same["id"]), False

    async def _sweep_at_times(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self._do(self._retention.sweep)
            except Exception:
                logger.exception("jobs that ended long ago could not be dropped")

    def _owned(self, owner: str, job: str) -> sqlite3.Row:
        row = self._store.job(job)
        if row is None or row["owner"] != owner:
            raise NotFound("there is no such job")
        return row

    def _described(self, row: sqlite3.Row) -> Job:
        ended_at = row["ended_at"]
        return Job(
            id=row["id"],
            kind=row["kind"],
            state=row["state"],
            num_items=row["num_items"],
            num_done=row["num_done"],
            num_failed=row["num_failed"],
            num_results=row["num_results"],
            num_bytes=row["num_bytes"],
            created_at=row["created_at"],
            ended_at=ended_at,
            expires_at=None if ended_at is None else ended_at + self._limits.keep_s,
            fingerprints=self._store.fingerprints(row["id"]),
        )

    def _tell(self) -> None:
        """Wake whoever follows results."""
        self._news.set()
        self._news = asyncio.Event()

    async def _do(self, work: Callable[..., T], *given: Any) -> T:
        """Work in the thread of the store."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)
