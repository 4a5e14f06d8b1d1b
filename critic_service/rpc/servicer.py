"""`critic.v1.Critic`: the calls of `critic_service.calls`, and those that only streams can have.

Every method takes its messages as they come, as a stream of bytes, also where there is one message
only: so a caller is refused by its key before a message is read, and a message is looked at before
it is parsed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import grpc

from critic_service.call import CallContext
from critic_service.calls import CALLS, Call
from critic_service.deadline import within
from critic_service.door import Door
from critic_service.errors import MalformedRequest
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc.arrival import Arrival, Context, answer
from critic_service.rpc.score_stream import ScoreStream
from critic_service.rpc.translate import fill, parse, request_of

SERVICE = pb.DESCRIPTOR.services_by_name["Critic"].full_name
METHODS = {
    "score": "Score",
    "compare": "Compare",
    "rank": "Rank",
    "dimensions": "Dimensions",
    "prompts/score": "PromptScore",
}
"""Names of the calls that judge, by their paths over HTTP."""

Messages = AsyncIterator[bytes]
Work = Callable[[Messages, Arrival, CallContext], Awaitable[bytes]]


class Servicer:
    """Answer over gRPC what the door's core can do.

    Args:
        door: gives the core once it is loaded.
    """

    def __init__(self, door: Door) -> None:
        self._door = door

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a server asks for the handlers of the methods."""
        unary: dict[str, Work] = {METHODS[call.name]: self._judge(call) for call in CALLS}
        unary |= {"Info": self._info, "UploadClip": self._upload}
        handlers = {
            name: grpc.stream_unary_rpc_method_handler(self._unary(name, work))
            for name, work in unary.items()
        }
        handlers["ScoreStream"] = grpc.stream_stream_rpc_method_handler(self._score_stream)
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _unary(self, name: str, work: Work) -> Callable[[Messages, Context], Awaitable[bytes]]:
        async def handle(messages: Messages, context: Context) -> bytes:
            async def do(arrival: Arrival) -> bytes:
                call = arrival.context(self._door.settings.request_timeout_s)
                async with within(call.deadline_s):
                    reply = await work(messages, arrival, call)
                context.set_trailing_metadata((("server-timing", call.timings.header()),))
                return reply

            return await answer(self._door, f"grpc_{name}", context, do)

        return handle

    def _judge(self, call: Call) -> Work:
        asked = getattr(pb, call.request.__name__)
        replied = getattr(pb, call.response.__name__)

        async def judge(messages: Messages, arrival: Arrival, context: CallContext) -> bytes:
            core = self._door.core
            with arrival.holding(self._door.held_bodies) as hold:
                data = await _first(messages)
                hold(len(data))
                request, parts = request_of(parse(asked, data), call.request)
                del data
                response = await call.work(core, request, parts, context)
            return fill(replied(), response).SerializeToString()

        return judge

    async def _info(self, messages: Messages, arrival: Arrival, context: CallContext) -> bytes:
        parse(pb.InfoRequest, await _first(messages))
        return fill(pb.InfoResponse(), self._door.core.info()).SerializeToString()

    async def _upload(self, messages: Messages, arrival: Arrival, context: CallContext) -> bytes:
        core = self._door.core
        clip = bytearray()
        with arrival.holding(self._door.held_bodies) as hold:
            async for data in messages:
                hold(len(data))
                core.clips.check(len(clip) + len(data))
                clip += parse(pb.ClipChunk, data).content
            response = await core.clips.keep(bytes(clip), context)
        return fill(pb.ClipResponse(), response).SerializeToString()

    async def _score_stream(self, messages: Messages, context: Context) -> None:
        async def do(arrival: Arrival) -> None:
            await ScoreStream(self._door, arrival, context).serve(messages)

        await answer(self._door, "grpc_ScoreStream", context, do)


async def _first(messages: Messages) -> bytes:
    async for data in messages:
        return data
    raise MalformedRequest("the call has no message")
