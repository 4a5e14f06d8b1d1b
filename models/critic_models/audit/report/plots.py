"""The plots of the report, each with its caption and the table behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from critic_models.audit.confusion import Agreement, Effect
from critic_models.audit.figures import CriterionFigures
from critic_models.audit.intervals import Estimate
from critic_models.audit.report.markup import MISSING, estimate, figure, folded, table, tag, words
from critic_models.audit.report.svg import (
    Line,
    Mark,
    Row,
    heatmap,
    interval_plot,
    panel_plot,
)
from critic_models.audit.verdict import Rule

Figures = Mapping[str, CriterionFigures]


def accuracy_plot(criteria: Figures) -> str:
    """Plot accuracy without ties and with them, beside what chance gives."""
    rows, data = [], []
    for name, each in criteria.items():
        ties = each.with_ties
        marks = [_mark(each.accuracy, "first")]
        marks.append(_mark(None if ties is None else ties.held_out, "second"))
        guides = [] if ties is None else [ties.chance]
        rows.append(Row(name, [mark for mark in marks if mark is not None], guides))
        data.append(
            [
                escape(name),
                estimate(each.accuracy),
                estimate(None if ties is None else ties.held_out),
                MISSING if ties is None else f"{ties.chance:.3f}",
                MISSING if ties is None else f"{ties.in_sample:.3f}",
                estimate(each.served_with_ties),
                str(each.n),
            ]
        )
    drawing = interval_plot(
        "Accuracy of preferences by criterion",
        "For every criterion its accuracy without ties and with ties, with 95% intervals.",
        rows,
        0.0,
        1.0,
        0.1,
    )
    caption = (
        "Disc: without ties, chance is 0.5. Square: with ties, the threshold fitted on one half of "
        "the groups and used on the other; the dashed line is its chance level."
    )
    headings = ["criterion", "without ties", "with ties", "chance with ties"]
    headings += ["with ties, in sample", "with ties, as served", "pairs"]
    return figure(drawing, caption, table("Accuracy of preferences", headings, data))


def kinds_plot(criteria: Figures, rule: Rule) -> str:
    """Plot accuracy without ties by what a pair tests, and tabulate it by part of the set."""
    found = [(n, k, a) for n, each in criteria.items() for k, a in each.by_kind.items()]
    least = rule.min_accuracy_of_a_kind
    drawing = interval_plot(
        "Accuracy by what was wrong",
        "Accuracy without ties of every criterion on every kind of pair, with 95% intervals.",
        [Row(f"{name}: {kind}", [_marked(a)], [least]) for name, kind, a in found],
        0.0,
        1.0,
        0.1,
    )
    caption = f"The dashed line is {least:.2f}, which the whole interval must reach."
    data = [
        [escape(name), escape(kind), estimate(a), str(a.n)]
        for name, kind, a in [
            *found,
            *((n, k, a) for n, each in criteria.items() for k, a in each.by_part.items()),
        ]
    ]
    headings = ["criterion", "pairs of:", "accuracy without ties", "pairs"]
    return figure(drawing, caption, table("Accuracy by kind and by part", headings, data))


def severity_plots(criteria: Figures) -> str:
    """Plot value and accuracy against severity, a panel for each criterion and defect."""
    panels, data = [], []
    for name, each in criteria.items():
        for kind, steps in each.curves.items():
            label = f"{name}: {kind}"
            values = [(s.severity, s.value) for s in steps if s.value is not None]
            lines = [
                Line(
                    [(x, value.value) for x, value in values],
                    [(x, value.low, value.high) for x, value in values],
                ),
                Line([(s.severity, s.accuracy.value) for s in steps], [], "second"),
            ]
            drawing = panel_plot(
                f"Severity curve of {label}",
                "Mean value and accuracy against severity; the numbers are in the table below.",
                lines,
                "severity",
            )
            ladder = each.ladders.get(kind)
            rho = MISSING if ladder is None else estimate(ladder.figure, 2)
            note = tag("p", f"Spearman {rho}", class_="muted")
            panels.append(tag("div", words("h3", label), note, drawing))
            data += [
                [
                    escape(label),
                    f"{s.lowest:.2f} to {s.highest:.2f}",
                    estimate(s.value),
                    estimate(s.accuracy),
                    str(s.accuracy.n),
                ]
                for s in steps
            ]
    headings = ["criterion and defect", "severity", "mean value", "accuracy", "pairs"]
    return tag("div", *panels, class_="panels") + folded(
        "the numbers", table("Severity curves", headings, data)
    )


def reliability_plots(criteria: Figures) -> str:
    """Plot what was true against what the critic said, a panel for each criterion."""
    panels, data = [], []
    for name, each in criteria.items():
        if not each.reliability:
            continue
        line = Line([(b.value, b.truth) for b in each.reliability], [])
        drawing = panel_plot(
            f"Reliability of {name}",
            "Mean grade against mean value in bins of equal mass; the diagonal is perfect.",
            [line],
            "value",
            diagonal=True,
        )
        error = tag("p", f"calibration error {estimate(each.ece)}", class_="muted")
        panels.append(tag("div", words("h3", name), error, drawing))
        data += [
            [escape(name), f"{b.value:.3f}", f"{b.truth:.3f}", str(b.n)] for b in each.reliability
        ]
    if not panels:
        return ""
    headings = ["criterion", "mean value", "mean grade", "answers"]
    numbers = folded("the numbers", table("Reliability", headings, data))
    return tag("div", *panels, class_="panels") + numbers


def preferences_table(criteria: Figures) -> str:
    """Tabulate whether P(wins) of a pair means what it says, and whether phrasing matters."""
    rows = [
        [escape(name), estimate(each.preference_ece), estimate(each.rephrasing_spread)]
        for name, each in criteria.items()
    ]
    headings = ["criterion", "calibration error of P(wins)", "spread over phrasings"]
    caption = (
        "How far P(wins) is from how often the clip is better; and how far the value changes, from "
        "lowest to highest, over prompts that say the same"
    )
    return table(caption, headings, rows)


def order_plot(criteria: Figures) -> str:
    """Plot the advantage of the clip shown first; empty where no pair was compared so."""
    found = [(name, each.orders) for name, each in criteria.items() if each.orders is not None]
    if not found:
        return ""
    rows = [
        Row(name, [_marked(o.first_shown_advantage)], [0.0])
        for name, o in found
        if o.first_shown_advantage is not None
    ]
    drawing = interval_plot(
        "Position bias",
        "Advantage of the clip shown first, from -1 to 1, with 95% intervals; 0 is none.",
        rows,
        -1.0,
        1.0,
        0.25,
    )
    data = [
        [
            escape(name),
            estimate(orders.first_shown_advantage),
            estimate(orders.consistency),
            estimate(orders.same_side),
        ]
        for name, orders in found
    ]
    caption = "To the right the critic favours the clip shown first, to the left the second."
    headings = ["criterion", "advantage of the first", "order consistency", "same outcome"]
    return figure(drawing, caption, table("Dependence on the order", headings, data))


def static_plot(criteria: Figures, rule: Rule) -> str:
    """Plot how often a clip that stands still beats the one that moves; empty without pairs."""
    found = [(n, each.static_wins) for n, each in criteria.items() if each.static_wins is not None]
    if not found:
        return ""
    drawing = interval_plot(
        "Wins of static twins",
        "Share of pairs in which a clip that stands still is preferred, with 95% intervals.",
        [Row(name, [_marked(wins)], [rule.max_static_wins]) for name, wins in found],
        0.0,
        1.0,
        0.1,
    )
    caption = f"The dashed line is {rule.max_static_wins:.2f}, which the interval must not pass."
    data = [[escape(name), estimate(wins), str(wins.n)] for name, wins in found]
    return figure(
        drawing, caption, table("Static twins", ["criterion", "share of wins", "pairs"], data)
    )


def effects_plot(effects: Sequence[Effect]) -> str:
    """Draw which change moves which criterion."""
    changes = list(dict.fromkeys(effect.change for effect in effects))
    criteria = list(dict.fromkeys(effect.criterion for effect in effects))
    place = {(e.change, e.criterion): e for e in effects}
    grid = [[place[change, name].delta for name in criteria] for change in changes]
    outlined = frozenset(
        (i, j)
        for i, change in enumerate(changes)
        for j, name in enumerate(criteria)
        if place[change, name].labelled
    )
    drawing = heatmap(
        "Effect of every change on every criterion",
        "Cliff's delta of clips before a change against clips after it.",
        changes,
        criteria,
        [[None if delta is None else delta.value for delta in row] for row in grid],
        outlined,
    )
    caption = (
        "Cliff's delta: 1 where every changed clip scores below every unchanged one, 0 where the "
        "change does not show. Outlined: lowered by definition. Anything else is a confusion, "
        "which matters as far as the value falls, unless the table calls it open: there a critic "
        "may go either way."
    )
    data = [
        [
            escape(f"{e.change} on {e.criterion}"),
            "by definition" if e.labelled else "open" if e.is_open else "",
            estimate(e.delta, 2),
            estimate(e.value_drop, 2),
        ]
        for e in effects
    ]
    headings = ["change and criterion", "expected:", "Cliff's delta", "mean fall of the value"]
    return figure(drawing, caption, table("Effects", headings, data))


def agreement_plot(agreement: Agreement) -> str:
    """Draw how criteria correlate."""
    names = agreement.criteria
    drawing = heatmap(
        "Agreement between criteria",
        "Spearman's correlation of raw scores between every two criteria.",
        names,
        names,
        agreement.matrix,
    )
    caption = (
        f"Spearman's correlation over {agreement.n} clips. Criteria that agree on everything say "
        "one thing several times."
    )
    rows = [
        [escape(name), *(MISSING if rho is None else f"{rho:.2f}" for rho in row)]
        for name, row in zip(names, agreement.matrix, strict=True)
    ]
    return figure(drawing, caption, table("Agreement", ["criterion", *names], rows))


def _mark(each: Estimate | None, series: str) -> Mark | None:
    return None if each is None else Mark(each.value, each.low, each.high, series)


def _marked(each: Estimate) -> Mark:
    return Mark(each.value, each.low, each.high)
