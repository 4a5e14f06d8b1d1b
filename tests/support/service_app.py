"""The whole HTTP service with a fake critic, in the test's own event loop."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from critic_models.video.frames import to_safetensors
from fake_judge import FakeJudge

from critic_service.door import Door
from critic_service.guard import Guard
from critic_service.http import create_app
from critic_service.settings import Settings

RAW = "application/x-safetensors"


@dataclass
class App:
    judge: FakeJudge
    door: Door
    guard: Guard
    client: httpx.AsyncClient

    async def post(self, path: str, **how: Any) -> httpx.Response:
        return await self.client.post(path, **how)


@asynccontextmanager
async def app_of(judge: FakeJudge | None = None, **settings: Any) -> AsyncIterator[App]:
    """Open the door, wait until it is ready, and close it again."""
    judge = judge or FakeJudge()
    chosen: dict[str, Any] = {"linger_ms": 5.0, "drain_s": 3.0, "decode_threads": 2, **settings}
    door = Door(Settings(**chosen), lambda: judge)
    guard = Guard(create_app(door), no_lifespan, door)
    door.open()
    try:
        async with asyncio.timeout(5):
            while await door.why_not_ready() == "the critic is being loaded":
                await asyncio.sleep(0.002)
        judge.batches.clear()
        judge.prepared.clear()
        judge.entered.clear()
        transport = httpx.ASGITransport(app=guard, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://critic") as client:
            yield App(judge, door, guard, client)
    finally:
        judge.gate.set()
        await door.close()


async def no_lifespan(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing starts or stops here")


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)


def raw_clip(seed: int = 0) -> bytes:
    """Four small frames of noise as a safetensors buffer; equal seeds give equal bytes."""
    rng = np.random.default_rng(seed)
    return to_safetensors(rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8), fps=8.0)


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def in_json(*seeds: int) -> list[dict[str, str]]:
    """References to clips that are inside the JSON."""
    return [{"frames_base64": as_base64(raw_clip(seed))} for seed in seeds]


def scored(*seeds: int, **more: Any) -> dict[str, Any]:
    """A request of `/v1/score`, with its clips inside."""
    return {"items": [{"clip": ref, "prompt": "a cat"} for ref in in_json(*seeds)], **more}
