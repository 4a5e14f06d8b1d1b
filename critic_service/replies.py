"""From the critic's values to the wire's, purely. Every number is finite, or has a reason."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from critic_models import types
from critic_models.errors import CriticError
from critic_models.rewards import Ranking, combine, overall_preference

from critic_service import schemas
from critic_service.errors import reason_of

if TYPE_CHECKING:
    from critic_service.call import Compared, Measured, Scored

FINGERPRINT_ID_CHARACTERS = 16
ACCEPTED_ABOVE = 0.5


def wire_score(score: types.Score) -> schemas.Score:
    """Translate one criterion's score."""
    raw, value = finite(score.raw), finite(score.value)
    code = "not_measured" if score.read_from == "frames" else "not_answered"
    reason = _reason(code, score.reason, raw, value)
    p_yes = probability_of_yes(score) if reason is None else None
    return schemas.Score(
        raw=raw if reason is None else None,
        value=value if reason is None else None,
        read_from=score.read_from,
        probabilities=all_finite(score.probabilities) or {},
        answer_mass=finite(score.answer_mass),
        reason=reason,
        p_yes=p_yes,
        accepted=None if p_yes is None else p_yes > ACCEPTED_ABOVE,
    )


def probability_of_yes(score: types.Score) -> float | None:
    """Return P(yes) of a yes/no criterion, as the critic gave it; None for any other."""
    if score.read_from != "yes_no":
        return None
    # The first word of a yes/no criterion is its yes, however it is spelled.
    return finite(next(iter(score.probabilities.values()), None))


def wire_preference(preference: types.Preference) -> schemas.Preference:
    """Translate one criterion's preference."""
    p_win, p_tie, p_lose = map(finite, (preference.p_win, preference.p_tie, preference.p_lose))
    reason = _reason("not_answered", preference.reason, p_win, p_tie, p_lose)
    return schemas.Preference(
        p_win=p_win if reason is None else None,
        p_tie=p_tie if reason is None else None,
        p_lose=p_lose if reason is None else None,
        preferred=preference.preferred if reason is None else None,
        order_consistency=finite(preference.order_consistency),
        read_from=preference.read_from,
        answer_mass=finite(preference.answer_mass),
        reason=reason,
    )


def dimensions_result(index: int, outcome: Measured | CriticError) -> schemas.DimensionsResult:
    """Translate what came of measuring one clip."""
    if isinstance(outcome, CriticError):
        return schemas.DimensionsResult(
            index=index, clip_id=None, dimensions={}, reason=reason_of(outcome)
        )
    return schemas.DimensionsResult(
        index=index,
        clip_id=outcome.clip_id,
        dimensions={name: wire_dimension(each) for name, each in outcome.dimensions.items()},
    )


def wire_dimension(score: types.DimensionScore) -> schemas.Dimension:
    """Translate one dimension's measurement."""
    raw = finite(score.raw)
    series = score.per_frame
    return schemas.Dimension(
        raw=raw,
        value=finite(score.value),
        per_frame=list(series) if series is not None and all(map(math.isfinite, series)) else None,
        num_frames=score.num_frames,
        reason=_reason("not_measured", score.reason, raw),
        continuous=finite(score.continuous),
    )


def score_result(
    index: int,
    outcome: Scored | CriticError,
    weights: Mapping[str, float],
) -> schemas.ScoreResult:
    """Translate what came of one clip, with its reward."""
    if isinstance(outcome, CriticError):
        return schemas.ScoreResult(
            index=index, clip_id=None, scores={}, reward=None, reason=reason_of(outcome)
        )
    reward, reason = reward_of(outcome.scores, weights)
    return schemas.ScoreResult(
        index=index,
        clip_id=outcome.clip_id,
        scores={name: wire_score(score) for name, score in outcome.scores.items()},
        reward=reward,
        reason=reason,
        dimensions={name: wire_dimension(each) for name, each in outcome.dimensions.items()},
    )


def rank_result(scored: schemas.ScoreResult, ranking: Ranking) -> schemas.RankResult:
    """Add its place in the group to what came of one clip."""
    return schemas.RankResult(
        **dict(scored),
        rank=ranking.ranks[scored.index],
        advantage=finite(ranking.advantages[scored.index]),
    )


def compare_result(index: int, outcome: Compared | CriticError) -> schemas.CompareResult:
    """Translate what came of one pair."""
    if isinstance(outcome, CriticError):
        return schemas.CompareResult(
            index=index,
            clip_id_a=None,
            clip_id_b=None,
            preferences={},
            preferred=None,
            reason=reason_of(outcome),
        )
    preferences = {name: wire_preference(each) for name, each in outcome.preferences.items()}
    lacking = [name for name, each in preferences.items() if each.reason is not None]
    reason = None
    if lacking:
        message = f"no side is preferred over all: {', '.join(lacking)} could not be judged"
        reason = schemas.Reason(code="no_preference", message=message)
    return schemas.CompareResult(
        index=index,
        clip_id_a=outcome.clip_id_a,
        clip_id_b=outcome.clip_id_b,
        preferences=preferences,
        preferred=None if lacking else overall_preference(outcome.preferences),
        reason=reason,
    )


def reward_of(
    scores: Mapping[str, types.Score], weights: Mapping[str, float]
) -> tuple[float | None, schemas.Reason | None]:
    """Combine a clip's scores, or say why they have no reward."""
    reward = finite(combine(scores, weights))
    if reward is not None:
        return reward, None
    needed = [name for name, weight in weights.items() if weight > 0]
    unasked = [name for name in needed if name not in scores]
    if not needed:
        message = "the critic has no reward of its own; give `reward`"
    elif unasked:
        message = (
            f"the reward needs {', '.join(unasked)}; name them in `criteria`, or give `reward`"
        )
    else:
        lacking = [name for name in needed if finite(scores[name].value) is None]
        message = f"the reward needs {', '.join(lacking)}, which could not be judged"
    return None, schemas.Reason(code="no_reward", message=message)


def wire_fingerprint(fingerprint: types.Fingerprint) -> schemas.Fingerprint:
    """Translate a fingerprint and name it by the hash of its canonical JSON."""
    facts = asdict(fingerprint)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return schemas.Fingerprint(id=digest[:FINGERPRINT_ID_CHARACTERS], **facts)


def all_failed(outcomes: Sequence[object]) -> CriticError | None:
    """Return the error of a call none of whose items has a result, or None.

    It is the first item's error, unless some item failed without a fault of the input: then again
    may help, and the caller should know. Its details list every item's reason.
    """
    errors = [each for each in outcomes if isinstance(each, CriticError)]
    if len(errors) < len(outcomes):
        return None
    # A copy, because an engine's error may be shared with the items of other calls.
    chosen = copy.copy(next((each for each in errors if each.retryable), errors[0]))
    items = [{"index": index, **reason_of(each).model_dump()} for index, each in enumerate(errors)]
    chosen.details = {**chosen.details, "items": items}
    return chosen


def finite(number: float | None) -> float | None:
    """Return the number, or None where JSON has no word for it."""
    return number if number is not None and math.isfinite(number) else None


def all_finite(numbers: Mapping[str, float]) -> dict[str, float] | None:
    """Return a copy of the mapping, or None where one of its numbers is not finite."""
    return dict(numbers) if all(map(math.isfinite, numbers.values())) else None


def _reason(code: str, given: str | None, *needed: float | None) -> schemas.Reason | None:
    if given is not None:
        return schemas.Reason(code=code, message=given)
    if None in needed:
        return schemas.Reason(code="not_finite", message="the result is not a finite number")
    return None
