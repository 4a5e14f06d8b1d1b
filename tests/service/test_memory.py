"""Memory goes back once, when the service is at rest after work."""

from __future__ import annotations

import asyncio
import sys

import pytest

from critic_service import memory


async def test_memory_is_trimmed_once_after_every_busy_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trims: list[int] = []
    state = {"open": 1, "calls": 1}
    monkeypatch.setattr(memory, "PAUSE_S", 0.001)
    monkeypatch.setattr(memory, "return_free_memory", lambda: trims.append(state["calls"]))
    task = asyncio.create_task(memory.trim_at_rest(lambda: state["open"], lambda: state["calls"]))
    await asyncio.sleep(0.05)
    assert trims == [], "trimmed while a call was in progress"
    state["open"] = 0
    await asyncio.sleep(0.05)
    assert trims == [1], "not trimmed once at rest"
    state["calls"] = 5
    await asyncio.sleep(0.05)
    assert trims == [1, 5]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own call")
def test_the_c_library_has_the_call() -> None:
    assert memory.return_free_memory()
