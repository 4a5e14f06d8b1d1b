"""The report: how the first run did, against the others, what it looks like, what is not in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from critic_models.audit import report as audit_report
from critic_models.audit.intervals import Estimate
from critic_models.audit.report.markup import MISSING, estimate, figure, folded, table, tag, words
from critic_models.evaluation.comparing import Comparison, FinishedRun
from critic_models.evaluation.report.clips import clips_section
from critic_models.evaluation.report.radar import LEAST_AXES, radar
from critic_models.evaluation.report.scale import higher_is_better, reach
from critic_models.evaluation.statistics import FLIPS

_STYLES = (
    Path(audit_report.__file__).with_name("style.css"),
    Path(__file__).with_name("style.css"),
)
_MOST_NAMED = 100
_SURE = 0.05


def render_report(comparison: Comparison) -> str:
    """Write the whole page."""
    first = comparison.runs[0]
    title = f"Evaluation of {first.name}"
    sections = list(_sections(comparison))
    contents = [
        tag("li", words("a", heading, href=f"#{_slug(heading)}")) for heading, _ in sections
    ]
    body = [words("h1", title), _subtitle(comparison)]
    body.append(tag("nav", tag("ul", *contents), aria_label="contents"))
    for heading, content in sections:
        body.append(tag("section", words("h2", heading, id=_slug(heading)), content))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        words("title", title),
        tag("style", *(style.read_text(encoding="utf-8") for style in _STYLES)),
    )
    return (
        "<!doctype html>\n" + tag("html", head, tag("body", tag("main", *body)), lang="en") + "\n"
    )


def _sections(comparison: Comparison) -> Iterator[tuple[str, str]]:
    first, *others = comparison.runs
    yield "At a glance", _radar(comparison) + _totals(comparison.runs)
    yield "Dimensions", _dimensions(comparison)
    for other in others:
        yield f"{first.name} against {other.name}", _against(comparison, other)
    yield "Best and worst clips", clips_section(first)
    yield "What is not in the numbers", "".join(_skipped(run) for run in comparison.runs)
    yield "How it was measured", _method(comparison)


def _subtitle(comparison: Comparison) -> str:
    first, *others = comparison.runs
    clips = f"{first.summary['clips']} clips from {first.header.root}"
    against = f", against {', '.join(run.name for run in others)}" if others else ""
    state = (
        "complete" if first.summary["complete"] else "incomplete: see what is not in the numbers"
    )
    return words("p", f"{clips}{against}; {state}.", class_="muted")


def _radar(comparison: Comparison) -> str:
    first = comparison.runs[0]
    axes = [
        name
        for name in comparison.names
        if (number := _number(first, name)) is not None and reach(name, number) is not None
    ]
    if len(axes) < LEAST_AXES:
        text = f"A radar needs {LEAST_AXES} dimensions with a range; {first.name} has {len(axes)}."
        return words("p", text, class_="muted")
    reaches = {run.name: [_reach(run, name) for name in axes] for run in comparison.runs}
    rows = [
        [escape(name), *(_written(_reach(run, name)) for run in comparison.runs)] for name in axes
    ]
    left_out = [name for name in comparison.names if name not in axes]
    caption = "From the worst (middle) to the best of each range, VBench's where it has one."
    if left_out:
        caption += f" Without a number or a range: {', '.join(left_out)}."
    headings = ["dimension", *(run.name for run in comparison.runs)]
    drawn = figure(radar(axes, reaches), caption, table("How far each reaches", headings, rows))
    return _legend(comparison.runs) + drawn


def _legend(runs: Sequence[FinishedRun]) -> str:
    items = []
    for number, run in enumerate(runs):
        line = tag("line", class_=f"run run-{number}", x1=1, x2=33, y1=5, y2=5)
        swatch = tag("svg", line, viewBox="0 0 34 10", aria_hidden="true")
        items.append(tag("li", swatch, escape(run.name)))
    return tag("ul", *items, class_="legend")


def _totals(runs: Sequence[FinishedRun]) -> str:
    rows = []
    for run in runs:
        found = run.summary["totals"]
        numbers = [_written(found[name], 4) for name in ("quality", "semantic", "total")]
        lacking = len(found["missing"]) + len(found["incomplete"])
        why = f"{lacking} of 16 members not measured, or not on every clip" if lacking else ""
        rows.append([escape(run.name), *numbers, why])
    caption = "VBench's totals, only where all members have a number for every clip"
    return table(caption, ["run", "quality", "semantic", "total", "lacking:"], rows)


def _dimensions(comparison: Comparison) -> str:
    rows = []
    for name in comparison.names:
        better = {True: "higher", False: "lower", None: "neither"}[higher_is_better(name)]
        cells = [_cell(run, name, comparison.figures[run.name, name]) for run in comparison.runs]
        rows.append([escape(name), better, *cells])
    caption = "Mean over clips, its 95% interval over prompts, and how many of its clips are in it"
    return table(caption, ["dimension", "better:", *(run.name for run in comparison.runs)], rows)


def _cell(run: FinishedRun, name: str, interval: Estimate | None) -> str:
    found = run.summary["dimensions"].get(name)
    if found is None or found["number"] is None:
        return MISSING
    written = estimate(interval, 4) if interval is not None else f"{found['number']:.4f} "
    count = f"{found['counted']} of {found['asked']} clips"
    return written + words("span", count, class_="interval")


def _against(comparison: Comparison, other: FinishedRun) -> str:
    first = comparison.runs[0]
    rows = []
    for name in comparison.names:
        each = comparison.against[other.name, name]
        adjusted = comparison.adjusted.get((other.name, name))
        rows.append(
            [
                escape(name),
                _outcome(name, each.difference, adjusted),
                estimate(each.difference, 4),
                MISSING if each.p is None else f"{each.p:.4f}",
                MISSING if adjusted is None else f"{adjusted:.4f}",
                str(each.num_prompts),
                str(each.left_out),
            ]
        )
    headings = ["dimension", f"{first.name} is:", "difference", "p", "p adjusted"]
    headings += ["prompts", "left out"]
    caption = (
        f"{first.name} minus {other.name}, mean over the prompts that both have, with its 95% "
        "interval; adjusted for all tests on this page (Holm)"
    )
    notes = [n for n in comparison.differently if n.startswith(f"{other.name} was")]
    warning = "".join(
        words("p", f"{note}: they may differ for that reason alone.") for note in notes
    )
    return warning + table(caption, headings, rows)


def _outcome(name: str, difference: Estimate | None, adjusted: float | None) -> str:
    if difference is None or adjusted is None:
        return "not compared"
    if adjusted > _SURE:
        return "no difference shown"
    better, is_higher = higher_is_better(name), difference.value > 0
    if better is None:
        return "higher" if is_higher else "lower"
    if is_higher == better:
        return words("span", "▲ better", class_="higher")
    return words("span", "▼ worse", class_="lower")


def _skipped(run: FinishedRun) -> str:
    summary = run.summary
    parts = [words("h3", run.name)]
    dimensions: Mapping[str, Any] = summary["dimensions"]
    reasons = {name: each["unavailable"] for name, each in dimensions.items()}
    rows = [[escape(name), escape(why)] for name, why in reasons.items() if why is not None]
    if rows:
        parts.append(table("Dimensions that could not be measured", ["dimension", "why:"], rows))
    broken = [f"{key}: {why}" for key, why in summary["broken_clips"].items()]
    identical = [" = ".join(keys) for keys in summary["identical_clips"]]
    for what, names in (
        ("clips are missing", summary["missing_clips"]),
        ("clips could not be measured", broken),
        ("files are not in the list and were left alone", summary["extra_files"]),
        ("clips are listed more than once and were measured once", summary["listed_twice"]),
        ("groups of clips are the same file", identical),
    ):
        if names:
            parts.append(folded(f"{len(names)} {what}", _names(names)))
    for name, each in dimensions.items():
        if each["lacking"]:
            lines = [f"{key}: {why}" for key, why in each["lacking"].items()]
            parts.append(
                folded(f"{name} lacks {len(lines)} of {each['asked']} clips", _names(lines))
            )
    if len(parts) == 1:
        parts.append(words("p", "Every clip has every number that was asked for."))
    return "".join(parts)


def _names(names: Sequence[str]) -> str:
    items = [words("li", name) for name in names[:_MOST_NAMED]]
    if len(names) > _MOST_NAMED:
        items.append(words("li", f"and {len(names) - _MOST_NAMED} more, in summary.json"))
    return tag("ul", *items, class_="names")


def _method(comparison: Comparison) -> str:
    rows = []
    for run in comparison.runs:
        header = run.header
        critic = (
            ""
            if header.critic is None
            else f"{header.critic['critic']} {header.critic['revision']}"
        )
        versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
        cells = (header.compat or "", header.devices or "", critic, versions)
        rows.append([escape(run.name), *map(escape, cells)])
    text = (
        "Clips of one prompt are one piece of evidence. Intervals are percentile bootstraps that "
        "draw prompts; a clip without a known prompt stands for itself. Two runs are compared on "
        "the mean of each prompt that both have a number for, and the test flips signs of the "
        f"differences: all flips up to 14 prompts, {FLIPS:,} drawn ones above. All draws are from "
        "fixed seeds. The mean of these differences weighs prompts alike, so it need not be the "
        "difference of the two numbers over clips."
    )
    headings = ["run", "numbers:", "device:", "critic:", "versions:"]
    return words("p", text) + table("What the runs were measured with", headings, rows)


def _number(run: FinishedRun, name: str) -> float | None:
    found = run.summary["dimensions"].get(name)
    return None if found is None else found["number"]


def _reach(run: FinishedRun, name: str) -> float | None:
    number = _number(run, name)
    return None if number is None else reach(name, number)


def _written(number: float | None, digits: int = 3) -> str:
    return MISSING if number is None else f"{number:.{digits}f}"


def _slug(heading: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in heading.lower()).split())
