"""From the probabilities of yes and no to a judgement. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from critic_models.prompts.principles import ANSWERS

MIN_ANSWER_MASS = 0.1


@dataclass(frozen=True)
class Judgement:
    """What a judge said of one principle.

    Attributes:
        principle: its name.
        raw: log-odds of yes against no.
        value: P(yes) among the two; higher is better.
        probabilities: of both answers, summing to one.
        answer_mass: probability of the two answers together, of the whole vocabulary.
        code, reason: why there is no number, where `raw` and `value` are None.
    """

    principle: str
    raw: float | None = None
    value: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    answer_mass: float | None = None
    code: str | None = None
    reason: str | None = None


def no_judgement(
    principle: str, code: str, reason: str, answer_mass: float | None = None
) -> Judgement:
    """Say why a principle has no number."""
    return Judgement(principle, answer_mass=answer_mass, code=code, reason=reason)


def read_judgement(principle: str, log_yes: float, log_no: float) -> Judgement:
    """Read a judgement from natural logarithms of the probabilities of yes and of no.

    Where the judge put too little on the two of them together it did not answer, which is a reason
    and never a "no".
    """
    mass = math.exp(log_yes) + math.exp(log_no)
    # Rounding of the two, each of which is at most one, may take their sum a little above one.
    if not (math.isfinite(log_yes) and math.isfinite(log_no) and mass <= 1.0 + 1e-3):
        return no_judgement(
            principle, "not_finite", "the judge's numbers are not probabilities of two answers"
        )
    mass = min(mass, 1.0)
    if mass < MIN_ANSWER_MASS:
        reason = (
            f"the judge put {mass:.3g} of its probability on {', '.join(ANSWERS)}; at least "
            f"{MIN_ANSWER_MASS:.3g} is needed"
        )
        return no_judgement(principle, "not_answered", reason, mass)
    raw = log_yes - log_no
    yes, no = _sigmoid(raw), _sigmoid(-raw)
    return Judgement(principle, raw, yes, dict(zip(ANSWERS, (yes, no), strict=True)), mass)


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))
