"""Metric rewards at the door: their names, their thread, and what of them goes into a fingerprint.

Metrics run in one thread of their own, a clip at a time, so that neither the event loop nor the
threads that decode for the critic wait for them.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from critic_models.metrics import METRICS, PREFIX
from critic_models.types import Clip, Fingerprint, Score
from critic_models.video.reader import TimedFrame
from critic_models.video.sampling import Sampling

from critic_service import schemas
from critic_service.errors import Draining
from critic_service.gauges import Read, known
from critic_service.sandbox.decoder import Decoder
from critic_service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from critic_models.metrics.suite import MetricSuite


@dataclass(frozen=True)
class Asked:
    """What a call asks for, each name once: the critic's criteria, and metrics."""

    criteria: tuple[str, ...]
    metrics: tuple[str, ...]


def sort_names(names: Sequence[str], criteria: Mapping[str, object]) -> Asked:
    """Part names of criteria from names of metrics.

    Raises:
        UnknownName: one does not exist; the error has those that do.
    """
    metrics = [name for name in names if name.startswith(PREFIX) and name not in criteria]
    others = [name for name in names if name not in metrics]
    return Asked(
        tuple(known("criterion", others, criteria)), tuple(known("metric", metrics, METRICS))
    )


class MetricRewards:
    """All metrics, for the life of the process.

    Args:
        settings: the device, where weights are, and which CLIP is taken.
        decoder: gives the frames of a clip.
    """

    def __init__(self, settings: Settings, decoder: Decoder) -> None:
        self._settings = settings
        self._decoder = decoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._closed = threading.Event()

    @cached_property
    def suite(self) -> MetricSuite:
        """The metrics themselves; their networks are loaded when they are first needed."""
        from critic_models.dimensions.weights import WeightStore, weights_dir
        from critic_models.engine.device import choose_device
        from critic_models.metrics.suite import MetricOptions, MetricSuite

        folder, weights = self._settings.weights_dir, self._settings.metric_clip_weights
        return MetricSuite(
            WeightStore(Path(folder) if folder else weights_dir()),
            MetricOptions(self._settings.metric_clip_model, Path(weights) if weights else None),
            choose_device(self._settings.device),
        )

    async def scores(
        self, read: Read, names: Sequence[str], prompt: str | None
    ) -> dict[str, Score]:
        """Measure one clip when it is its turn; without a number a score has a reason.

        Args:
            read: gives its bytes.
            names: of metrics.
            prompt: what the clip was to show.
        """
        gone = threading.Event()
        work = partial(self._measure, read, names, prompt, gone)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            gone.set()

    def fingerprint_of(self, judge: Fingerprint, names: Sequence[str]) -> Fingerprint:
        """Add what metrics were read with to all that must be equal for scores to compare."""
        return replace(judge, versions={**judge.versions, **self.suite.versions(names)})

    def info(self) -> list[schemas.MetricInfo]:
        """Describe the metrics, and say why those that have no numbers here have none."""
        reasons = {name: self.suite.why_not(name) for name in METRICS}
        return [
            schemas.MetricInfo(
                name=each.name,
                description=each.description,
                source=each.source,
                least=_bound(each.range[0]),
                greatest=_bound(each.range[1]),
                needs_prompt=each.needs_prompt,
                available=reasons[each.name] is None,
                reason=reasons[each.name],
            )
            for each in METRICS.values()
        ]

    def close(self) -> None:
        """Begin no clip from now on; one that is being measured is not waited for."""
        self._closed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _measure(
        self, read: Read, names: Sequence[str], prompt: str | None, gone: threading.Event
    ) -> dict[str, Score]:
        if gone.is_set() or self._closed.is_set():
            raise Draining("nobody waits for this measurement any more")
        source = _Sent(self._decoder, read())
        return self.suite.read(names, self.suite.gather(names, source), prompt)


def _bound(number: float) -> float | None:
    return number if math.isfinite(number) else None


@dataclass(frozen=True)
class _Sent:
    """A clip as it was sent, decoded as the service decodes."""

    decoder: Decoder
    data: bytes

    def load(self, policy: Sampling) -> Clip:
        return self.decoder.load(self.data, policy)

    def frames(self) -> Iterator[TimedFrame]:
        return self.decoder.frames(self.data)
