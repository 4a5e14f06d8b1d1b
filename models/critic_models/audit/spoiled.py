"""Defects of recording put on clips that have none of ours, and the labels that follow from it."""

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
from critic_models.audit.labelling import criteria_of, label_ladder, stratified_severities
from critic_models.judging import Judge
from critic_models.types import Clip
from critic_models.world import FILMED, MOTION_CRITERIA, encode_lightly, record
from critic_models.world.catalogue import NEED_MOTION

RE_ENCODED = "re-encoded"

_Alter = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Original:
    """A clip as it was found.

    Attributes:
        key: its name in the set.
        group: of its labels.
        frames: makes uint8 `[T, H, W, 3]`, equal at every call.
        deliver: makes of such frames what the critic is given.
        moves: whether a static twin would be worse than it, and whether defects of motion would
            be seen.
    """

    key: str
    group: str
    frames: Callable[[], np.ndarray]
    deliver: Callable[[Judge, np.ndarray], Clip]
    moves: bool = True


@dataclass(frozen=True)
class Spoiled:
    """The clips and labels that `spoil` made; see `LabelledSet`."""

    sources: dict[str, Source]
    pairs: tuple[LabelledPair, ...]
    grades: tuple[LabelledGrade, ...]
    changes: tuple[Change, ...]
    static_pairs: tuple[LabelledPair, ...]


def spoil(originals: Sequence[Original], steps: int, seed: int) -> Spoiled:
    """Put every defect of recording on every clip that can show it.

    Also re-encode every clip lightly, which makes a tie in the same criteria, and hold one frame of
    those that move, which makes a static twin.

    Args:
        originals: of different keys.
        steps: severities of each defect on each clip.
        seed: of severities and of all that is random in the defects.
    """
    made = _Maker(originals, seed)
    severities = {
        defect: stratified_severities(
            len(originals), steps, np.random.default_rng([seed, FILMED.index(defect)])
        )
        for defect in FILMED
    }
    for index, original in enumerate(originals):
        made.add(index, original.key, lambda frames: frames)
        made.re_encode(index)
        for defect in FILMED:
            if original.moves or defect not in NEED_MOTION:
                made.put(index, defect, severities[defect][index])
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
        # Clips are opened original by original, a few at a time.
        self._frames = lru_cache(maxsize=2)(lambda index: originals[index].frames())

    def add(self, index: int, key: str, alter: _Alter) -> None:
        deliver = self._originals[index].deliver

        def open_clip(judge: Judge) -> Clip:
            return deliver(judge, alter(self._frames(index)))

        self.sources[key] = open_clip

    def re_encode(self, index: int) -> None:
        original = self._originals[index]
        key = f"{original.key} {RE_ENCODED}"
        seed = self._seed_of(key)
        self.add(index, key, lambda frames: encode_lightly(frames, np.random.default_rng(seed)))
        for criterion in dict.fromkeys(name for each in FILMED for name in criteria_of(each)):
            self.pairs.append(
                LabelledPair(
                    Shown(original.key), Shown(key), criterion, "tie", RE_ENCODED, original.group
                )
            )

    def put(self, index: int, defect: str, severities: np.ndarray) -> None:
        original = self._originals[index]
        ladder = f"{original.key} {defect}"
        # One seed for all severities: the rungs differ in nothing else.
        seed = self._seed_of(ladder)
        rungs = [(Shown(original.key), 0.0)]
        for severity in severities.tolist():
            rungs.append((Shown(f"{ladder} {severity:.3f}"), severity))
            self.add(index, rungs[-1][0].clip, _recording(defect, severity, seed))
        labels = label_ladder(defect, rungs, ladder, original.group)
        self.pairs += labels.pairs
        self.grades += labels.grades
        self.changes += labels.changes

    def hold_still(self, index: int) -> None:
        original = self._originals[index]
        before, twin = Shown(original.key), Shown(f"{original.key} {STATIC}")
        self.add(index, twin.clip, lambda frames: np.repeat(frames[:1], len(frames), 0))
        self.changes.append(Change(STATIC, before, twin, 1.0, original.group))
        for criterion in MOTION_CRITERIA:
            self.static_pairs.append(
                LabelledPair(before, twin, criterion, "a", STATIC, original.group)
            )

    def _seed_of(self, key: str) -> int:
        return self._seed * 2**32 + zlib.crc32(key.encode())


def _recording(defect: str, severity: float, seed: int) -> _Alter:
    return lambda frames: record(frames, {defect: severity}, seed).frames
