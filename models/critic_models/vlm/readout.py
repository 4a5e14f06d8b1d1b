"""From logits at the answer position to scores and preferences. Pure, fp64 on the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.types import Preference, Score, Side
from critic_models.vlm.criteria import Criterion
from critic_models.vlm.spec import Platt


@dataclass(frozen=True)
class Answer:
    """What the critic said to one question.

    Attributes:
        criterion: name of the criterion that was asked.
        words: the possible answers, as in the question.
        logits: fp32 logit of each.
        log_normalizer: log-sum-exp over the whole vocabulary.
    """

    criterion: str
    words: tuple[str, ...]
    logits: tuple[float, ...]
    log_normalizer: float

    @property
    def answer_mass(self) -> float:
        """Probability of all answer words together, of the whole vocabulary; at most 1."""
        return min(1.0, math.exp(_logsumexp(self.logits) - self.log_normalizer))

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of each answer among the answers, float64 `[A]`."""
        logits = np.asarray(self.logits, dtype=np.float64)
        weights = np.exp(logits - logits.max())
        return weights / weights.sum()


def read_score(
    answer: Answer, criterion: Criterion, platt: Platt | None, min_answer_mass: float
) -> Score:
    """Read one criterion's score.

    `yes_no`: raw is the log-odds of the first answer against the second. `graded`: raw is the
    expected grade, grades equally spaced on [0, 1] from the worst to the best answer. `value` is
    the calibrated score; without a calibration it is P(yes), or the expected grade itself.
    """
    probabilities = answer.probabilities
    named = dict(zip(answer.words, probabilities.tolist(), strict=True))
    mass = answer.answer_mass
    if not math.isfinite(mass) or mass < min_answer_mass:
        reason = _not_answered(answer.words, mass, min_answer_mass)
        mass_or_none = mass if math.isfinite(mass) else None
        return Score(criterion.name, None, None, criterion.read_from, {}, mass_or_none, reason)
    if criterion.read_from == "yes_no":
        raw = float(answer.logits[0]) - float(answer.logits[1])
        value = (platt or Platt())(raw)
    else:
        raw = float(probabilities @ np.linspace(0.0, 1.0, len(probabilities)))
        value = platt(raw) if platt else raw
    return Score(criterion.name, raw, value, criterion.read_from, named, mass)


def read_preference(a_first: Answer, b_first: Answer, min_answer_mass: float) -> Preference:
    """Average the pairwise answers of both presentation orders.

    `a_first` answers for (A, B), `b_first` for (B, A). Exchanging the two clips exchanges the two
    answers, and with them `p_win` and `p_lose`, exactly.
    """
    mass = min(a_first.answer_mass, b_first.answer_mass)
    if not math.isfinite(mass) or mass < min_answer_mass:
        reason = _not_answered(a_first.words, mass, min_answer_mass)
        return Preference(
            a_first.criterion,
            None,
            None,
            None,
            None,
            None,
            "pairwise",
            mass if math.isfinite(mass) else None,
            reason,
        )
    forward = a_first.probabilities
    second_wins, first_wins, tie = b_first.probabilities
    backward = np.asarray([first_wins, second_wins, tie])
    win, lose, tie = ((forward + backward) / 2).tolist()
    consistency = 1.0 - 0.5 * float(np.abs(forward - backward).sum())
    return Preference(
        a_first.criterion,
        win,
        tie,
        lose,
        preferred_side(win, tie, lose),
        consistency,
        "pairwise",
        mass,
    )


def preference_from_scores(
    a: Score, b: Score, platt: Platt | None, tie_margin: float
) -> Preference:
    """Read a preference from two pointwise scores by Bradley–Terry with ties.

    Rao and Kupper (1967): with `d` the difference of calibrated log-odds and `m` the tie margin,
    P(A) = sigmoid(d - m), P(B) = sigmoid(-d - m), and the rest is a tie.
    """
    if a.value is None or b.value is None:
        reason = a.reason or b.reason
        return Preference(a.criterion, None, None, None, None, None, "scores", None, reason)
    difference = _log_odds(a, platt) - _log_odds(b, platt)
    win, lose = _sigmoid(difference - tie_margin), _sigmoid(-difference - tie_margin)
    tie = max(0.0, 1.0 - win - lose)
    masses = [m for m in (a.answer_mass, b.answer_mass) if m is not None]
    return Preference(
        a.criterion,
        win,
        tie,
        lose,
        preferred_side(win, tie, lose),
        None,
        "scores",
        min(masses, default=None),
    )


def preferred_side(win: float, tie: float, lose: float) -> Side:
    """Name the most probable outcome; an exact draw between win and lose is a tie."""
    if win > max(tie, lose):
        return "a"
    if lose > max(tie, win):
        return "b"
    return "tie"


def _log_odds(score: Score, platt: Platt | None) -> float:
    if score.raw is not None and (platt is not None or score.read_from == "yes_no"):
        p = platt or Platt()
        return p.scale * score.raw + p.shift
    value = min(max(float(score.value or 0.0), 1e-6), 1.0 - 1e-6)
    return math.log(value) - math.log1p(-value)


def _not_answered(words: Sequence[str], mass: float, least: float) -> str:
    return (
        f"the critic put {mass:.3g} of its probability on {', '.join(words)}; "
        f"at least {least:.3g} is needed"
    )


def _logsumexp(logits: Sequence[float]) -> float:
    top = max(logits)
    return top + math.log(sum(math.exp(x - top) for x in logits))


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
