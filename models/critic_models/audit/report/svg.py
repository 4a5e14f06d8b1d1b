"""Inline SVG by hand: marks, axes and three kinds of plot. Colours are the page's."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from critic_models.audit.report.markup import tag

_LABEL_PX = 190
_ROW_PX = 24
_PANEL_PX = 300
_PAD_PX = 16
_AXIS_PX = 26
_DOT_PX = 4.5
_CELL_PX = 46
_CHARACTER_PX = 6.6


@dataclass(frozen=True)
class Mark:
    """A figure on an axis with its interval; series `first` is a disc, `second` a square."""

    value: float
    low: float
    high: float
    series: str = "first"


@dataclass(frozen=True)
class Row:
    """One line of a plot of intervals.

    Attributes:
        label: to its left.
        marks: one above the other.
        guides: where a short dashed line stands, such as chance.
    """

    label: str
    marks: Sequence[Mark]
    guides: Sequence[float] = ()


@dataclass(frozen=True)
class Line:
    """Points `(x, y)` from left to right, a band `(x, low, high)` around them, and a series."""

    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]]
    series: str = "first"


def text(x: float, y: float, content: str, **attributes: object) -> str:
    """Write text at a point."""
    return tag("text", escape(content), x=x, y=y, **attributes)


def interval_plot(
    title: str, description: str, rows: Sequence[Row], low: float, high: float, step: float
) -> str:
    """Draw figures with their intervals, a row each, on one axis from `low` to `high`."""
    left = max([_LABEL_PX, *(_PAD_PX + _CHARACTER_PX * len(row.label) for row in rows)])
    width = left + 460.0
    bottom = _PAD_PX + _ROW_PX * len(rows)

    def at(value: float) -> float:
        clipped = min(high, max(low, value))
        return left + (width - left - _PAD_PX) * (clipped - low) / (high - low)

    parts = [
        _vertical(at(tick), _PAD_PX, bottom) + _tick(at(tick), bottom, tick)
        for tick in _ticks(low, high, step)
    ]
    for index, row in enumerate(rows):
        middle = _PAD_PX + _ROW_PX * (index + 0.5)
        parts.append(text(left - 10, middle + 4, row.label, text_anchor="end"))
        parts += [
            _vertical(at(guide), middle - 9, middle + 9, class_="guide") for guide in row.guides
        ]
        for place, mark in enumerate(row.marks):
            y = middle + 7 * (place - (len(row.marks) - 1) / 2)
            whisker = {"x1": at(mark.low), "x2": at(mark.high), "y1": y, "y2": y}
            parts.append(tag("line", class_=f"whisker {mark.series}", **whisker))
            parts.append(_dot(at(mark.value), y, mark.series))
    return drawing(title, description, width, bottom + _AXIS_PX, parts)


def panel_plot(
    title: str, description: str, lines: Sequence[Line], across: str, diagonal: bool = False
) -> str:
    """Draw lines on the unit square, the horizontal axis being called `across`."""
    left, top = 34.0, 8.0
    side_x, side_y = _PANEL_PX - left - 8.0, 170.0
    bottom = top + side_y

    def x_at(value: float) -> float:
        return left + side_x * min(1.0, max(0.0, value))

    def y_at(value: float) -> float:
        return bottom - side_y * min(1.0, max(0.0, value))

    parts = []
    for tick in _ticks(0.0, 1.0, 0.25):
        parts.append(_vertical(x_at(tick), top, bottom) + _tick(x_at(tick), bottom, tick))
        parts.append(tag("line", class_="axis", x1=left, x2=x_at(1), y1=y_at(tick), y2=y_at(tick)))
        parts.append(text(left - 5, y_at(tick) + 4, f"{tick:g}", class_="soft", text_anchor="end"))
    if diagonal:
        ends = {"x1": x_at(0), "y1": y_at(0), "x2": x_at(1), "y2": y_at(1)}
        parts.append(tag("line", class_="guide", **ends))
    for line in lines:
        if line.band:
            upper = [(x_at(x), y_at(high)) for x, _, high in line.band]
            lower = [(x_at(x), y_at(low)) for x, low, _ in reversed(line.band)]
            outline = points_of([*upper, *lower])
            parts.append(tag("polygon", class_=f"band {line.series}", points=outline))
        drawn = [(x_at(x), y_at(y)) for x, y in line.points]
        parts.append(tag("polyline", class_=f"line {line.series}", points=points_of(drawn)))
        parts += [_dot(x, y, line.series) for x, y in drawn]
    parts.append(text(x_at(0.5), bottom + 32, across, class_="soft", text_anchor="middle"))
    return drawing(title, description, _PANEL_PX, bottom + _AXIS_PX + 12, parts)


def heatmap(
    title: str,
    description: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[float | None]],
    outlined: frozenset[tuple[int, int]] = frozenset(),
) -> str:
    """Draw numbers in [-1, 1] as cells, the number in each; outlined ones should stand out.

    Above 0 a cell has the first colour, below 0 the second; a dash stands for no number.
    """
    left = max([60.0, *(_PAD_PX + _CHARACTER_PX * len(row) for row in rows)])
    top = 16 + 0.75 * _CHARACTER_PX * max([6, *map(len, columns)])
    overhang = 0.7 * _CHARACTER_PX * max([6, *map(len, columns)])
    parts = []
    for j, column in enumerate(columns):
        x, y = left + _CELL_PX * (j + 0.5), top - 8
        parts.append(text(x, y, column, transform=f"rotate(-45 {x:.1f} {y:.1f})"))
    for i, row in enumerate(rows):
        y = top + 30 * i
        parts.append(text(left - 8, y + 19, row, text_anchor="end"))
        for j, value in enumerate(cells[i]):
            x = left + _CELL_PX * j
            box = {"x": x + 1, "y": y + 1, "width": _CELL_PX - 2, "height": 28}
            if value is not None:
                series = "first" if value >= 0 else "second"
                shade = f"{0.6 * min(1.0, abs(value)):.3f}"
                parts.append(tag("rect", class_=f"cell {series}", fill_opacity=shade, **box))
            if (i, j) in outlined:
                parts.append(tag("rect", class_="outline", **box))
            written = "–" if value is None else f"{value:.2f}"
            parts.append(text(x + _CELL_PX / 2, y + 19, written, text_anchor="middle"))
    width = left + _CELL_PX * len(columns) + overhang
    return drawing(title, description, width, top + 30 * len(rows) + 4, parts)


def drawing(title: str, description: str, width: float, height: float, parts: Sequence[str]) -> str:
    """Wrap a drawing so that a screen reader says its title and description."""
    name = f"plot-{zlib.crc32(f'{title}|{description}'.encode()):08x}"
    return tag(
        "svg",
        tag("title", escape(title), id=f"{name}-title"),
        tag("desc", escape(description), id=f"{name}-desc"),
        *parts,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        style=f"max-width:{width:.0f}px",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _dot(x: float, y: float, series: str) -> str:
    if series == "first":
        return tag("circle", class_="first", cx=x, cy=y, r=_DOT_PX)
    side = 2 * _DOT_PX - 1
    corner = {"x": x - side / 2, "y": y - side / 2, "width": side, "height": side}
    return tag("rect", class_=f"hollow {series}", **corner)


def _vertical(x: float, top: float, bottom: float, class_: str = "axis") -> str:
    return tag("line", class_=class_, x1=x, x2=x, y1=top, y2=bottom)


def _tick(x: float, bottom: float, value: float) -> str:
    return text(x, bottom + 16, f"{value:g}", class_="soft", text_anchor="middle")


def _ticks(low: float, high: float, step: float) -> list[float]:
    return [round(low + i * step, 6) for i in range(round((high - low) / step) + 1)]


def points_of(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
