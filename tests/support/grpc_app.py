"""The whole gRPC door with a fake critic, on a real port, in the test's own event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from fake_judge import FakeJudge
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from service_app import App, app_of, raw_clip

from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc.server import RpcServer

REPLIES = {
    "Score": pb.ScoreResponse,
    "Compare": pb.CompareResponse,
    "Rank": pb.RankResponse,
    "Dimensions": pb.DimensionsResponse,
    "PromptScore": pb.PromptsResponse,
    "Info": pb.InfoResponse,
}


@dataclass
class RpcApp:
    """Both doors, and a channel to one of them."""

    http: App
    server: RpcServer
    port: int
    channel: grpc.aio.Channel

    @property
    def judge(self) -> FakeJudge:
        return self.http.judge

    def call(self, method: str, request: Any, **how: Any) -> Any:
        """Begin a call of one message; awaited, it gives the reply."""
        ask = self.channel.unary_unary(
            f"/critic.v1.Critic/{method}",
            request_serializer=_bytes_of,
            response_deserializer=REPLIES[method].FromString,
        )
        return ask(request, **how)

    def upload(self, chunks: Sequence[bytes], **how: Any) -> Any:
        ask = self.channel.stream_unary(
            "/critic.v1.Critic/UploadClip",
            request_serializer=_bytes_of,
            response_deserializer=pb.ClipResponse.FromString,
        )
        return ask([pb.ClipChunk(content=chunk) for chunk in chunks], **how)

    def stream(self, requests: Any = None, **how: Any) -> Any:
        ask = self.channel.stream_stream(
            "/critic.v1.Critic/ScoreStream",
            request_serializer=_bytes_of,
            response_deserializer=pb.ScoreStreamReply.FromString,
        )
        return ask(requests, **how)


@asynccontextmanager
async def rpc_app_of(
    judge: FakeJudge | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    **settings: Any,
) -> AsyncIterator[RpcApp]:
    """Open both doors of one service, and close them again."""
    async with app_of(judge, grpc_port=0, **settings) as app:
        server = RpcServer(app.door)
        port = await server.start()
        address = f"localhost:{port}"
        channel = (
            grpc.aio.insecure_channel(address)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials)
        )
        try:
            async with channel:
                yield RpcApp(app, server, port, channel)
        finally:
            app.judge.gate.set()
            await app.door.close()
            await server.stop()


def scored(*seeds: int, prompt: str = "a cat", **more: Any) -> pb.ScoreRequest:
    """The request that `service_app.scored` makes for HTTP."""
    items = [pb.ScoreItem(clip=pb.ClipRef(frames=raw_clip(seed)), prompt=prompt) for seed in seeds]
    return pb.ScoreRequest(items=items, **more)


def status_of(error: grpc.aio.AioRpcError) -> Status:
    """The details that a failed call carries."""
    trailers = dict(error.trailing_metadata() or ())
    return Status.FromString(trailers["grpc-status-details-bin"])


def error_of(error: grpc.aio.AioRpcError) -> pb.ErrorResponse:
    response = pb.ErrorResponse()
    assert status_of(error).details[0].Unpack(response)
    return response


def retry_delay_s(error: grpc.aio.AioRpcError) -> int:
    info = RetryInfo()
    assert status_of(error).details[1].Unpack(info)
    return info.retry_delay.seconds


def _bytes_of(message: Any) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()
