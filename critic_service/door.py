"""The door: what outlives single calls. It loads the critic, tells whether it is open, closes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from critic_models.errors import CriticError

from critic_service.core import CriticCore
from critic_service.errors import Draining, NotReady
from critic_service.health import Health, self_test
from critic_service.judge import Judge
from critic_service.memory import trim_at_rest
from critic_service.metrics import Metrics
from critic_service.settings import Settings

logger = logging.getLogger(__name__)


class Door:
    """One process's critic, from loading to draining.

    Args:
        settings: as read from the environment.
        load: loads the critic; slow, called in a thread.
    """

    def __init__(self, settings: Settings, load: Callable[[], Judge]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.draining = False
        self._load = load
        self._core: CriticCore | None = None
        self._health: Health | None = None
        self._failure: str | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._trimming: asyncio.Task[None] | None = None
        self.metrics.watch("draining", "1 while no new work is taken", lambda: self.draining)
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
        if self._core is not None:
            await self._core.close()

    async def _open(self) -> None:
        core: CriticCore | None = None
        try:
            judge = await asyncio.to_thread(self._load)
            core = CriticCore(judge, self.settings, self.metrics)
            core.start()
            await self_test(core)
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
