"""Whether a clip could be scored now, and if not, why."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
from critic_models.errors import CriticError
from critic_models.video.frames import to_safetensors

from critic_service.call import CallContext
from critic_service.core import CriticCore
from critic_service.deadline import within
from critic_service.errors import Unavailable
from critic_service.intake import FRAMES_MEDIA_TYPE, Part
from critic_service.schemas import ClipRef, ScoreItem, ScoreRequest

logger = logging.getLogger(__name__)

SUSPICIOUS_FAILED_RUNS = 3
SELF_TEST_TIMEOUT_S = 20.0


async def self_test(core: CriticCore, deadline_s: float | None = None) -> None:
    """Score a tiny clip from its bytes to its answer.

    Raises:
        CriticError: it could not be scored.
    """
    ramp = np.arange(64, dtype=np.uint8) * 3
    frames = np.stack([np.broadcast_to(np.roll(ramp, 4 * t), (64, 64)) for t in range(8)])
    data = to_safetensors(np.repeat(frames[..., None], 3, axis=3), fps=8.0)
    item = ScoreItem(
        clip=ClipRef.model_validate({"part": "clip"}), prompt="a grey ramp that moves to the right"
    )
    await core.score(
        ScoreRequest(items=[item]),
        {"clip": Part.of_bytes(data, FRAMES_MEDIA_TYPE)},
        CallContext("self-test", deadline_s),
    )


class Health:
    """Watch over a core whose first self-test passed.

    Args:
        core: what is watched.
        max_run_s: a run of the engine that takes longer is held to be stuck.
    """

    def __init__(self, core: CriticCore, max_run_s: float) -> None:
        self._core = core
        self._max_run_s = max_run_s
        self._broken: str | None = None
        self._testing = asyncio.Lock()

    async def check(self) -> str | None:
        """Return what is wrong, or None.

        After some runs in a row failed as a whole, the self-test is done again: one bad client must
        not make a good engine look broken, nor the other way round.
        """
        desk = self._core.desk
        if not desk.alive:
            return "the loop that feeds the engine has ended"
        if desk.engine.running_s > self._max_run_s:
            return f"the engine is stuck: one run takes more than {self._max_run_s:.0f} s"
        if desk.engine.failed_runs >= SUSPICIOUS_FAILED_RUNS:
            async with self._testing:
                if desk.engine.failed_runs >= SUSPICIOUS_FAILED_RUNS:
                    self._broken = await self._test_again()
        else:
            self._broken = None
        return self._broken

    async def _test_again(self) -> str | None:
        deadline_s = asyncio.get_running_loop().time() + SELF_TEST_TIMEOUT_S
        try:
            async with within(deadline_s):
                await self_test(self._core, deadline_s)
        except Unavailable:
            return self._broken  # too busy or about to stop: no verdict
        except CriticError as error:
            logger.error("the self-test failed: %s", error.message)
            return f"the engine fails on a known good clip: {error.message}"
        return None
