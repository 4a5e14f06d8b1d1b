"""The page about all dimensions, written from what the code knows of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from critic_models.dimensions.asked import AskedDimension
from critic_models.dimensions.catalogue import CATALOGUE, users_of
from critic_models.dimensions.detected import DetectedDimension
from critic_models.dimensions.dimension import Facts
from critic_models.dimensions.networked import NetworkDimension
from critic_models.dimensions.weights import WEIGHTS
from critic_models.dimensions.weights.registry import WeightsFile

_NONE = "–"
_BETTER = {True: "higher", False: "lower", None: _NONE}

_INTRODUCTION = """\
# Dimensions

Written by `python -m critic_models.dimensions > docs/dimensions.md`; a test compares the two.

`critic dimensions FILE --dimensions A,B`, `dimensions` in `/v1/dimensions`, `/v1/score` and
`/v1/rank`, and `critic_models.dimensions.suite` measure them by name. Where none is named those
without weights are measured. A dimension that lacks its weights, or something that must be known
of the clip, has `null` and a reason; the others have their numbers. `/v1/info` says which can be
measured and what the rest lacks.

A name of VBench's (VBench 1 at commit 45e79ec, or VBench-I2V) is only for what equals VBench. Where
VBench has a defect the default is what was meant, and `compat="vbench"` of the library is VBench's
own number; both are listed below. `vlm.` is a critic's opinion in the place of a detector, a
captioner or another model: another number under another name, with no part in VBench's totals.

What must be known of a clip travels as `prompt` and `auxiliary` of an item of `/v1/dimensions` and
`/v1/score`, and of the whole call of `/v1/rank`; a picture (`image`) only the library takes. With
`"split": "vbench_long"` a clip of five seconds or more is measured in parts of two seconds (ten for
`human_action`, `temporal_style` and `overall_consistency`) and has their mean, as in VBench-Long.

Dimensions that only ask how alike frames are (`subject_consistency`, `background_consistency`,
`temporal_flickering`, `motion_smoothness`) are greatest for a clip in which nothing moves: as
rewards they need `dynamic_degree` beside them.
"""

_HEADINGS = ("name", "group", "range", "better", "must be known", "weights", "cost")


def page() -> str:
    """Return the page as Markdown."""
    kinds = (
        ("Without weights", _of_no_kind),
        ("With networks", NetworkDimension),
        ("With a detector or a captioner of the caller's", DetectedDimension),
        ("With the critic", AskedDimension),
    )
    parts = [_INTRODUCTION, "## All of them"]
    for title, kind in kinds:
        members = [f for f in CATALOGUE.values() if _is(f, kind)]
        parts += [f"### {title}", _table(_HEADINGS, map(_row, members))]
    parts += ["## Weights", _WEIGHTS_INTRODUCTION, _table(_WEIGHTS_HEADINGS, _weights_rows())]
    parts += ["## What each measures", *map(_section, CATALOGUE.values())]
    return "\n\n".join(part.strip() for part in parts) + "\n"


_WEIGHTS_INTRODUCTION = """\
`critic weights fetch NAME` downloads a file into `CRITIC_WEIGHTS_DIR` (else the user's cache);
nothing is downloaded by itself. What is marked is not free for commercial use, or not known to be,
and needs `--accept-non-commercial`.
"""
_WEIGHTS_HEADINGS = ("name", "file", "size", "licence", "network", "for")

_of_no_kind = object()


def _is(facts: Facts, kind: object) -> bool:
    if kind is _of_no_kind:
        return not isinstance(facts, NetworkDimension | DetectedDimension | AskedDimension)
    return isinstance(kind, type) and isinstance(facts, kind)


def _row(facts: Facts) -> tuple[str, ...]:
    least, greatest = (_number(bound) for bound in facts.range)
    between = " or " if facts.boolean else " to "
    return (
        f"[`{facts.name}`](#{_anchor(facts.name)})",
        facts.group,
        f"{least}{between}{greatest}",
        _BETTER[facts.higher_is_better],
        f"`{facts.needs}`" if facts.needs else _NONE,
        ", ".join(f"`{name}`" for name in facts.weights) or _NONE,
        facts.cost or _NONE,
    )


def _weights_rows() -> Iterable[tuple[str, ...]]:
    for name, weights in WEIGHTS.items():
        users = ", ".join(f"`{user}`" for user in users_of(name)) or _NONE
        yield (
            f"`{name}`",
            f"`{weights.file}`",
            _size(weights),
            weights.licence + (" **(not commercial)**" if weights.non_commercial else ""),
            weights.what,
            users,
        )


def _section(facts: Facts) -> str:
    lines = [f"### {facts.name}", "", facts.description, "", f"Source: {facts.source}."]
    if facts.min_frames > 1:
        lines += ["", f"Needs {facts.min_frames} frames or more."]
    side = facts.least_side if isinstance(facts, NetworkDimension) else 0
    if side:
        lines += ["", f"Needs sides of {side} pixels or more."]
    if facts.scale is not None:
        scale = facts.scale
        lines += [
            "",
            f"In VBench's totals: from {scale.least:g} to {scale.greatest:g}, weight "
            f"{scale.weight:g} of its group; not clamped.",
        ]
    if facts.differences:
        lines += ["", 'With `compat="vbench"`:', "", *(f"- {each}" for each in facts.differences)]
    return "\n".join(lines)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _anchor(name: str) -> str:
    # Headings lose their dots on the way to an anchor.
    return name.replace(".", "").lower()


def _number(bound: float) -> str:
    return "unbounded" if math.isinf(bound) else f"{bound:g}"


def _size(weights: WeightsFile) -> str:
    return _NONE if weights.megabytes is None else f"{weights.megabytes:g} MB"
