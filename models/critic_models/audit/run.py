"""One audit: ask everything, measure it, and judge it by the rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice

from critic_models.audit.asking import Advance, Scores, compare_all, score_all
from critic_models.audit.confusion import Agreement, Effect, measure_agreement, measure_effects
from critic_models.audit.figures import CriterionFigures, measure_criterion
from critic_models.audit.labelled import LabelledSet
from critic_models.audit.limits import find_limits
from critic_models.audit.verdict import CriterionVerdict, Rule, judge_criterion
from critic_models.errors import InputError
from critic_models.judging import Judge
from critic_models.types import Fingerprint
from critic_models.vlm.spec import PairwiseMethod

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Takes what is being done and in how many steps; its context gives a function to call for each."""


@dataclass(frozen=True)
class Audit:
    """A critic, measured on one labelled set.

    Attributes:
        fingerprint: of the critic.
        method: how pairs were compared.
        set_name, set_description: of the labelled set.
        num_clips: that were to be read; `unreadable` has those that could not, and why.
        criteria: figures by name, in the critic's order.
        effects, agreement: see `confusion`.
        limits: sentences about what the critic cannot judge.
        rule, verdicts: what was asked of every criterion, and where it stands.
    """

    fingerprint: Fingerprint
    method: PairwiseMethod
    set_name: str
    set_description: str
    num_clips: int
    unreadable: Mapping[str, str]
    criteria: Mapping[str, CriterionFigures]
    effects: Sequence[Effect]
    agreement: Agreement
    limits: Sequence[str]
    rule: Rule
    verdicts: Mapping[str, CriterionVerdict]


def audit(
    judge: Judge,
    labelled: LabelledSet,
    criteria: Sequence[str] | None = None,
    method: PairwiseMethod | None = None,
    progress: Progress = lambda label, total: nullcontext(lambda: None),
    rule: Rule | None = None,
) -> Audit:
    """Measure a critic on a labelled set.

    Args:
        judge: the critic.
        labelled: labels about criteria that the critic lacks are left out.
        criteria: to audit; all of the critic's if None.
        method: how pairs are compared; the critic's own if None.
        progress: shows it.
        rule: of the verdict; the default one if None.

    Raises:
        UnknownName: for a criterion that the critic does not have.
        InputError: where the set has no labels for any of the criteria, or no clip can be read.
        EngineError: where a whole forward failed.
    """
    names = [c.name for c in judge.criteria(criteria or list(judge.spec.criteria))]
    known = labelled.criteria
    labelled = labelled.restrict(names)
    if not labelled.sources:
        raise InputError(
            f"{labelled.name} has no labels for {', '.join(names)}; it has for {', '.join(known)}"
        )
    method = method or judge.spec.pairwise_method
    with progress("scoring clips", len(labelled.sources)) as advance:
        scores = score_all(judge, labelled, names, advance)
    _check_readable(labelled, scores)
    pairs = [*labelled.pairs, *labelled.static_pairs]
    with progress("comparing pairs", len(pairs)) as advance:
        compared = iter(compare_all(judge, labelled, pairs, scores, method, advance))
    quality = list(islice(compared, len(labelled.pairs)))
    static = list(compared)
    rule = rule or Rule()
    with progress("measuring", len(names) + 1) as advance:
        figures = {}
        for name in names:
            figures[name] = measure_criterion(name, labelled, scores, quality, static)
            advance()
        effects = measure_effects(labelled, names, scores)
        agreement = measure_agreement(labelled, names, scores)
        advance()
    return Audit(
        fingerprint=judge.fingerprint,
        method=method,
        set_name=labelled.name,
        set_description=labelled.description,
        num_clips=len(labelled.sources),
        unreadable=scores.unreadable,
        criteria=figures,
        effects=effects,
        agreement=agreement,
        limits=find_limits(figures, effects, rule),
        rule=rule,
        verdicts={name: judge_criterion(each, rule) for name, each in figures.items()},
    )


def _check_readable(labelled: LabelledSet, scores: Scores) -> None:
    if len(scores.unreadable) == len(labelled.sources):
        clip, why = next(iter(scores.unreadable.items()))
        raise InputError(f"none of {len(labelled.sources)} clips can be read; {clip}: {why}")
