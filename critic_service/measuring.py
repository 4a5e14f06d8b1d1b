"""Measurements of the clips of one call, whoever makes them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from critic_models.dimensions import measure_frames
from critic_models.errors import CriticError
from critic_models.types import DimensionScore

from critic_service import schemas
from critic_service.gauges import Gauges, Read, Wanted, not_measured
from critic_service.judge import PreparedClip

if TYPE_CHECKING:
    from critic_models.dimensions.networked import Ask

Answer = Callable[[Any], Awaitable[Any]]
"""Hands an item to the engine and waits for its answers."""


@dataclass(frozen=True)
class Told:
    """What a request tells of a clip besides its bytes; equal where it tells the same.

    Attributes:
        prompt: what the clip was to show.
        auxiliary: further facts, as canonical JSON.
    """

    prompt: str | None = None
    auxiliary: str = "{}"

    @classmethod
    def of(cls, prompt: str | None, auxiliary: schemas.Auxiliary | None) -> Told:
        """Read the wire's words."""
        facts = {} if auxiliary is None else auxiliary.model_dump(exclude_none=True)
        return cls(prompt, json.dumps(facts, sort_keys=True))

    def ask(self) -> Ask:
        """Return it as dimensions take it."""
        from critic_models.dimensions.networked import Ask

        return Ask(self.prompt, json.loads(self.auxiliary))


class Measuring:
    """Dimensions of the clips of one call.

    A clip that can be judged but not measured keeps its scores: its dimensions have the reason.

    Args:
        gauges: what measures.
        wanted: what to measure.
        split: whether long clips are measured in parts; then nothing is read as frames come.
    """

    def __init__(self, gauges: Gauges, wanted: Wanted, *, split: bool = False) -> None:
        self.wanted = wanted
        self._gauges = gauges
        self._split = split
        self._at_once = () if split else wanted.frames
        self._later = (*wanted.frames, *wanted.networks) if split else wanted.networks
        self._seen: dict[str, dict[str, DimensionScore]] = {}

    def see(self, clip_id: str, data: bytes) -> None:
        """Measure what is read off frames as they come, in the thread that decodes.

        Raises:
            CriticError: the clip cannot be decoded.
        """
        if self._at_once and clip_id not in self._seen:
            frames = self._gauges.decoder.frames(data)
            self._seen[clip_id] = measure_frames(frames, self._at_once)

    def see_if_possible(self, clip_id: str, data: bytes) -> None:
        """Do the same; where it fails the dimensions have the reason."""
        try:
            self.see(clip_id, data)
        except CriticError as error:
            self._seen[clip_id] = not_measured(self._at_once, error.message)

    async def by_networks(
        self, read: Read, told: Told, *, fail: bool = False
    ) -> Mapping[str, DimensionScore]:
        """Measure what needs networks.

        Args:
            read: gives the bytes of the clip.
            told: what is known of it.
            fail: raise where the clip cannot be decoded and nothing else is measured of it.
        """
        if not self._later:
            return {}
        try:
            return await self._gauges.by_networks(read, self._later, told.ask, split=self._split)
        except CriticError as error:
            if fail and not self._at_once and not self.wanted.asked:
                raise
            return not_measured(self._later, error.message)

    async def by_questions(
        self, clip: PreparedClip | None, told: Told, answer: Answer
    ) -> Mapping[str, DimensionScore]:
        """Ask the critic all questions about a clip, in one item.

        Args:
            clip: ready for the critic; None where nothing is asked.
            told: what is known of it.
            answer: hands the item in.
        """
        if not self.wanted.asked or clip is None:
            return {}
        from critic_models.dimensions.asked import questions_of, read_answers
        from critic_models.dimensions.vlm_dimensions import ASKED_DIMENSIONS

        judge: Any = self._gauges.judge
        dimensions = [ASKED_DIMENSIONS[name] for name in self.wanted.asked]
        ask, num_frames = told.ask(), len(getattr(clip, "source_indices", ()))
        questions, reasons = questions_of(dimensions, ask)
        scores = {n: s for name, r in reasons.items() for n, s in not_measured([name], r).items()}
        askable = [each for each in dimensions if each.name not in reasons]
        if not askable:
            return scores
        try:
            answers = judge.replies(await answer(judge.ask(clip, questions)))
        except CriticError as error:
            names = [each.name for each in askable]
            return {**scores, **not_measured(names, error.message, num_frames)}
        return {**scores, **read_answers(askable, ask, answers, num_frames)}

    def all_of(
        self, clip_id: str, *found: Mapping[str, DimensionScore]
    ) -> dict[str, DimensionScore]:
        """Put together all that was measured of a clip, in the order asked for."""
        together = dict(self._seen.get(clip_id, {}))
        for name, reason in (self.wanted.reasons or {}).items():
            together.update(not_measured([name], reason))
        for each in found:
            together.update(each)
        return {name: together[name] for name in self.wanted.names}
