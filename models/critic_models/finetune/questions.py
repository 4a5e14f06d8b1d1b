"""What training asks of a clip, and the answers that the world knows to be right.

A right answer is a distribution over answer words: a half-blurred clip is half a "yes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.vlm.criteria import NANO_CRITERIA, Criterion
from critic_models.vlm.prompts import pointwise_question
from critic_models.world import PARTIAL_PHRASINGS, Facts, Split, Take, punctuate
from critic_models.world.captions import contrasted_slots, sample_caption, sample_contrast
from critic_models.world.catalogue import ACTIONS

CRITERIA = {criterion.name: criterion for criterion in NANO_CRITERIA}
QUALITY = tuple(name for name, criterion in CRITERIA.items() if not criterion.needs_prompt)
ALIGNMENT = "text_alignment"

OPEN_QUESTIONS: dict[str, str] = {
    "object": "What is the object?",
    "colour": "What colour is the object?",
    "direction": "Where does the object move?",
    "relation": "Where is the object?",
    "action": "What happens?",
    "scene": "What place is it?",
}
PAIRWISE_QUESTION = "Which video is better in {aspect}? A, B or tie."

ACTION_WORDS: dict[str, str] = {name: name.partition("_")[0] for name in ACTIONS}
RELATION_WORDS: dict[str, str] = {
    "left of": "left",
    "right of": "right",
    "above": "above",
    "below": "below",
    "on": "on",
    "under": "under",
    "behind": "behind",
    "in front of": "front",
}
"""How an open question is answered with one word."""

_PARTIAL_SHARE = 0.35


@dataclass(frozen=True)
class Question:
    """A question and the probability of each right answer.

    Attributes:
        text: as asked.
        answers: share of each answer word; none where the world does not know, and then the
            question is asked and not counted.
        topic: for weights and for the log.
        poles: answers whose log-odds rank clips, the better one first.
    """

    text: str
    answers: Mapping[str, float]
    topic: str
    poles: tuple[str, str] = ("yes", "no")


def strength(damage: float) -> float:
    """Map a damage to the share of `no` in the answer to "is it free of this defect?".

    A concave curve: the step from none to a little is worth more than the one from much to more.
    """
    return float(damage) ** 0.6


def quality_question(take: Take, name: str) -> Question:
    """Ask for one criterion that needs no caption."""
    criterion = CRITERIA[name]
    poles = (criterion.answers[0], criterion.answers[-1])
    poles = poles if criterion.read_from == "yes_no" else (poles[1], poles[0])
    known = name in take.clear_criteria
    answers = quality_answer(criterion, take.damage(name)) if known else {}
    return Question(criterion.question, answers, name, poles)


def quality_answer(criterion: Criterion, damage: float) -> dict[str, float]:
    """Write a damage as shares of a criterion's answers."""
    no = strength(damage)
    if criterion.read_from == "yes_no":
        return {"yes": 1.0 - no, "no": no}
    return spread_grade(1.0 - no, criterion.answers)


def spread_grade(quality: float, answers: tuple[str, ...]) -> dict[str, float]:
    """Write a quality in [0, 1] as a distribution over ordered grades with that mean.

    Only the two grades nearest to it have weight.
    """
    at = quality * (len(answers) - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(at - np.arange(len(answers))))
    return {word: float(w) for word, w in zip(answers, weights, strict=True)}


def open_questions(facts: Facts, slots: Sequence[str]) -> list[Question]:
    """Ask for the value of some slots."""
    asked = []
    for slot in slots:
        value: str | None = getattr(facts, slot)
        word = {"action": ACTION_WORDS, "relation": RELATION_WORDS}.get(slot, {}).get(
            value or "", value
        )
        asked.append(Question(OPEN_QUESTIONS[slot], {word: 1.0} if word else {}, f"open_{slot}"))
    return asked


def contrast_questions(facts: Facts, split: Split, rng: np.random.Generator) -> list[Question]:
    """Ask of a true caption, and of the same wrong in one slot; both uncounted if there is none."""
    phrasings = PARTIAL_PHRASINGS if rng.random() < _PARTIAL_SHARE else split.phrasings
    slots = contrasted_slots(facts, phrasings) or contrasted_slots(facts, split.phrasings)
    if not slots:
        return [_unknown_caption()] * 2
    slot = slots[int(rng.integers(len(slots)))]
    phrasings = phrasings if slot in contrasted_slots(facts, phrasings) else split.phrasings
    true, wrong = sample_contrast(facts, slot, phrasings, rng)
    return [
        caption_question(punctuate(true, rng), True, f"true_{slot}"),
        caption_question(punctuate(wrong, rng), False, f"wrong_{slot}"),
    ]


def true_question(facts: Facts, split: Split, rng: np.random.Generator) -> Question:
    """Ask of a true caption."""
    try:
        caption = sample_caption(facts, split.phrasings, rng)
    except ValueError:
        return _unknown_caption()
    return caption_question(punctuate(caption, rng), True, "true")


def caption_question(caption: str, true: bool, topic: str) -> Question:
    """Ask whether a caption is true."""
    text = pointwise_question(CRITERIA[ALIGNMENT], caption)
    return Question(text, {"yes": 1.0} if true else {"no": 1.0}, topic)


def _unknown_caption() -> Question:
    text = pointwise_question(CRITERIA[ALIGNMENT], "something")
    return Question(text, {}, "caption_unknown")
