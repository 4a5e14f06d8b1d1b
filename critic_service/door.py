"""The door: what outlives single calls. It loads the critic, tells whether it is open, closes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from critic_models.errors import CriticError

from critic_service.core import CriticCore
from critic_service.errors import Draining, NotFound, NotReady
from critic_service.health import Health, self_test
from critic_service.held_bytes import HeldBytes
from critic_service.jobs.jobs import Jobs
from critic_service.jobs.retention import JobLimits
from critic_service.judge import Judge
from critic_service.keys import Keyring
from critic_service.memory import trim_at_rest
from critic_service.metrics import Metrics
from critic_service.settings import Settings

logger = logging.getLogger(__name__)


class Door:
    """One process's critic, from loading to draining.

    Args:
        settings: as read from the environment.
        load: loads the critic; slow, called in a thread.

    Raises:
        KeysUnusable: the file of API keys cannot be used.
    """

    def __init__(self, settings: Settings, load: Callable[[], Judge]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.draining = False
        self.held_bodies = HeldBytes(settings.max_body_bytes, settings.max_held_body_bytes)
        self.keys = Keyring(
            settings.api_key,
            None if settings.api_keys_file is None else Path(settings.api_keys_file),
            settings.key_requests_per_minute,
            settings.key_clips_in_flight,
        )
        self._load = load
        self._core: CriticCore | None = None
        self._jobs: Jobs | None = None
        self._health: Health | None = None
        self._failure: str | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._trimming: asyncio.Task[None] | None = None
        self.metrics.watch("draining", "1 while no new work is taken", lambda: self.draining)
        self.metrics.watch(
            "held_body_bytes", "Bodies in progress", lambda: self.held_bodies.num_bytes
        )
        self.metrics.watch("open", "1 once the critic is loaded", lambda: self._core is not None)

    @property
    def core(self) -> CriticCore:
        """The critic's core.

        Raises:
            Draining: no new work is taken.
            NotReady: the critic is not loaded.
        """
        if self.draining:
            raise Draining("the service is about to stop and takes no new work", retry_after_s=5)
        if self._core is None:
            raise NotReady(self._failure or "the critic is being loaded", retry_after_s=5)
        return self._core

    @property
    def jobs(self) -> Jobs:
        """The jobs, to look at; also while the service drains.

        Raises:
            NotFound: jobs are off.
            NotReady: the critic is not loaded.
        """
        if self.settings.jobs_dir is None:
            raise NotFound("jobs are off here; CRITIC_JOBS_DIR turns them on")
        if self._jobs is None:
            raise NotReady(self._failure or "the critic is being loaded", retry_after_s=5)
        return self._jobs

    @property
    def jobs_for_new_work(self) -> Jobs:
        """The jobs, to make one or to go on with one.

        Raises:
            NotFound, NotReady: as `jobs`.
            Draining: no new work is taken.
        """
        jobs = self.jobs
        if self.draining:
            raise Draining("the service is about to stop and takes no new jobs", retry_after_s=5)
        return jobs

    def open(self) -> None:
        """Begin to load the critic; probes are answered meanwhile."""
        self._opening = asyncio.create_task(self._open(), name="open")

    def drain(self) -> None:
        """Take no new work; what was admitted goes on."""
        self.draining = True
        if self._core is not None:
            self._core.desk.drain()

    def begin_to_close(self) -> None:
        """Take no new work, and stop once what was admitted is finished, or `drain_s` has passed.

        What is unfinished by then fails with `Draining`.
        """
        self.drain()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close")

    async def close(self) -> None:
        """Begin to close, unless that was done before, and wait until it is done."""
        self.begin_to_close()
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def why_not_alive(self) -> str | None:
        """Return why this process should be replaced, or None."""
        if self._closing is not None:
            return None
        if self._failure is not None:
            return self._failure
        return await self._health.check() if self._health is not None else None

    async def why_not_ready(self) -> str | None:
        """Return why a clip could not be scored now, or None."""
        if self.draining:
            return "draining"
        if self._core is None and self._failure is None:
            return "the critic is being loaded"
        return await self.why_not_alive()

    async def _close(self) -> None:
        if self._trimming is not None:
            self._trimming.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._jobs is not None:
            await self._jobs.close()
        if self._core is not None:
            await self._core.close()

    async def _open_jobs(self, core: CriticCore, folder: str) -> None:
        settings = self.settings
        limits = JobLimits(
            max_jobs=settings.jobs_max,
            max_items=settings.jobs_max_items,
            max_bytes=settings.jobs_max_bytes,
            keep_s=settings.jobs_keep_s,
            max_in_flight=settings.jobs_in_flight,
        )
        jobs = Jobs(core, Path(folder), limits)
        await jobs.open()
        self._jobs = jobs
        self.metrics.watch(
            "job_items", "Items of jobs that are not finished", lambda: jobs.waiting_items
        )

    async def _open(self) -> None:
        core: CriticCore | None = None
        try:
            judge = await asyncio.to_thread(self._load)
            core = CriticCore(judge, self.settings, self.metrics)
            core.start()
            await self_test(core)
            if self.settings.jobs_dir is not None:
                await self._open_jobs(core, self.settings.jobs_dir)
            self._core, self._health = core, Health(core, self.settings.request_timeout_s)
            self._trimming = asyncio.create_task(
                trim_at_rest(lambda: core.desk.open_calls, lambda: core.desk.calls_so_far),
                name="trim",
            )
            logger.info("%s is ready on %s", judge.name, judge.fingerprint.device)
        except CriticError as error:
            self._failure = f"the critic cannot be used: {error.message}"
            logger.error(self._failure)
        except Exception:
            self._failure = "the critic could not be loaded; the log has the details"
            logger.exception(self._failure)
        finally:
            if core is not None and self._core is None:
                await core.close()
