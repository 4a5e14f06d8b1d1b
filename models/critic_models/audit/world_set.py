"""The built-in labelled set: held-out shots of the rendered world, whose truth is known.

Half of the shots reach the critic as frames in memory, half as H.264 files at twice the size, so
that both ways of serving are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from critic_models.audit.labelled import STATIC, Change, LabelledPair, LabelledSet
from critic_models.audit.labelling import ALIGNMENT, LadderLabels, label_ladder, open_effects
from critic_models.audit.world_captions import (
    caption_grades,
    caption_pairs,
    caption_paraphrases,
    caption_twins,
)
from critic_models.audit.world_grades import grade_alone
from critic_models.audit.world_shots import (
    ENCODED,
    RENDERED,
    Filmed,
    Staged,
    damage,
    film_several,
    stage_ladders,
)
from critic_models.audit.world_ties import choose_ties, repeat_ladders
from critic_models.world import DEFECTS, MOTION_CRITERIA, SPLITS
from critic_models.world.splits import SplitName

_PAIRS_OF_A_LADDER = 3
_PAIRS_OF_TWINS = 4
_LEAST_GROUPS = 2

_DESCRIPTION = """\
Shots of the rendered world's {split} split; training never shows the seeds, backdrops, shapes,
patterns, colour values and phrasings of the test split. Half are frames in memory ({rendered}),
half files ({encoded}). Every one of {defects} defects has {ladders} ladders of a clean clip and two
severities in [0.1, 1]; a lesser severity is better than a greater one, the grade is 1 minus the
severity. Every slot of a caption has {twins} pairs of clips that differ in it: the true caption is
better than one that is wrong in the slot, and than the same beside the other clip. {static} clips
stand still and are worse than those that move. A third of the labels are ties: the same severity
with other random numbers, a defect that is none of the criterion's business, two clean clips, two
captions that are true. About half of the graded clips are as good as can be in the criterion."""


def world_set(num_pairs: int, split_name: SplitName = "test") -> LabelledSet:
    """Make the set.

    Args:
        num_pairs: of which one clip is better, for every defect and for every slot of a caption,
            in about; at least 2. The number of clips is proportional to it.
        split_name: whose shots; those of `val` look like those of training.

    Raises:
        ValueError: for fewer.
    """
    if num_pairs < 2:
        raise ValueError(f"at least 2 pairs are needed, found {num_pairs}")
    split = SPLITS[split_name]
    num_ladders = _groups_for(num_pairs, _PAIRS_OF_A_LADDER)
    staged = stage_ladders(split, num_ladders)
    several = film_several(split, 2 * num_ladders)
    twins = caption_twins(split, _groups_for(num_pairs, _PAIRS_OF_TWINS))
    labels = [_label(each, defect) for each in staged for defect in each.ladders]
    pairs = [pair for each in labels for pair in each.pairs]
    ladder_grades = [grade for each in labels for grade in each.grades]
    changes = [change for each in labels for change in each.changes]
    repeated, equally_severe = repeat_ladders(split, staged)
    moving = [each for each in staged if each.clean.take.shot.moves][:num_pairs]
    static = [each.static_twin() for each in moving]
    static_changes, static_pairs = _label_static(moving, static)
    clips = [clip for each in staged for clip in (each.clean, *each.rungs)]
    clips += [*repeated, *static, *several, *(each.clip for t in twins for each in t.both)]
    return LabelledSet(
        name="world",
        description=_DESCRIPTION.format(
            split=split_name,
            rendered=RENDERED.name,
            encoded=ENCODED.name,
            defects=len(DEFECTS),
            ladders=num_ladders,
            twins=len(twins) // len({each.slot for each in twins}),
            static=len(static),
        ).replace("\n", " "),
        sources={clip.key: clip.open for clip in clips},
        pairs=(*pairs, *choose_ties(staged, pairs, equally_severe), *caption_pairs(twins)),
        grades=(
            *ladder_grades,
            *grade_alone(staged, several, ladder_grades),
            *caption_grades(twins),
        ),
        grades_are_absolute=True,
        changes=(*changes, *static_changes),
        static_pairs=tuple(static_pairs),
        paraphrases=tuple(caption_paraphrases(twins)),
        parts={clip.group: clip.presentation.name for clip in clips},
        open_effects=open_effects((*DEFECTS, STATIC)),
    )


def _groups_for(num_pairs: int, pairs_of_a_group: int) -> int:
    return max(_LEAST_GROUPS, -(-num_pairs // pairs_of_a_group))


def _label(each: Staged, defect: str) -> LadderLabels:
    clean, rungs = each.clean, each.ladders[defect]
    steps = [(clean.shown, 0.0), *((rung.shown, rung.take.severity(defect)) for rung in rungs)]
    labels = label_ladder(defect, steps, f"{clean.group} {defect}", clean.group)
    # Jitter makes a clip at rest worse, but how good its motion was before nobody can say.
    clear = tuple(g for g in labels.grades if damage(clean, g.criterion) is not None)
    return replace(labels, grades=clear)


def _label_static(
    moving: Sequence[Staged], static: Sequence[Filmed]
) -> tuple[list[Change], list[LabelledPair]]:
    """A twin that stands still is worse in motion, and does not show what its caption says."""
    changes, pairs = [], []
    for each, twin in zip(moving, static, strict=True):
        before, after, group = each.clean.shown, twin.shown, twin.group
        changes.append(Change(STATIC, before, after, 1.0, group))
        pairs += [
            LabelledPair(before, after, criterion, "a", STATIC, group)
            for criterion in (*MOTION_CRITERIA, ALIGNMENT)
        ]
    return changes, pairs
