"""Radars and the curves of single clips, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from critic_models.audit.report.markup import tag
from critic_models.audit.report.svg import drawing, points_of, text

LEAST_AXES = 3
_RADIUS_PX = 170.0
_LABEL_PX = 14.0
_SIDE_PX = 190.0
_RINGS = (0.25, 0.5, 0.75, 1.0)
_CURVE_PX = (260.0, 46.0)
_MOST_POINTS = 400


def radar(axes: Sequence[str], runs: Mapping[str, Sequence[float | None]]) -> str:
    """Draw runs on axes from 0 in the middle to 1 outside.

    Args:
        axes: names, at least three, clockwise from the top.
        runs: by name, for each axis how far it reaches, in [0, 1]; None for no number, where the
            outline is open.
    """
    centre_x, centre_y = _RADIUS_PX + _SIDE_PX, _RADIUS_PX + 2 * _LABEL_PX
    turns = [2 * math.pi * index / len(axes) for index in range(len(axes))]

    def at(turn: float, reach: float) -> tuple[float, float]:
        distance = reach * _RADIUS_PX
        return centre_x + distance * math.sin(turn), centre_y - distance * math.cos(turn)

    parts = []
    for ring in _RINGS:
        outline = points_of([at(turn, ring) for turn in turns])
        parts.append(tag("polygon", class_="axis ring", points=outline))
    for turn, name in zip(turns, axes, strict=True):
        x, y = at(turn, 1.0)
        parts.append(tag("line", class_="axis", x1=centre_x, y1=centre_y, x2=x, y2=y))
        label_x, label_y = at(turn, 1.0 + _LABEL_PX / _RADIUS_PX)
        side = math.sin(turn)
        anchor = "middle" if abs(side) < 0.1 else "start" if side > 0 else "end"
        parts.append(text(label_x, label_y + 4, name, text_anchor=anchor))
    for number, reaches in enumerate(runs.values()):
        drawn = [None if r is None else at(t, r) for t, r in zip(turns, reaches, strict=True)]
        parts += _outline(drawn, f"run run-{number}")
    title = f"Radar of {len(axes)} dimensions"
    names = f"{', '.join(runs)}; the numbers are in the table below."
    size = 2 * centre_x, 2 * centre_y
    return drawing(title, names, *size, parts)


def curve(title: str, series: Sequence[float]) -> str:
    """Draw numbers from left to right between their least and their greatest."""
    least, greatest = min(series), max(series)
    step = max(1, math.ceil(len(series) / _MOST_POINTS))
    shown = series[::step]
    width, height = _CURVE_PX
    span = greatest - least or 1.0

    def at(index: int, number: float) -> tuple[float, float]:
        across = width * index / max(1, len(shown) - 1)
        return across, 4 + (height - 8) * (1 - (number - least) / span)

    points = [at(index, number) for index, number in enumerate(shown)]
    parts = [tag("polyline", class_="line first", points=points_of(points))]
    ends = ((10.0, greatest), (height - 2, least)) if greatest > least else ((height / 2, least),)
    parts += [text(width + 6, y, f"{number:.4g}", class_="soft") for y, number in ends]
    return drawing(title, f"From {least:.4g} to {greatest:.4g}.", width + 64, height, parts)


def _outline(points: Sequence[tuple[float, float] | None], class_: str) -> list[str]:
    known = [point for point in points if point is not None]
    dots = [tag("circle", class_=f"{class_} dot", cx=x, cy=y, r=3.0) for x, y in known]
    if len(known) == len(points):
        return [tag("polygon", class_=class_, points=points_of(known)), *dots]
    # Only neighbours are joined: a line across a gap would show a number that is not there.
    around = [*points[1:], points[0]]
    sides = [
        tag("line", class_=class_, x1=a[0], y1=a[1], x2=b[0], y2=b[1])
        for a, b in zip(points, around, strict=True)
        if a is not None and b is not None
    ]
    return sides + dots
