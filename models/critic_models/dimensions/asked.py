"""Dimensions that ask a critic yes/no questions about a clip.

They stand in for published dimensions that need a detector, a captioner or another large model, and
never carry their names: a critic's opinion is another number. All questions about a clip are asked
in one forward; see `critic_models.judging.Judge.ask`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from critic_models.dimensions.dimension import Facts, Reading, no_score, to_score
from critic_models.dimensions.networked import Ask
from critic_models.errors import PromptError
from critic_models.types import DimensionScore, Score

_YES_ABOVE = 0.5


@dataclass(frozen=True, kw_only=True)
class AskedDimension(Facts):
    """A dimension that a critic's answers are read for.

    Attributes:
        questions: what is asked about a clip of which so much is known; raises `PromptError` where
            that does not suffice. The answer yes speaks for the clip.
        compute: what is made of P(yes) of each question; pure.
    """

    questions: Callable[[Ask], tuple[str, ...]]
    compute: Callable[[Sequence[float], Ask], Reading]


def all_yes(chances: Sequence[float]) -> Reading:
    """Compute whether the answer to every question is yes.

    Args:
        chances: P(yes) of each, at least one.

    Returns:
        `raw` 1 or 0; `continuous` the least of them, which is above one half exactly where `raw` is
        1; as the series all of them.
    """
    least = min(chances)
    return Reading(float(least > _YES_ABOVE), None, tuple(chances), continuous=least)


def all_yes_if_first(chances: Sequence[float]) -> Reading:
    """Compute `all_yes` of all questions but the first, which says whether the clip can be judged.

    A clip to which the critic says no at first has no number and counts in no mean. Where there is
    one question it decides.
    """
    first, *others = chances
    if not others:
        return all_yes(chances)
    if first <= _YES_ABOVE:
        reason = (
            f"The critic says no to the first question (P(yes) {first:.3g}), which the others need."
        )
        return Reading(None, None, tuple(chances), reason, weight=None)
    reading = all_yes(others)
    return Reading(reading.raw, None, tuple(chances), continuous=reading.continuous)


def questions_of(
    dimensions: Sequence[AskedDimension], ask: Ask
) -> tuple[dict[str, str], dict[str, str]]:
    """Write down all questions of dimensions.

    Returns:
        The questions by a key of their own, and the reasons of dimensions that cannot be asked, by
        name.
    """
    questions: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for each in dimensions:
        try:
            for index, question in enumerate(each.questions(ask)):
                questions[_key(each, index)] = question
        except PromptError as error:
            reasons[each.name] = error.message
    return questions, reasons


def read_answers(
    dimensions: Sequence[AskedDimension], ask: Ask, answers: Mapping[str, Score], num_frames: int
) -> dict[str, DimensionScore]:
    """Read dimensions off the answers to their questions.

    Args:
        dimensions: all of whose questions were asked.
        ask: what is known of the clip.
        answers: by the keys of `questions_of`; `value` is P(yes), None with a reason where the
            critic did not answer.
        num_frames: frames that the critic saw.
    """
    scores = {}
    for each in dimensions:
        replies = [answers[_key(each, index)] for index in range(len(each.questions(ask)))]
        chances = [reply.value for reply in replies if reply.value is not None]
        if len(chances) < len(replies):
            reason = next(reply.reason for reply in replies if reply.value is None)
            scores[each.name] = no_score(
                each.name, num_frames, reason or "The critic said nothing."
            )
        else:
            scores[each.name] = to_score(each, each.compute(chances, ask), num_frames)
    return scores


def _key(dimension: AskedDimension, index: int) -> str:
    return f"{dimension.name}#{index}"
