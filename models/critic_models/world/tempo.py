"""How the time of the clip becomes the time of the action."""

from __future__ import annotations

import numpy as np

from critic_models.world.shot import Tempo

_HASTE = 4.0


def action_times(tempo: Tempo, clock: np.ndarray) -> np.ndarray:
    """Compute the moment of the action that is seen at each time of the clip, float64 `[T]`."""
    times = clock
    if tempo.stutter:
        held = np.floor(clock * tempo.beats + 1e-9) / tempo.beats
        times = times + tempo.stutter * (held - times)
    if tempo.haste:
        pace = 1.0 + _HASTE * tempo.haste
        times = np.clip(tempo.at + pace * (times - tempo.at), 0.0, 1.0)
    if tempo.stillness:
        times = tempo.at + (1.0 - tempo.stillness) * (times - tempo.at)
    return times
