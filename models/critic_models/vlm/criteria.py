"""What a critic can be asked: criteria, their questions and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AnswerKind = Literal["yes_no", "graded"]

PROMPT_SLOT = "{prompt}"
ASPECT_SLOT = "{aspect}"

YES_NO_ANSWERS = ("yes", "no")
PAIRWISE_ANSWERS = ("A", "B", "tie")


@dataclass(frozen=True)
class Criterion:
    """One named aspect, phrased so that a better clip has the higher score.

    Attributes:
        name: as on the wire.
        read_from: `yes_no` reads log-odds of the first answer against the second; `graded` reads
            the expected grade, the answers being ordered from worst to best.
        question: asked of one clip; contains `{prompt}` where the clip is judged against it.
        aspect: what the pairwise question names, as in "Which video is better in {aspect}?".
        answers: words that the critic answers with; one token each.
        default: whether it is judged when the caller names no criteria.
    """

    name: str
    read_from: AnswerKind
    question: str
    aspect: str
    answers: tuple[str, ...]
    default: bool = False

    @property
    def needs_prompt(self) -> bool:
        return PROMPT_SLOT in self.question


def _yes_no(name: str, question: str, aspect: str, *, default: bool = False) -> Criterion:
    return Criterion(name, "yes_no", question, aspect, YES_NO_ANSWERS, default)


def _graded(name: str, question: str, aspect: str, *, default: bool = False) -> Criterion:
    return Criterion(name, "graded", question, aspect, ("bad", "normal", "good"), default)


NANO_CRITERIA = (
    _yes_no(
        "text_alignment",
        f'Does the video show "{PROMPT_SLOT}"?',
        f'showing "{PROMPT_SLOT}"',
        default=True,
    ),
    _graded("visual_quality", "How good is the picture?", "picture", default=True),
    _graded("temporal_quality", "How good is the motion?", "motion", default=True),
    _yes_no("sharpness", "Is the video sharp?", "sharpness", default=True),
    _yes_no("cleanness", "Is the video free of noise?", "noise", default=True),
    _yes_no("compression_quality", "Is the video free of blocks?", "blocks"),
    _yes_no("tonal_smoothness", "Is the video free of bands?", "bands"),
    _yes_no("exposure", "Is the exposure right?", "exposure", default=True),
    _yes_no("steadiness", "Is the camera steady?", "steadiness"),
    _yes_no("exposure_stability", "Is the exposure stable?", "stable exposure", default=True),
    _yes_no("frame_clarity", "Is the video free of ghosts?", "ghosts"),
    _yes_no("frame_order", "Are the frames in order?", "order"),
    _yes_no("motion_continuity", "Is the motion free of freezes?", "freezes"),
    _yes_no("subject_consistency", "Do the objects stay the same?", "objects"),
    _yes_no("background_consistency", "Does the background stay the same?", "background"),
    _yes_no("motion_presence", "Does anything move?", "moving"),
    _yes_no("motion_naturalness", "Is the motion natural?", "natural motion"),
    _yes_no("physical_plausibility", "Does physics hold?", "physics"),
)
"""The criteria of critic-nano; short, because every question is paid in tokens."""

_SINGLE_WORD = "Answer yes or no with a single word."
_GRADE = "Answer Good, Normal or Bad with a single word."


def _judge_yes_no(name: str, question: str, aspect: str) -> Criterion:
    return Criterion(name, "yes_no", f"{question} {_SINGLE_WORD}", aspect, ("Yes", "No"))


def free_question(name: str, question: str, like: Criterion) -> Criterion:
    """Return a yes/no criterion that asks what a caller wants to know of a clip.

    Args:
        name: of the criterion.
        question: where yes speaks for the clip.
        like: a yes/no criterion of the critic, whose answers are used, and its instruction.
    """
    asked = f"{question} {_SINGLE_WORD}" if like.question.endswith(_SINGLE_WORD) else question
    return Criterion(name, "yes_no", asked, question, like.answers)


def _judge_graded(name: str, question: str, aspect: str) -> Criterion:
    answers = ("Bad", "Normal", "Good")
    return Criterion(name, "graded", f"{question} {_GRADE}", aspect, answers, default=True)


ZERO_SHOT_CRITERIA = (
    Criterion(
        "text_alignment",
        "yes_no",
        f'Does this video show exactly what the caption "{PROMPT_SLOT}" describes? {_SINGLE_WORD}',
        f'matching the caption "{PROMPT_SLOT}"',
        ("Yes", "No"),
        default=True,
    ),
    _judge_graded(
        "visual_quality",
        "Judge the quality of the picture in this video: clarity, detail, freedom from artefacts.",
        "visual quality",
    ),
    _judge_graded(
        "temporal_quality",
        "Judge the motion in this video: smooth, steady, free of flicker and of sudden changes.",
        "quality of motion",
    ),
    _judge_yes_no("sharpness", "Is this video sharp and in focus?", "sharpness"),
    _judge_yes_no("cleanness", "Is this video free of visible noise?", "freedom from noise"),
    _judge_yes_no(
        "compression_quality",
        "Is this video free of blocking and other compression artefacts?",
        "freedom from compression artefacts",
    ),
    _judge_yes_no(
        "exposure_stability",
        "Does the brightness of this video stay stable, without flicker?",
        "stability of exposure",
    ),
    _judge_yes_no("steadiness", "Is the camera in this video free of jitter?", "steadiness"),
    _judge_yes_no(
        "motion_continuity",
        "Does this video play without frozen, dropped or repeated frames?",
        "continuity of motion",
    ),
    _judge_yes_no(
        "identity_consistency",
        "Does every object in this video keep its identity, shape and colour over time?",
        "consistency of objects over time",
    ),
    _judge_yes_no(
        "physical_plausibility",
        "Does everything in this video move and interact as physics would have it?",
        "physical plausibility",
    ),
)
"""The criteria of a general vision-language model used as a judge without training."""
