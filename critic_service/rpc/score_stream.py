"""A stream of requests, scored beside each other, each with a reply or an error of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from critic_service import schemas
from critic_service.deadline import within
from critic_service.door import Door
from critic_service.errors import as_critic_error
from critic_service.keys import CALLER
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc.arrival import Arrival, Context
from critic_service.rpc.status import error_response
from critic_service.rpc.translate import fill, parse, request_of

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 32


class ScoreStream:
    """One caller's stream.

    No more than `MAX_IN_FLIGHT` requests are read and not yet replied to: a caller who sends faster
    than the critic judges, or reads its replies slower, is held up by its own connection.

    Args:
        door: gives the core once it is loaded.
        arrival: of the stream.
        context: where replies are written.
    """

    def __init__(self, door: Door, arrival: Arrival, context: Context) -> None:
        self._door = door
        self._arrival = arrival
        self._context = context
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._writing = asyncio.Lock()

    async def serve(self, messages: AsyncIterator[bytes]) -> None:
        """Reply to every request, until the caller sends no more."""
        async with asyncio.TaskGroup() as working:
            index = 0
            await self._room.acquire()
            async for data in messages:
                working.create_task(self._serve_one(index, data))
                index += 1
                await self._room.acquire()

    async def _serve_one(self, index: int, data: bytes) -> None:
        try:
            with self._arrival.holding(self._door.held_bodies) as hold:
                reply = pb.ScoreStreamReply(index=index)
                try:
                    hold(len(data))
                    await self._score(data, reply)
                except Exception as error:
                    found = as_critic_error(error)
                    if found is not error:
                        logger.exception("a request of a stream failed in an unexpected way")
                    self._door.metrics.on_failure("call", found.code)
                    reply.error.CopyFrom(error_response(found, self._arrival.request_id))
            async with self._writing:
                await self._context.write(reply.SerializeToString())
        finally:
            self._room.release()

    async def _score(self, data: bytes, reply: pb.ScoreStreamReply) -> None:
        # A key may have been withdrawn since the stream began, and each request counts.
        CALLER.set(self._door.keys.admit(self._arrival.headers))
        context = self._arrival.context(self._door.settings.request_timeout_s)
        async with within(context.deadline_s):
            request, parts = request_of(parse(pb.ScoreRequest, data), schemas.ScoreRequest)
            response = await self._door.core.score(request, parts, context)
        fill(reply.response, response)
