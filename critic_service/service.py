"""The BentoML service: `bentoml serve critic_service.service:CriticService`.

BentoML packages, supervises and configures the process and runs the two hooks below. Requests do
not pass through it: batching, limits, errors, metrics and health are this package's own, behind the
guard. That takes one private name of BentoML, which is why its version is pinned.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import bentoml
from _bentoml_sdk import Service
from starlette.types import ASGIApp

from critic_service.door import Door
from critic_service.guard import Guard
from critic_service.http import create_app
from critic_service.logs import configure_logs
from critic_service.openapi import document
from critic_service.settings import Settings
from critic_service.signals import delay_stop_signals
from critic_service.telemetry import turn_telemetry_off

if TYPE_CHECKING:
    from critic_service.judge import Judge
    from critic_service.rpc.server import RpcServer

turn_telemetry_off()


class GuardedService(Service):
    """A BentoML service whose requests are answered by an application of our own."""

    door: Door

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Build the application: our own for requests, BentoML's for start-up and shutdown."""
        settings = Settings.from_environment(os.environ)
        self.door = Door(settings, lambda: _load(settings))
        return Guard(create_app(self.door), lifespan=super().to_asgi(is_main), door=self.door)

    @property
    def openapi_spec(self) -> dict[str, Any]:
        """Return the document that goes into a bento, as plain values that YAML can write."""
        return json.loads(json.dumps(document()))


@bentoml.service(
    name="critic-service",
    service_class=GuardedService,
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class CriticService:
    """Score, compare and rank generated video with a critic model."""

    bento_service: GuardedService
    rpc: RpcServer | None = None

    @bentoml.on_deployment
    @staticmethod
    def check_settings() -> None:
        """Fail once, before a process is started, and not again and again in each."""
        Settings.from_environment(os.environ)

    @bentoml.on_startup
    async def open(self) -> None:
        """Begin to load the critic; probes are answered while it loads."""
        configure_logs()
        door = self.bento_service.door
        delay_stop_signals(door.begin_to_close, door.settings.pre_drain_s)
        door.open()
        if door.settings.grpc_port is not None:
            from critic_service.rpc.server import RpcServer

            self.rpc = RpcServer(door)
            await self.rpc.start()

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Finish what was admitted."""
        await self.bento_service.door.close()
        if self.rpc is not None:
            await self.rpc.stop()


def _load(settings: Settings) -> Judge:
    from critic_models.judging import Judge

    return Judge.load(
        settings.checkpoint, settings.device, settings.dtype, settings.engine_options()
    )
