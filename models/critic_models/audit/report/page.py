"""The report: verdict first, then what it rests on, then how it was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path

from critic_models.audit.figures import Case
from critic_models.audit.labelled import Shown
from critic_models.audit.report.filmstrip import filmstrip
from critic_models.audit.report.markup import MISSING, estimate, table, tag, words
from critic_models.audit.report.plots import (
    accuracy_plot,
    agreement_plot,
    effects_plot,
    kinds_plot,
    order_plot,
    preferences_table,
    reliability_plots,
    severity_plots,
    static_plot,
)
from critic_models.audit.run import Audit
from critic_models.audit.verdict import STANDINGS, Standing, by_standing
from critic_models.types import Clip

_STYLE = Path(__file__).with_name("style.css")
_SYMBOLS: dict[Standing, str] = {
    "safe": "✓",
    "order only": "≈",
    "unproven": "…",
    "unsafe": "✗",
    "not measured": "?",
}

OpenClip = Callable[[str], Clip]


def render_report(audit: Audit, open_clip: OpenClip) -> str:
    """Write the whole page.

    Args:
        open_clip: opens a clip of the labelled set by its key, for the worst cases.
    """
    title = f"Audit of {audit.fingerprint.critic}"
    sections = list(_sections(audit, open_clip))
    contents = [
        tag("li", words("a", heading, href=f"#{_slug(heading)}")) for heading, _ in sections
    ]
    body = [
        words("h1", title),
        words(
            "p",
            f"Revision {audit.fingerprint.revision}, measured on the set “{audit.set_name}”, "
            f"{audit.num_clips} clips.",
            class_="muted",
        ),
        tag("nav", tag("ul", *contents), aria_label="contents"),
    ]
    for heading, content in sections:
        body.append(tag("section", words("h2", heading, id=_slug(heading)), content))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        words("title", title),
        tag("style", _STYLE.read_text(encoding="utf-8")),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", *body), lang="en") + "\n"


def _sections(audit: Audit, open_clip: OpenClip) -> Iterator[tuple[str, str]]:
    measured = {n: each for n, each in audit.criteria.items() if each.answered is not None}
    yield "Verdict", _verdict(audit)
    yield "What it cannot judge", _limits(audit)
    yield "Accuracy", accuracy_plot(measured) + kinds_plot(measured, audit.rule)
    if any(each.curves for each in measured.values()):
        text = (
            "Disc: mean value of clips with the defect, with its 95% interval. Square: how often "
            "the clip without it scores higher."
        )
        yield "Severity", words("p", text) + severity_plots(measured)
    yield "Calibration", reliability_plots(measured) + preferences_table(measured)
    orders = order_plot(measured) or words("p", "No pair could be compared in both orders.")
    yield "Order of presentation", _order_method(audit) + orders
    if still := static_plot(measured, audit.rule):
        yield "Clips that stand still", still
    if audit.effects:
        yield "What moves what", effects_plot(audit.effects)
    yield "Agreement between criteria", agreement_plot(audit.agreement)
    yield "Worst cases", _worst_cases(audit, open_clip)
    yield "How it was measured", _method(audit)


def _verdict(audit: Audit) -> str:
    rows = []
    for name, verdict in audit.verdicts.items():
        each = audit.criteria[name]
        ties = each.with_ties
        standing = tag(
            "span",
            f"{_SYMBOLS[verdict.standing]} {escape(verdict.standing)}",
            class_=f"standing {_slug(verdict.standing)}",
        )
        rows.append(
            [
                escape(name),
                standing,
                estimate(each.accuracy),
                estimate(None if ties is None else ties.held_out),
                estimate(each.spearman),
                estimate(each.ece),
                estimate(None if each.orders is None else each.orders.consistency),
                estimate(each.static_wins),
                str(each.n),
            ]
        )
    headings = ["criterion", "verdict:", "accuracy", "with ties", "Spearman", "calibration error"]
    headings += ["order consistency", "static wins", "pairs"]
    parts = [table("Every figure with its 95% interval", headings, rows)]
    for standing, meaning in STANDINGS.items():
        names = by_standing(audit.verdicts, standing)
        if names:
            standing_words = words("strong", f"{standing[0].upper()}{standing[1:]}")
            parts.append(tag("p", standing_words + escape(f" ({meaning}): {', '.join(names)}.")))
    for name, verdict in audit.verdicts.items():
        if verdict.reasons:
            reasons = tag("ul", *(words("li", reason) for reason in verdict.reasons))
            parts.append(words("h3", f"Why {name} is “{verdict.standing}”") + reasons)
    return "".join(parts)


def _limits(audit: Audit) -> str:
    if not audit.limits:
        return words("p", "On this set nothing was found that it cannot judge.")
    return tag("ul", *(words("li", sentence) for sentence in audit.limits))


def _order_method(audit: Audit) -> str:
    if audit.method == "scores":
        text = (
            "This critic's preferences come from the scores of single clips. Every two scores were "
            "compared in both orders; the clips themselves were never shown together."
        )
    else:
        text = (
            "Pairs of two clips and at most one prompt were shown in both orders. Of other pairs "
            "the scores of single clips decided, and they are left out here."
        )
    return words("p", text)


def _worst_cases(audit: Audit, open_clip: OpenClip) -> str:
    parts = [
        words(
            "p",
            "For every criterion the pairs that it got most wrong, or nearest to wrong, as the "
            "critic saw them. The better clip is above.",
        )
    ]
    for name, each in audit.criteria.items():
        if each.worst:
            parts.append(words("h3", name))
            parts += [_case(case, open_clip) for case in each.worst]
    return "".join(parts)


def _case(case: Case, open_clip: OpenClip) -> str:
    pair = case.pair
    better, worse = (pair.a, pair.b) if pair.preference == "a" else (pair.b, pair.a)
    outcome = tag("strong", "wrong", class_="wrong") if case.is_wrong else tag("strong", "right")
    margin = abs(case.comparison.margin)
    parts = [tag("p", outcome + escape(f" by {margin:.3g} on the critic's scale: {pair.kind}"))]
    shown = [("better", better), ("worse", worse)]
    if better.clip == worse.clip:
        shown = [("shown", better)]
        parts.append(words("p", f"right: “{better.prompt}”; wrong: “{worse.prompt}”"))
    for side, each in shown:
        parts.append(words("p", f"{side}: {_label(each)}", class_="muted"))
        parts.append(filmstrip(open_clip(each.clip), _label(each)))
    return tag("div", *parts, class_="case")


def _label(shown: Shown) -> str:
    return shown.clip if shown.prompt is None else f"{shown.clip}, “{shown.prompt}”"


def _method(audit: Audit) -> str:
    parts = [
        words("p", audit.set_description),
        words(
            "p",
            "Shares have Wilson's interval, with groups of answers that belong together counted "
            "by their design effect; all other figures have a bootstrap over groups. Unanswered "
            "labels are left out of every figure, and counted here.",
        ),
    ]
    rule = [[escape(name), f"{limit:.2f}"] for name, limit in asdict(audit.rule).items()]
    parts.append(table("The rule of the verdict, on bounds of intervals", ["part", "limit"], rule))
    answers = [
        [escape(name), estimate(each.answered), escape(_why(each.reasons)) or MISSING]
        for name, each in audit.criteria.items()
    ]
    headings = ["criterion", "share answered", "why not:"]
    parts.append(table("Answered labels", headings, answers))
    if audit.unreadable:
        rows = [[escape(clip), escape(why)] for clip, why in audit.unreadable.items()]
        parts.append(table("Clips that could not be read", ["clip", "why:"], rows))
    facts = asdict(audit.fingerprint)
    versions = facts.pop("versions")
    rows = [[escape(name), escape(str(fact))] for name, fact in {**facts, **versions}.items()]
    parts.append(table("Fingerprint of the critic", ["what", "is:"], rows))
    return "".join(parts)


def _why(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{count} × {why}" for why, count in reasons.items())


def _slug(heading: str) -> str:
    return heading.lower().replace(" ", "-")
