"""What moves a criterion: effects of every change on every criterion, and how criteria agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.audit.asking import Scores
from critic_models.audit.intervals import Estimate, group_codes, mean, mean_over_pairs
from critic_models.audit.labelled import LabelledSet, Shown
from critic_models.audit.ranks import dominance, spearman_matrix


@dataclass(frozen=True)
class Effect:
    """How far a change lowers a criterion.

    Attributes:
        change, criterion: their names.
        labelled: whether the change lowers the criterion by definition.
        is_open: whether it may as well lower it as not; see `LabelledSet.open_effects`.
        delta: Cliff's delta of the clips before against those after, over all pairs of clips; so
            an effect that is small beside the differences between clips is small.
        value_drop: mean fall of the value, clip by clip; how much of the scale it takes.
    """

    change: str
    criterion: str
    labelled: bool
    is_open: bool
    delta: Estimate | None
    value_drop: Estimate | None


@dataclass(frozen=True)
class Agreement:
    """Spearman's correlation between criteria, over every clip with one prompt.

    Attributes:
        criteria: names of rows and columns.
        matrix: row by row; None where a criterion is constant or has no scores.
        n: clips.
    """

    criteria: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    n: int


def measure_effects(labelled: LabelledSet, criteria: Sequence[str], scores: Scores) -> list[Effect]:
    """Measure the effect of every kind of change on every criterion."""
    by_definition = {
        (pair.kind, pair.criterion) for pair in (*labelled.pairs, *labelled.static_pairs)
    }
    effects = []
    for kind in dict.fromkeys(change.kind for change in labelled.changes):
        changes = labelled.changes_of(kind)
        groups = group_codes([change.group for change in changes])
        for name in criteria:
            before = scores.raw([change.before for change in changes], name)
            after = scores.raw([change.after for change in changes], name)
            drops = scores.values([change.before for change in changes], name)
            drops = drops - scores.values([change.after for change in changes], name)
            known = np.isfinite(before) & np.isfinite(after)
            delta = mean_over_pairs(dominance(before[known], after[known]), groups[known])
            drop = mean(drops[known], groups[known])
            labels = (kind, name) in by_definition
            is_open = not labels and (kind, name) in labelled.open_effects
            effects.append(Effect(kind, name, labels, is_open, delta, drop))
    return effects


def measure_agreement(labelled: LabelledSet, criteria: Sequence[str], scores: Scores) -> Agreement:
    """Correlate the raw scores of all criteria over every clip, with the first prompt it has."""
    first: dict[str, Shown] = {}
    for shown in labelled.shown():
        if shown.clip not in first or first[shown.clip].prompt is None:
            first[shown.clip] = shown
    rows = list(first.values())
    matrix = spearman_matrix(np.stack([scores.raw(rows, name) for name in criteria], 1))
    entries = tuple(tuple(None if math.isnan(rho) else float(rho) for rho in row) for row in matrix)
    return Agreement(tuple(criteria), entries, len(rows))
