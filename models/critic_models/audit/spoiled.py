"""Defects of known severity put on clips that have none, and the labels that follow from it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from critic_models.audit.labelled import (
    STATIC,
    Change,
    LabelledGrade,
    LabelledPair,
    Shown,
    Source,
)
from critic_models.finetune.questions import CRITERION_OF_DEFECT
from critic_models.judging import Judge
from critic_models.types import Clip
from critic_models.world import DEFECTS, apply, encode_lightly
from critic_models.world.defects import IMAGING, TEMPORAL, Defect

NO_DEFECT = "no defect"
RE_ENCODED = "re-encoded"
OVERALL: dict[str, tuple[Defect, ...]] = {
    "visual_quality": IMAGING,
    "temporal_quality": TEMPORAL,
}
"""Criteria that answer for several defects."""

MOTION_CRITERIA = ("temporal_quality", "motion_continuity")
"""In these a clip that stands still is worse than one that moves."""

_LEAST, _MOST = 0.1, 1.0


@dataclass(frozen=True)
class Original:
    """A clip without defects.

    Attributes:
        key: its name in the set.
        group: of its labels.
        frames: makes uint8 `[T, H, W, 3]`, equal at every call.
        deliver: makes of such frames what the critic is given.
        prompt: what the clip shows, if that is known.
        moves: whether a static twin would be worse than it.
    """

    key: str
    group: str
    frames: Callable[[], np.ndarray]
    deliver: Callable[[Judge, np.ndarray], Clip]
    prompt: str | None = None
    moves: bool = True

    @property
    def shown(self) -> Shown:
        return Shown(self.key, self.prompt)


@dataclass(frozen=True)
class Spoiled:
    """The clips and labels that `spoil` made; see `LabelledSet`."""

    sources: dict[str, Source]
    pairs: tuple[LabelledPair, ...]
    grades: tuple[LabelledGrade, ...]
    changes: tuple[Change, ...]
    static_pairs: tuple[LabelledPair, ...]


def criteria_of(defect: Defect) -> tuple[str, ...]:
    """Name the criteria that a defect lowers by definition: its own, and the overall one."""
    overall = (name for name, defects in OVERALL.items() if defect in defects)
    return (CRITERION_OF_DEFECT[defect], *overall)


def stratified_severities(count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Draw severities from [0.1, 1], evenly spread over all clips and over the steps of each.

    Args:
        count: number of clips.
        steps: of every clip's ladder; step k lies in the k-th of `steps` equal parts of the range.

    Returns:
        float64 `[count, steps]`, rising along each row.
    """
    ranks = np.stack([rng.permutation(count) for _ in range(steps)], 1)
    within_part = (ranks + rng.random((count, steps))) / count
    return _LEAST + (_MOST - _LEAST) * (np.arange(steps) + within_part) / steps


def spoil(originals: Sequence[Original], steps: int, seed: int) -> Spoiled:
    """Put every defect on every clip, re-encode it lightly, and make a twin that stands still.

    The clip itself is better than with a defect, in the criteria of the defect; equal to itself
    re-encoded in all of them; and better in motion than its static twin. The grade of a clip with
    a defect is 1 minus the severity. A ladder of several steps begins with the clip itself.

    Args:
        originals: of different keys.
        steps: severities of each defect on each clip.
        seed: of severities and of all that is random in the defects.
    """
    made = _Maker(originals, seed)
    severities = {
        defect: stratified_severities(
            len(originals), steps, np.random.default_rng([seed, DEFECTS.index(defect)])
        )
        for defect in DEFECTS
    }
    for index, original in enumerate(originals):
        made.leave(index)
        made.re_encode(index)
        for defect in DEFECTS:
            made.begin_ladder(index, defect, steps)
            for severity in severities[defect][index]:
                made.put(index, defect, float(severity))
        if original.moves:
            made.hold_still(index)
    return Spoiled(
        made.sources,
        tuple(made.pairs),
        tuple(made.grades),
        tuple(made.changes),
        tuple(made.static_pairs),
    )


class _Maker:
    def __init__(self, originals: Sequence[Original], seed: int) -> None:
        self.sources: dict[str, Source] = {}
        self.pairs: list[LabelledPair] = []
        self.grades: list[LabelledGrade] = []
        self.changes: list[Change] = []
        self.static_pairs: list[LabelledPair] = []
        self._originals = originals
        self._seed = seed
        # The clips of one original are opened one after another.
        self._frames = lru_cache(maxsize=1)(lambda index: originals[index].frames())

    def leave(self, index: int) -> None:
        original = self._originals[index]
        self._add(index, original.key, lambda frames, rng: frames)
        for criterion in (*CRITERION_OF_DEFECT.values(), *OVERALL):
            self.grades.append(
                LabelledGrade(
                    original.shown, criterion, 1.0, NO_DEFECT, original.key, original.group
                )
            )

    def re_encode(self, index: int) -> None:
        original = self._originals[index]
        again = Shown(f"{original.key} {RE_ENCODED}", original.prompt)
        self._add(index, again.clip, encode_lightly)
        for criterion in (*CRITERION_OF_DEFECT.values(), *OVERALL):
            self.pairs.append(
                LabelledPair(original.shown, again, criterion, "tie", RE_ENCODED, original.group)
            )

    def begin_ladder(self, index: int, defect: Defect, steps: int) -> None:
        if steps > 1:
            self._grade(index, self._originals[index].shown, defect, 0.0)

    def put(self, index: int, defect: Defect, severity: float) -> None:
        original = self._originals[index]
        worse = Shown(f"{original.key} {defect} {severity:.3f}", original.prompt)
        self._add(index, worse.clip, lambda frames, rng: apply(defect, severity, frames, rng))
        self._grade(index, worse, defect, severity)
        self.changes.append(Change(defect, original.shown, worse, severity, original.group))
        for criterion in criteria_of(defect):
            self.pairs.append(
                LabelledPair(original.shown, worse, criterion, "a", defect, original.group)
            )

    def hold_still(self, index: int) -> None:
        original = self._originals[index]
        twin = Shown(f"{original.key} {STATIC}", original.prompt)
        self._add(index, twin.clip, lambda frames, rng: np.repeat(frames[:1], len(frames), 0))
        self.changes.append(Change(STATIC, original.shown, twin, 1.0, original.group))
        for criterion in MOTION_CRITERIA:
            self.static_pairs.append(
                LabelledPair(original.shown, twin, criterion, "a", STATIC, original.group)
            )

    def _grade(self, index: int, shown: Shown, defect: Defect, severity: float) -> None:
        original = self._originals[index]
        for criterion in criteria_of(defect):
            self.grades.append(
                LabelledGrade(
                    shown, criterion, 1.0 - severity, defect, original.key, original.group
                )
            )

    def _add(
        self,
        index: int,
        key: str,
        alter: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    ) -> None:
        deliver = self._originals[index].deliver

        def open_clip(judge: Judge) -> Clip:
            rng = np.random.default_rng([self._seed, zlib.crc32(key.encode())])
            return deliver(judge, alter(self._frames(index), rng))

        self.sources[key] = open_clip
