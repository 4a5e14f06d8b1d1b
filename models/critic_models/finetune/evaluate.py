"""How good a critic is inside the world: the figures of its card, through the serving path.

Defects: how often a clean clip scores above the same clip with a defect of a severity uniform in
[0.1, 1]; the overall criteria meet every defect of picture or of motion. Captions: how often the
true caption scores above one that is wrong in one slot. A draw, or a clip that the critic did not
answer for, is a failure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.finetune.questions import CRITERION_OF_DEFECT
from critic_models.finetune.scoring import RENDERED, Presentation, raw_scores
from critic_models.judging import Judge
from critic_models.world import (
    DEFECTS,
    SLOTS,
    SPLITS,
    Split,
    apply,
    render,
    sample_scene,
    with_wrong,
    write_caption,
)
from critic_models.world.defects import IMAGING, TEMPORAL, Defect
from critic_models.world.splits import SplitName

BAR: dict[str, float] = {
    **{f"defect/{kind}": 0.80 for kind in DEFECTS},
    "caption/colour": 0.95,
    "caption/shape": 0.70,
    "caption/direction": 0.70,
}
"""The least accuracy of a critic that may be shipped as critic-nano."""

_OVERALL: dict[str, tuple[Defect, ...]] = {
    "visual_quality": IMAGING,
    "temporal_quality": TEMPORAL,
}
_ALIGNMENT = ["text_alignment"]

_Z = 1.959963984540054


@dataclass(frozen=True)
class Accuracy:
    """`correct` of `total`, with the Wilson score interval at 95%."""

    correct: int
    total: int

    def __add__(self, other: Accuracy) -> Accuracy:
        return Accuracy(self.correct + other.correct, self.total + other.total)

    @property
    def share(self) -> float:
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson (1927): the shares from which the observed one is within 1.96 deviations."""
        n, p, z2 = self.total, self.share, _Z * _Z
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        spread = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, centre - spread), min(1.0, centre + spread)


def evaluate(
    judge: Judge, split_name: SplitName, count: int, presentation: Presentation = RENDERED
) -> dict[str, Accuracy]:
    """Measure every figure of the bar, and the overall criteria.

    Args:
        judge: the exported critic.
        split_name: whose seeds, textures, colour values and phrasings.
        count: pairs for each figure of the bar.
        presentation: how clips reach the critic.
    """
    split = SPLITS[split_name]
    scenes = [sample_scene(split.rng(index), split) for index in range(count)]
    clean = [render(scene, presentation.size, presentation.num_frames) for scene in scenes]
    clips = [presentation.clip(judge, frames) for frames in clean]
    nobody = [None] * count
    better = raw_scores(judge, clips, nobody, [*CRITERION_OF_DEFECT.values(), *_OVERALL])
    figures: dict[str, Accuracy] = {}
    overall = {name: Accuracy(0, 0) for name in _OVERALL}
    for kind, criterion in CRITERION_OF_DEFECT.items():
        summary = next(name for name, kinds in _OVERALL.items() if kind in kinds)
        spoiled = [presentation.clip(judge, f) for f in _spoil(split, clean, kind)]
        worse = raw_scores(judge, spoiled, nobody, [criterion, summary])
        figures[f"defect/{kind}"] = _wins(better[criterion], worse[criterion])
        overall[summary] += _wins(better[summary], worse[summary])
    figures |= {f"overall/{name}": accuracy for name, accuracy in overall.items()}

    phrasings = [split.phrasings[i % len(split.phrasings)] for i in range(count)]
    captions = [write_caption(s.slots, p) for s, p in zip(scenes, phrasings, strict=True)]
    true = raw_scores(judge, clips, captions, _ALIGNMENT)[_ALIGNMENT[0]]
    for slot in SLOTS:
        wrong = [
            write_caption(with_wrong(scene.slots, slot, split.rng(index, 1)), phrasing)
            for index, (scene, phrasing) in enumerate(zip(scenes, phrasings, strict=True))
        ]
        false = raw_scores(judge, clips, wrong, _ALIGNMENT)[_ALIGNMENT[0]]
        figures[f"caption/{slot}"] = _wins(true, false)
    return figures


def missed(figures: dict[str, Accuracy]) -> list[str]:
    """Name the figures that are below the bar."""
    return [name for name, least in BAR.items() if figures[name].share < least]


def _spoil(split: Split, clean: Sequence[np.ndarray], kind: Defect) -> list[np.ndarray]:
    spoiled = []
    for index, frames in enumerate(clean):
        rng = split.rng(index, 2, DEFECTS.index(kind))
        spoiled.append(apply(kind, float(rng.uniform(0.1, 1.0)), frames, rng))
    return spoiled


def _wins(better: np.ndarray, worse: np.ndarray) -> Accuracy:
    return Accuracy(int((better > worse).sum()), len(better))
