"""What a critic cannot judge, read from what was measured rather than from hope."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from critic_models.audit.confusion import Effect
from critic_models.audit.figures import CriterionFigures
from critic_models.audit.intervals import Estimate
from critic_models.audit.verdict import Rule

NOTABLE_DELTA = 0.33
"""From here Cliff's delta is called medium (Romano et al., 2006)."""

NOTABLE_DROP = 0.1
"""A tenth of the scale of values: less would hardly move a reward."""

_CHANCE = 0.5


def find_limits(
    figures: Mapping[str, CriterionFigures], effects: Sequence[Effect], rule: Rule
) -> list[str]:
    """List in sentences what is unmeasured, unseen, seen too weakly, or confused."""
    sentences = [
        f"{name} was not measured: the set has no labels for it."
        for name, each in figures.items()
        if each.answered is None
    ]
    for each in figures.values():
        sentences += _unseen(each, rule)
    for effect in effects:
        if effect.is_open:
            continue
        if effect.delta is not None and effect.value_drop is not None:
            said = _weak if effect.labelled else _confused
            sentences += said(effect, effect.delta, effect.value_drop)
    return sentences


def _unseen(figures: CriterionFigures, rule: Rule) -> Iterator[str]:
    least = rule.min_accuracy_of_a_kind
    for kind, accuracy in figures.by_kind.items():
        if accuracy.low < least:
            yield f"{figures.name} is not shown to see “{kind}”: {_right(accuracy)}."
            continue
        for step in figures.curves.get(kind, ()):
            if step.accuracy.low < _CHANCE:
                yield (
                    f"{figures.name} is not shown to beat chance on “{kind}” at severities of "
                    f"{step.lowest:.2f} to {step.highest:.2f}: {_right(step.accuracy)}."
                )
    wins = figures.static_wins
    if wins is not None and wins.value > 0.0:
        yield (
            f"{figures.name} prefers a clip that stands still to the one that moves in "
            f"{wins.value:.3f} of {wins.n} pairs ({wins.low:.3f} to {wins.high:.3f})."
        )


def _weak(effect: Effect, delta: Estimate, drop: Estimate) -> Iterator[str]:
    if delta.low < NOTABLE_DELTA:
        yield (
            f"“{effect.change}” is not shown to lower {effect.criterion} by more than clips differ "
            f"without it: {_size(delta, drop)}."
        )


def _confused(effect: Effect, delta: Estimate, drop: Estimate) -> Iterator[str]:
    if delta.low >= NOTABLE_DELTA and drop.low >= NOTABLE_DROP:
        yield f"{effect.criterion} is also lowered by “{effect.change}”: {_size(delta, drop)}."
    elif delta.high <= -NOTABLE_DELTA and drop.high <= -NOTABLE_DROP:
        yield f"{effect.criterion} is raised by “{effect.change}”: {_size(delta, drop)}."


def _right(accuracy: Estimate) -> str:
    return (
        f"right in {accuracy.value:.3f} of {accuracy.n} pairs "
        f"({accuracy.low:.3f} to {accuracy.high:.3f})"
    )


def _size(delta: Estimate, drop: Estimate) -> str:
    way = "falls" if drop.value >= 0 else "rises"
    return (
        f"Cliff's delta {delta.value:.2f} ({delta.low:.2f} to {delta.high:.2f}), "
        f"its value {way} by {abs(drop.value):.2f} on average"
    )
