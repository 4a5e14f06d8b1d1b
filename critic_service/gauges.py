"""Dimensions for the life of the process: which can be measured here, and the thread of networks.

Networks are loaded when they are first needed, once, and run in one thread of their own, a clip at
a time: neither the event loop nor the threads that decode for the critic wait for them, and of all
calls together one clip at most has all its frames in memory.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from critic_models.dimensions import DIMENSIONS, measure
from critic_models.errors import CriticError, UnknownName
from critic_models.types import Clip, DimensionScore
from critic_models.video.sampling import AllFrames

from critic_service.errors import Draining, as_critic_error
from critic_service.judge import AskingJudge, Judge
from critic_service.sandbox.decoder import Decoder
from critic_service.settings import Settings

if TYPE_CHECKING:
    from critic_models.dimensions.dimension import Facts
    from critic_models.dimensions.networked import Ask
    from critic_models.dimensions.runner import NetworkRunner

logger = logging.getLogger(__name__)

Read = Callable[[], bytes]


@dataclass(frozen=True)
class Wanted:
    """Dimensions that a call asks for, by who measures them.

    Attributes:
        names: all of them, in the order asked for.
        frames: read off the frames as they come.
        networks: need networks, and all frames at once.
        asked: are questions to the critic.
        reasons: why those that cannot be measured here cannot, by name.
    """

    names: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    reasons: Mapping[str, str] | None = None


class Gauges:
    """All dimensions of the catalogue.

    Args:
        judge: whom questions go to.
        settings: the device, and where weights are.
        decoder: gives the frames of a clip.
    """

    def __init__(self, judge: Judge, settings: Settings, decoder: Decoder) -> None:
        self.judge = judge
        self.decoder = decoder
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="networks")
        self._closed = threading.Event()
        self._runner: NetworkRunner | None = None

    def wanted(self, names: Sequence[str]) -> Wanted:
        """Sort names by who measures them.

        Raises:
            UnknownName: one does not exist; the error has those that do.
        """
        # The catalogue imports every network, which the plain dimensions need not wait for.
        if all(name in DIMENSIONS for name in names):
            chosen = known("dimension", names, DIMENSIONS)
            return Wanted(tuple(chosen), frames=tuple(chosen))
        from critic_models.dimensions.asked import AskedDimension
        from critic_models.dimensions.catalogue import CATALOGUE
        from critic_models.dimensions.networked import NetworkDimension

        chosen = known("dimension", names, CATALOGUE)
        lacking = {name: self.why_not(CATALOGUE[name]) for name in chosen}
        here = {name: CATALOGUE[name] for name in chosen if lacking[name] is None}
        return Wanted(
            names=tuple(chosen),
            frames=tuple(name for name in here if name in DIMENSIONS),
            networks=tuple(n for n, facts in here.items() if isinstance(facts, NetworkDimension)),
            asked=tuple(n for n, facts in here.items() if isinstance(facts, AskedDimension)),
            reasons={name: reason for name, reason in lacking.items() if reason is not None},
        )

    def why_not(self, facts: Facts) -> str | None:
        """Return why a dimension cannot be measured here, with what would help, or None."""
        from critic_models.dimensions.asked import AskedDimension
        from critic_models.dimensions.detected import DetectedDimension
        from critic_models.dimensions.networked import NetworkDimension

        if isinstance(facts, DetectedDimension):
            return (
                f"It reads a detector or a captioner, and this service has none; vlm.{facts.name} "
                "asks the critic in its place."
            )
        if isinstance(facts, AskedDimension):
            if not isinstance(self.judge, AskingJudge):
                return f"{self.judge.name} takes no questions of a caller's."
            reason = self.judge.why_no_questions
            return None if reason is None else f"{reason}."
        if isinstance(facts, NetworkDimension):
            return self._why_no_network(facts)
        return None

    async def by_networks(
        self, read: Read, names: Sequence[str], ask: Callable[[], Ask], *, split: bool
    ) -> dict[str, DimensionScore]:
        """Measure one clip with networks, when it is its turn.

        Args:
            read: gives its bytes.
            names: of dimensions that read frames or networks.
            ask: what is known of the clip.
            split: whether a long clip is measured in parts.

        Raises:
            CriticError: the clip cannot be decoded with all its frames.
        """
        gone = threading.Event()
        work = partial(self._measure, read, names, ask, split, gone)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            # Nobody waits any more: a forward that runs is the last one.
            gone.set()

    def close(self) -> None:
        """Begin no forward from now on; one that runs is not waited for."""
        self._closed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _measure(
        self,
        read: Read,
        names: Sequence[str],
        ask: Callable[[], Ask],
        split: bool,
        gone: threading.Event,
    ) -> dict[str, DimensionScore]:
        from critic_models.dimensions.long_clips import is_long, measure_in_parts

        def go_on() -> None:
            if gone.is_set() or self._closed.is_set():
                raise Draining("nobody waits for this measurement any more")

        go_on()
        clip = self.decoder.load(read(), AllFrames())
        measure_part = partial(self._measure_clip, go_on=go_on)
        if split and is_long(clip):
            return measure_in_parts(clip, ask(), names, measure_part)
        return measure_part(clip, ask(), names)

    def _measure_clip(
        self, clip: Clip, ask: Ask, names: Sequence[str], *, go_on: Callable[[], None]
    ) -> dict[str, DimensionScore]:
        from critic_models.dimensions.catalogue import NETWORK_DIMENSIONS

        scores = measure(clip, [name for name in names if name in DIMENSIONS])
        by_reader: dict[Any, list[str]] = {}
        for name in names:
            if name in NETWORK_DIMENSIONS:
                by_reader.setdefault(NETWORK_DIMENSIONS[name].reader, []).append(name)
        runner = self._networks()
        # One reader at a time, so that what one of them fails with costs the others nothing.
        for alike in by_reader.values():
            go_on()
            try:
                (measured,) = runner.measure([(clip, ask)], alike, go_on)
            except Draining:
                raise
            except Exception as error:
                measured = not_measured(alike, self._reason_of(error), clip.num_frames)
            scores.update(measured)
        return scores

    def _reason_of(self, error: Exception) -> str:
        from critic_models.engine.memory import is_out_of_memory

        if is_out_of_memory(error):
            return "The clip does not fit into the memory of the device."
        if not isinstance(error, CriticError):
            logger.error("a clip could not be measured", exc_info=error)
        return as_critic_error(error).message

    def _networks(self) -> NetworkRunner:
        if self._runner is None:
            from critic_models.dimensions.catalogue import NETWORK_DIMENSIONS
            from critic_models.dimensions.suite import network_runner
            from critic_models.engine.device import choose_device

            device = choose_device(self._settings.device)
            self._runner = network_runner(list(NETWORK_DIMENSIONS), self._store(), device)
        return self._runner

    def _store(self) -> Any:
        from critic_models.dimensions.weights import WeightStore, weights_dir

        folder = self._settings.weights_dir
        return WeightStore(Path(folder) if folder else weights_dir())

    def _why_no_network(self, facts: Any) -> str | None:
        from critic_models.dimensions.networks.loading import NEEDS_OPEN_CLIP

        if facts.needs == "image":
            return "It needs the picture that the clip was made from, which cannot be sent."
        store = self._store()
        missing = [store.named(n) for n in facts.weights if not store.path(n).is_file()]
        if missing:
            names = " ".join(each.name for each in missing)
            files = ", ".join(f"{each.file} ({each.what}; {each.licence})" for each in missing)
            accept = " --accept-non-commercial" if any(m.non_commercial for m in missing) else ""
            return f"Missing: {files}. `critic weights fetch {names}{accept}` brings it."
        package = importlib.util.find_spec("open_clip")
        if facts.reader.network in NEEDS_OPEN_CLIP and package is None:
            return (
                "Missing: the package open_clip. `pip install 'critic-service[vbench]'` brings it."
            )
        return None


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


def not_measured(
    names: Sequence[str], reason: str, num_frames: int = 0
) -> dict[str, DimensionScore]:
    """Give the same reason for dimensions that have no number."""
    return {
        name: DimensionScore(name, None, None, None, num_frames, reason, weight=None)
        for name in names
    }
