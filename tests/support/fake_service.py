"""A service process with a fake critic, to be killed: `python -m fake_service PORT RUN_SECONDS`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fake_judge import FakeJudge
from starlette.applications import Starlette

from critic_service.door import Door
from critic_service.guard import Guard
from critic_service.http import create_app
from critic_service.settings import Settings


def main() -> None:
    port, run_s = int(sys.argv[1]), float(sys.argv[2])
    door = Door(Settings.from_environment(os.environ), lambda: FakeJudge(run_s=run_s))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        door.open()
        yield
        await door.close()

    guard = Guard(create_app(door), Starlette(lifespan=lifespan), door)
    uvicorn.run(guard, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    main()
