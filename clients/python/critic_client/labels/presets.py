"""The label rules of published systems, under their names and with their numbers.

Where a source leaves a number open, the choice made here is written beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from . import pairs, signs, weights
from .checklist import Checklist, Level
from .pairs import Comparison
from .rows import Pair, Reject, Sample, Signed, Weighted, by_prompt, split_judged

LIFT_CRITERIA = ("semantic consistency", "motion smoothness", "video fidelity")
MPO_MARGINS: dict[Level, float] = {"dimension": 0.6, "subdimension": 0.5, "question": 0.4}
VPO_MARGIN = 0.5


@dataclass(frozen=True)
class Labels:
    """What a rule made of samples: rows of some kinds, and what became no label."""

    pairs: tuple[Pair, ...] = ()
    signed: tuple[Signed, ...] = ()
    weighted: tuple[Weighted, ...] = ()
    rejects: tuple[Reject, ...] = ()


def ipo(samples: Sequence[Sample], criterion: str | None = None) -> Labels:
    """IPO (arXiv 2502.02088): best over worst of each prompt for DPO, grades as signs for KTO.

    Good is desirable and bad is not. What the paper does with normal is not published; here it is
    left out. Without a `criterion` there are no grades, and no signs.
    """
    judged, rejects = split_judged(samples)
    found, empty = _pairs_by_prompt(judged, pairs.best_and_worst)
    graded = [s for s in samples if criterion and s.grades.get(criterion)]
    signed = signs.from_grades(graded, criterion) if criterion else []
    return Labels(pairs=found, signed=tuple(signed), rejects=(*rejects, *empty))


def dual_ipo(comparisons: Sequence[Comparison], least_certainty: float = 0.5) -> Labels:
    """Dual-IPO (arXiv 2502.02088 v4): a pair counts as much as its preference is certain.

    Pairs whose preferred side has no more than one half are left out, and the rest weigh their
    certainty (the paper's SRPO loss). The paper's certainty comes from the likelihood ratio of its
    own critic; here it is the critic's probability of the preferred side.
    """
    found, rejects = [], []
    for each in comparisons:
        made = pairs.from_comparisons([each], least_certainty=least_certainty)
        found += [replace(p, weight=max(each.p_win, each.p_lose), rule="dual-ipo") for p in made]
        if not made:
            why = f"no side has a probability above {least_certainty:g}"
            clips = (each.a.clip, each.b.clip)
            rejects.append(Reject(each.a.prompt, clips, why, each.a.origin))
    return Labels(pairs=tuple(found), rejects=tuple(rejects))


def vpo(samples: Sequence[Sample], checklist: Checklist) -> Labels:
    """VPO (arXiv 2503.20491): for each query the first pair that dominates on every question.

    The sum of the checklist must differ by more than 0.5 (0.03448 on the scale `mean` of
    VisionReward's 29 questions). A sample is one optimised prompt of a query: `prompt` holds the
    query, a column the optimised prompt.
    """
    rule = _dominating(checklist, "question", VPO_MARGIN, "first")
    return _answered(samples, checklist, rule)


def visionreward_mpo(
    samples: Sequence[Sample], checklist: Checklist, level: Level = "dimension"
) -> Labels:
    """VisionReward (arXiv 2412.21059): multi-objective preference pairs.

    The chosen clip is nowhere worse at the level of comparison, and its sum is higher by 0.6
    (dimension), 0.5 (sub-dimension) or 0.4 (question). How many pairs a prompt may give is not
    published; here it is the one of the largest margin.
    """
    rule = _dominating(checklist, level, MPO_MARGINS[level], "largest")
    return _answered(samples, checklist, rule)


def lift(
    samples: Sequence[Sample],
    criteria: Sequence[str] = LIFT_CRITERIA,
    method: Literal["weights", "rejection"] = "weights",
) -> Labels:
    """LiFT (arXiv 2412.04814): the mean of good .9, normal .2, bad .05, or only what is all good.

    A clip of which any grade is missing is no label (the released parser reads it as good).
    """
    complete, rejects = [], []
    for sample in samples:
        try:
            for name in criteria:
                signs.grade_of(sample, name)
            complete.append(sample)
        except ValueError as error:
            rejects.append(Reject(sample.prompt, (sample.clip,), str(error), sample.origin))
    make = weights.by_grades if method == "weights" else weights.all_good
    return Labels(weighted=tuple(make(complete, criteria)), rejects=tuple(rejects))


def ai_feedback(
    samples: Sequence[Sample],
    *,
    binary: bool = True,
    scale: float = 1.0,
    shift: float = 0.0,
    most_pairs: int | None = None,
) -> Labels:
    """Furuta et al. (arXiv 2412.02617): accept or reject for RWR and DPO, or a metric reward.

    With `binary` the reward is P(accept); above one half it becomes 1, else 0, the weight is this
    reward, and accepted clips are preferred to rejected ones of the same prompt (how the paper
    pairs them is not published). Otherwise the reward is a metric, the weight is
    `scale · r + shift`, and all pairs of different rewards are made.
    """
    judged, rejects = split_judged(samples)
    if not binary:
        found, empty = _pairs_by_prompt(judged, pairs.all_above_margin, most_pairs)
        weighted = weights.by_reward(judged, scale, shift)
        return Labels(pairs=found, weighted=tuple(weighted), rejects=(*rejects, *empty))
    hard = [s.with_reward(float((s.reward or 0.0) > 0.5)) for s in judged]
    found, empty = _pairs_by_prompt(
        hard, lambda group: pairs.accepted_over_rejected(group, lambda s: s.reward == 1.0)
    )
    weighted = weights.by_reward(hard)
    return Labels(pairs=found, weighted=tuple(weighted), rejects=(*rejects, *empty))


def merge_text_and_video(text: Sequence[Pair], video: Sequence[Pair]) -> list[Pair]:
    """Merge pairs by VPO's rule: of each query the first pair is kept, and text comes before video.

    A text-level pair so replaces the video-level pair of its query.
    """
    first: dict[str, Pair] = {}
    for pair in (*text, *video):
        first.setdefault(pair.prompt, pair)
    return list(first.values())


Rule = Callable[[Sequence[Sample]], Sequence[Pair]]


def _dominating(checklist: Checklist, level: Level, margin: float, pick: pairs.Pick) -> Rule:
    return lambda group: pairs.dominating(group, checklist, level, margin, pick)


def _answered(samples: Sequence[Sample], checklist: Checklist, rule: Rule) -> Labels:
    complete, rejects = [], []
    for sample in samples:
        missing = [q.name for q in checklist.questions if sample.answers.get(q.name) is None]
        if missing:
            why = sample.reason or f"no answer to {', '.join(missing[:5])}"
            rejects.append(Reject(sample.prompt, (sample.clip,), why, sample.origin))
        else:
            complete.append(sample)
    found, empty = _pairs_by_prompt(complete, rule)
    return Labels(pairs=found, rejects=(*rejects, *empty))


def _pairs_by_prompt(
    samples: Sequence[Sample], rule: Rule, most: int | None = None
) -> tuple[tuple[Pair, ...], list[Reject]]:
    made, rejects = [], []
    for prompt, group in by_prompt(samples).items():
        found = list(rule(group))[:most]
        made.append(found)
        if not found:
            why = "one clip alone" if len(group) == 1 else "no pair of this prompt qualifies"
            clips = tuple(s.clip for s in group)
            rejects.append(Reject(prompt, clips, why, group[0].origin))
    return tuple(chain.from_iterable(made)), rejects
