"""gRPC's own health protocol, told by the same door as `/readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from critic_service.door import Door
from critic_service.rpc.arrival import Context

WATCH_POLL_S = 0.25
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class DoorHealth(health_pb2_grpc.HealthServicer):
    """Say whether a clip could be scored now, of the whole server and of its services.

    Args:
        door: knows.
        services: names that may be asked for, besides the empty one.
    """

    def __init__(self, door: Door, services: tuple[str, ...]) -> None:
        self._door = door
        self._names = frozenset({"", *services})
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End the streams of those who watch."""
        self._closing.set()

    async def Check(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Answer once."""
        status = await self._status(request.service)
        if status == SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Answer now, and again whenever it changes."""
        told = None
        while not self._closing.is_set():
            status = await self._status(request.service)
            if status != told:
                yield health_pb2.HealthCheckResponse(status=status)
                told = status
            await self._pause()

    async def List(  # noqa: N802
        self, request: health_pb2.HealthListRequest, context: Context
    ) -> health_pb2.HealthListResponse:
        """Answer once, of all services."""
        status = health_pb2.HealthCheckResponse(status=await self._status(""))
        return health_pb2.HealthListResponse(statuses=dict.fromkeys(self._names, status))

    async def _status(self, service: str) -> int:
        if service not in self._names:
            return SERVICE_UNKNOWN
        return SERVING if await self._door.why_not_ready() is None else NOT_SERVING

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(WATCH_POLL_S):
                await self._closing.wait()
        except TimeoutError:
            pass
