"""What training asks of a clip, and the answers that the world knows to be right.

A right answer is a distribution over answer words: a half-blurred clip is half a "yes".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from critic_models.finetune.heads import strength
from critic_models.vlm.criteria import NANO_CRITERIA, Criterion
from critic_models.vlm.prompts import pointwise_question
from critic_models.world import SLOTS, Scene, Split, with_wrong, write_caption
from critic_models.world.captions import PARTIAL_PHRASINGS, Slot, punctuate
from critic_models.world.defects import IMAGING, TEMPORAL, Defect

CRITERION_OF_DEFECT: dict[Defect, str] = {
    "blur": "sharpness",
    "noise": "cleanness",
    "blocking": "compression_quality",
    "flicker": "exposure_stability",
    "jitter": "steadiness",
    "freeze": "motion_continuity",
}
_DEFECT_OF_CRITERION = {name: defect for defect, name in CRITERION_OF_DEFECT.items()}
CRITERIA = {criterion.name: criterion for criterion in NANO_CRITERIA}

OPEN_QUESTIONS: dict[Slot, str] = {
    "colour": "What colour is the object?",
    "shape": "What shape is the object?",
    "direction": "Where does the object move?",
}
PAIRWISE_QUESTION = "Which video is better in {aspect}? A, B or tie."


@dataclass(frozen=True)
class Question:
    """A question and the probability of each right answer."""

    text: str
    answers: Mapping[str, float]
    topic: str


def quality_questions(severities: Mapping[Defect, float]) -> list[Question]:
    """Ask every criterion that needs no caption; always the same texts in the same order."""
    return [
        Question(c.question, _quality_answer(c, severities), c.name)
        for c in NANO_CRITERIA
        if not c.needs_prompt
    ]


def open_questions(scene: Scene) -> list[Question]:
    """Ask for the value of every slot."""
    return [
        Question(text, {scene.slots[slot]: 1.0}, f"open_{slot}")
        for slot, text in OPEN_QUESTIONS.items()
    ]


def caption_questions(
    scene: Scene, split: Split, rng: np.random.Generator, full: int, partial: int
) -> list[Question]:
    """Ask whether captions are true: full ones right and wrong in each slot, and partial ones.

    Args:
        full: rounds of one true caption and one wrong in each slot.
        partial: pairs of a true and a wrong caption that says less, for random slots.
    """
    questions = []
    for _ in range(full):
        phrasing = str(rng.choice(split.phrasings))
        true = punctuate(write_caption(scene.slots, phrasing), rng)
        questions.append(_asks(true, True, "caption_true"))
        for slot in SLOTS:
            wrong = with_wrong(scene.slots, slot, rng)
            phrasing = str(rng.choice(split.phrasings))
            caption = punctuate(write_caption(wrong, phrasing), rng)
            questions.append(_asks(caption, False, f"caption_{slot}"))
    for _ in range(partial):
        slot = SLOTS[int(rng.integers(len(SLOTS)))]
        phrasing = str(rng.choice(PARTIAL_PHRASINGS[slot]))
        wrong = with_wrong(scene.slots, slot, rng)
        true = punctuate(write_caption(scene.slots, phrasing), rng)
        questions.append(_asks(true, True, "partial_true"))
        caption = punctuate(write_caption(wrong, phrasing), rng)
        questions.append(_asks(caption, False, "partial_wrong"))
    return questions


def _asks(caption: str, true: bool, topic: str) -> Question:
    text = pointwise_question(CRITERIA["text_alignment"], caption)
    return Question(text, {"yes": 1.0} if true else {"no": 1.0}, topic)


def _quality_answer(
    criterion: Criterion, severities: Mapping[Defect, float]
) -> Mapping[str, float]:
    if criterion.name in _DEFECT_OF_CRITERION:
        no = strength(severities[_DEFECT_OF_CRITERION[criterion.name]])
        return {"yes": 1.0 - no, "no": no}
    kinds = IMAGING if criterion.name == "visual_quality" else TEMPORAL
    return spread_grade(1.0 - overall_strength([severities[k] for k in kinds]), criterion.answers)


def overall_strength(severities: list[float]) -> float:
    """Combine defects as independent chances to spoil a clip: 1 - prod(1 - strength)."""
    return 1.0 - float(np.prod([1.0 - strength(s) for s in severities]))


def spread_grade(quality: float, answers: tuple[str, ...]) -> dict[str, float]:
    """Write a quality in [0, 1] as a distribution over ordered grades with that mean.

    Only the two grades nearest to it have weight.
    """
    at = quality * (len(answers) - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(at - np.arange(len(answers))))
    return {word: float(w) for word, w in zip(answers, weights, strict=True)}
