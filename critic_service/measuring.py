"""Measurements of clips that a critic judges in the same call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from critic_models.dimensions import DIMENSIONS, measure_stream
from critic_models.errors import CriticError, UnknownName
from critic_models.types import DimensionScore
from critic_models.video.limits import ClipLimits


class Measuring:
    """Dimensions of the clips of one call, gathered while they are made ready for the critic.

    A clip that can be judged but not measured keeps its scores: its dimensions have the reason.

    Args:
        names: what to measure; nothing if none.
        limits: bounds on one clip.

    Raises:
        UnknownName: a dimension does not exist here.
    """

    def __init__(self, names: Sequence[str], limits: ClipLimits) -> None:
        self.by_clip: dict[str, Mapping[str, DimensionScore]] = {}
        self._names = known("dimension", names, DIMENSIONS)
        self._limits = limits

    def measure(self, clip_id: str, data: bytes) -> None:
        """Measure one clip, in the thread that decoded it."""
        if not self._names or clip_id in self.by_clip:
            return
        try:
            self.by_clip[clip_id] = measure_stream(data, self._names, self._limits)
        except CriticError as error:
            self.by_clip[clip_id] = {
                name: DimensionScore(name, None, None, None, 0, error.message)
                for name in self._names
            }


def known(kind: str, names: Sequence[str], table: Mapping[str, object]) -> list[str]:
    """Return each name once, if all are in the table.

    Raises:
        UnknownName: with the names that exist.
    """
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in table]
    if unknown:
        raise UnknownName(
            f"no {kind} {', '.join(map(repr, unknown))} here; there is {', '.join(table)}",
            allowed=list(table),
        )
    return wanted
