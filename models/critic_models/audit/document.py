"""An audit as one JSON document; docs/audit.md describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from critic_models.audit.figures import CriterionFigures
from critic_models.audit.grading import CurveStep, Ladder
from critic_models.audit.intervals import Estimate
from critic_models.audit.run import Audit
from critic_models.audit.verdict import by_standing

FORMAT = 1


def to_document(audit: Audit) -> dict[str, Any]:
    """Build the document. Every number is finite, or None where nothing was measured."""
    verdicts = audit.verdicts
    return {
        "format": FORMAT,
        "critic": audit.fingerprint.critic,
        "revision": audit.fingerprint.revision,
        "fingerprint": asdict(audit.fingerprint),
        "method": audit.method,
        "set": {
            "name": audit.set_name,
            "description": audit.set_description,
            "clips": audit.num_clips,
            "unreadable": dict(audit.unreadable),
        },
        "criteria": {name: _criterion(each) for name, each in audit.criteria.items()},
        "effects": [
            {
                "change": effect.change,
                "criterion": effect.criterion,
                "labelled": effect.labelled,
                "open": effect.is_open,
                "cliffs_delta": _estimate(effect.delta),
                "value_drop": _estimate(effect.value_drop),
            }
            for effect in audit.effects
        ],
        "agreement": asdict(audit.agreement),
        "cannot_judge": list(audit.limits),
        "verdict": {
            "rule": asdict(audit.rule),
            "safe": by_standing(verdicts, "safe"),
            "order_only": by_standing(verdicts, "order only"),
            "unproven": by_standing(verdicts, "unproven"),
            "unsafe": by_standing(verdicts, "unsafe"),
            "not_measured": by_standing(verdicts, "not measured"),
            "criteria": {
                name: {
                    "standing": each.standing,
                    "reasons": each.reasons,
                    "not_measured": each.not_measured,
                    "conditions": [
                        {
                            "what": condition.what,
                            "bound": condition.bound,
                            "limit": condition.limit,
                            "met": condition.met,
                            "too_few": condition.too_few,
                        }
                        for condition in each.conditions
                    ],
                }
                for name, each in verdicts.items()
            },
        },
    }


def headline(figures: CriterionFigures) -> dict[str, Estimate | None]:
    """Pick the five figures that every criterion has a field for."""
    return {
        "accuracy_no_ties": figures.accuracy,
        "accuracy_with_ties": None if figures.with_ties is None else figures.with_ties.held_out,
        "spearman": figures.spearman,
        "ece": figures.ece,
        "order_consistency": None if figures.orders is None else figures.orders.consistency,
    }


def _criterion(figures: CriterionFigures) -> dict[str, Any]:
    head = headline(figures)
    ties, orders = figures.with_ties, figures.orders
    return {
        **{name: None if each is None else each.value for name, each in head.items()},
        "n": figures.n,
        "intervals": {
            name: None if each is None else [each.low, each.high] for name, each in head.items()
        },
        "details": {
            "answered": _estimate(figures.answered),
            "unanswered_reasons": dict(figures.reasons),
            "accuracy_by_kind": _estimates(figures.by_kind),
            "accuracy_by_part": _estimates(figures.by_part),
            "ties": None
            if ties is None
            else {
                "share": ties.tie_share,
                "chance": ties.chance,
                "accuracy_in_sample": ties.in_sample,
                "threshold": ties.threshold,
                "accuracy_as_served": _estimate(figures.served_with_ties),
            },
            "spearman_by_kind": {kind: _ladder(each) for kind, each in figures.ladders.items()},
            "reliability": [asdict(each) for each in figures.reliability],
            "preference_ece": _estimate(figures.preference_ece),
            "orders": None
            if orders is None
            else {
                "same_side": _estimate(orders.same_side),
                "first_shown_advantage": _estimate(orders.first_shown_advantage),
            },
            "static_wins": _estimate(figures.static_wins),
            "rephrasing_spread": _estimate(figures.rephrasing_spread),
            "severity_curves": {
                kind: [_step(step) for step in steps] for kind, steps in figures.curves.items()
            },
            "worst": [
                {
                    "a": asdict(case.pair.a),
                    "b": asdict(case.pair.b),
                    "kind": case.pair.kind,
                    "preference": case.pair.preference,
                    "margin": case.comparison.margin,
                }
                for case in figures.worst
            ],
        },
    }


def _estimate(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else asdict(estimate)


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float] | None]:
    return {name: _estimate(each) for name, each in estimates.items()}


def _ladder(ladder: Ladder) -> dict[str, Any]:
    return {"pooled": _estimate(ladder.pooled), "within": _estimate(ladder.within)}


def _step(step: CurveStep) -> dict[str, Any]:
    return {
        "severity": step.severity,
        "lowest": step.lowest,
        "highest": step.highest,
        "value": _estimate(step.value),
        "accuracy": _estimate(step.accuracy),
    }
