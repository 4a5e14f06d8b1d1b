"""The built-in labelled set: held-out scenes of the rendered world, whose truth is known.

Half of the scenes reach the critic as frames in memory, half as H.264 files at twice the size, so
that both ways of serving are measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.audit.labelled import (
    STATIC,
    LabelledGrade,
    LabelledPair,
    LabelledSet,
    Paraphrases,
    Shown,
)
from critic_models.audit.spoiled import Original, Spoiled, spoil
from critic_models.finetune.scoring import ENCODED, RENDERED, Presentation
from critic_models.world import (
    SLOTS,
    SPLITS,
    Scene,
    Split,
    render,
    sample_scene,
    with_wrong,
    write_caption,
)

_ALIGNMENT = "text_alignment"
_OTHER_SCENE = "another scene"
_REPHRASED = "rephrased"
_PRESENTATIONS = (RENDERED, ENCODED)

_DESCRIPTION = """\
{count} scenes of the rendered world's test split: seeds, background textures, colour values and
phrasings that critic-nano's training never showed. Half are frames in memory ({rendered}), half
files ({encoded}). A clip is better than the same clip with a defect of a severity in [0.1, 1], and
its grade is then 1 minus that severity; the true caption is better than one that is wrong in one
slot; two clean clips, a clip and its light re-encoding, and two phrasings of the true caption are
ties, a third of the labels."""


@dataclass(frozen=True)
class _Staged:
    """One scene with its captions."""

    index: int
    scene: Scene
    split: Split
    original: Original

    @property
    def captions(self) -> tuple[str, ...]:
        """Write the true caption in every held-out phrasing, and once as a sentence."""
        plain = [write_caption(self.scene.slots, phrasing) for phrasing in self.split.phrasings]
        return (*plain, f"{plain[0].capitalize()}.")

    @property
    def phrasing(self) -> str:
        return self.split.phrasings[self.index % len(self.split.phrasings)]


def world_set(num_scenes: int) -> LabelledSet:
    """Make the set: for every defect and every slot of a caption, one pair for each scene.

    Args:
        num_scenes: at least 2.

    Raises:
        ValueError: for fewer.
    """
    if num_scenes < 2:
        raise ValueError(f"at least 2 scenes are needed, found {num_scenes}")
    split = SPLITS["test"]
    staged = [_stage(split, index) for index in range(num_scenes)]
    spoiled = spoil([each.original for each in staged], steps=1, seed=split.seed)
    captions = [pair for each in staged for pair in _caption_pairs(each, staged)]
    return LabelledSet(
        name="world",
        description=_DESCRIPTION.format(
            count=num_scenes, rendered=RENDERED.name, encoded=ENCODED.name
        ).replace("\n", " "),
        sources=spoiled.sources,
        pairs=(*_with_ties(spoiled, staged), *captions, *_caption_ties(staged)),
        grades=(*spoiled.grades, *(grade for each in staged for grade in _caption_grades(each))),
        grades_are_absolute=True,
        changes=spoiled.changes,
        static_pairs=(*spoiled.static_pairs, *map(_static_against_caption, staged)),
        paraphrases=tuple(
            Paraphrases(each.original.key, each.captions, _ALIGNMENT, each.original.group)
            for each in staged
        ),
        parts={
            each.original.group: _PRESENTATIONS[each.index % len(_PRESENTATIONS)].name
            for each in staged
        },
    )


def _stage(split: Split, index: int) -> _Staged:
    scene = sample_scene(split.rng(index), split)
    presentation: Presentation = _PRESENTATIONS[index % len(_PRESENTATIONS)]

    def draw() -> np.ndarray:
        return render(scene, presentation.size, presentation.num_frames)

    key = f"scene {index}"
    prompt = write_caption(scene.slots, split.phrasings[index % len(split.phrasings)])
    return _Staged(index, scene, split, Original(key, key, draw, presentation.clip, prompt))


def _partner(staged: Sequence[_Staged], index: int, step: int) -> _Staged:
    """Pick a scene that reaches the critic in the same way as this one, `step` places on."""
    alike = staged[index % len(_PRESENTATIONS) :: len(_PRESENTATIONS)]
    return alike[(index // len(_PRESENTATIONS) + step) % len(alike)]


def _with_ties(spoiled: Spoiled, staged: Sequence[_Staged]) -> list[LabelledPair]:
    """Choose ties until they are a third of each criterion's labels.

    Half of them are clips against their re-encoding, half clean clips of different scenes.
    """
    pairs = [pair for pair in spoiled.pairs if pair.preference != "tie"]
    ties = [pair for pair in spoiled.pairs if pair.preference == "tie"]
    decided = Counter(pair.criterion for pair in pairs)
    for criterion, count in decided.items():
        pairs += [pair for pair in ties if pair.criterion == criterion][: count // 4]
        pairs += _ring(staged, criterion, count // 2 - count // 4)
    return pairs


def _caption_ties(staged: Sequence[_Staged]) -> list[LabelledPair]:
    """Pair two phrasings of the true caption, and clean clips of which each has its own."""
    rephrased = [
        LabelledPair(
            each.original.shown,
            Shown(each.original.key, each.captions[(each.index + 1) % len(each.split.phrasings)]),
            _ALIGNMENT,
            "tie",
            _REPHRASED,
            each.original.group,
        )
        for each in staged
    ]
    decided = (len(SLOTS) + 1) * len(staged)
    return [*rephrased, *_ring(staged, _ALIGNMENT, decided // 2 - len(rephrased))]


def _ring(staged: Sequence[_Staged], criterion: str, wanted: int) -> list[LabelledPair]:
    """Pair every scene with the next alike, then with the one after, until there are enough."""
    fewest = len(staged) // len(_PRESENTATIONS)
    pairs = [
        LabelledPair(
            each.original.shown,
            _partner(staged, each.index, step).original.shown,
            criterion,
            "tie",
            _OTHER_SCENE,
            each.original.group,
        )
        for step in range(1, (fewest + 1) // 2)
        for each in staged
    ]
    return pairs[:wanted]


def _caption_pairs(each: _Staged, staged: Sequence[_Staged]) -> list[LabelledPair]:
    """Set the true caption against one wrong in each slot, and the clip against another's."""
    pairs = [
        LabelledPair(
            each.original.shown,
            Shown(each.original.key, _wrong(each, slot_index)),
            _ALIGNMENT,
            "a",
            f"wrong {slot}",
            each.original.group,
        )
        for slot_index, slot in enumerate(SLOTS)
    ]
    partners = (_partner(staged, each.index, step) for step in range(1, len(staged)))
    other = next((p for p in partners if p.scene.slots != each.scene.slots), None)
    if other is not None:
        pairs.append(
            LabelledPair(
                each.original.shown,
                Shown(other.original.key, each.original.prompt),
                _ALIGNMENT,
                "a",
                _OTHER_SCENE,
                each.original.group,
            )
        )
    return pairs


def _caption_grades(each: _Staged) -> list[LabelledGrade]:
    """Grade the true caption 1, and one wrong caption 0, so that half of the captions are true."""
    wrong = Shown(each.original.key, _wrong(each, each.index % len(SLOTS)))
    return [
        LabelledGrade(shown, _ALIGNMENT, grade, "caption", each.original.key, each.original.group)
        for shown, grade in ((each.original.shown, 1.0), (wrong, 0.0))
    ]


def _static_against_caption(each: _Staged) -> LabelledPair:
    """Every caption says that something moves, so a twin that stands still shows it less."""
    twin = Shown(f"{each.original.key} {STATIC}", each.original.prompt)
    return LabelledPair(each.original.shown, twin, _ALIGNMENT, "a", STATIC, each.original.group)


def _wrong(each: _Staged, slot_index: int) -> str:
    rng = each.split.rng(each.index, 1, slot_index)
    return write_caption(with_wrong(each.scene.slots, SLOTS[slot_index], rng), each.phrasing)
