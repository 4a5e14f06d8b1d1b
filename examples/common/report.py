"""A report in Markdown with its plot in SVG: means over seeds, and how far the seeds are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

# Which way each figure is better; None where neither is.
BETTER: dict[str, int | None] = {
    "reward": 1,
    "flicker": -1,
    "shake": -1,
    "right": 1,
    "detail": None,
    "variety": None,
    "passes": 1,
}
_COLOURS = ("#2563a8", "#b5541c", "#2e7d4f", "#7b3fa0", "#8a6d1d", "#555555")
_PANEL_W, _PANEL_H, _LEFT, _TOP, _GAP = 250, 150, 46, 34, 60


@dataclass(frozen=True)
class Line:
    """One state of one arm under one seed; without a round it is a yardstick."""

    arm: str
    round: int | None
    seed: int
    figures: dict[str, float]


def write_report(
    path: Path, title: str, about: str, facts: Sequence[str], lines: Sequence[Line]
) -> Path:
    """Write a report and, beside it, its plot; return the report's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plot = path.with_suffix(".svg")
    plot.write_text(draw(lines), encoding="utf-8")
    parts = [
        f"# {title}",
        about,
        "\n".join(f"- {fact}" for fact in facts),
        table(lines),
        "## Better, or only pleasing\n\n" + verdicts(lines),
        f"![Each figure by round]({plot.name})",
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def table(lines: Sequence[Line]) -> str:
    """Lay out mean ± standard deviation over seeds of each arm and round."""
    names = _names(lines)
    rows = ["| arm | round | " + " | ".join(f"{n}{_arrow(n)}" for n in names) + " |"]
    rows.append("|---" * (2 + len(names)) + "|")
    for (arm, round), group in _grouped(lines).items():
        cells = [_spread([each.figures[n] for each in group if n in each.figures]) for n in names]
        rows.append(f"| {arm} | {'' if round is None else round} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def verdicts(lines: Sequence[Line]) -> str:
    """Say of each arm what its last round changed against its first, in every seed or not."""
    said = []
    for arm in dict.fromkeys(line.arm for line in lines if line.round is not None):
        own = [line for line in lines if line.arm == arm and line.round is not None]
        first, last = min(e.round or 0 for e in own), max(e.round or 0 for e in own)
        if first == last:
            continue
        changes = []
        for name in _names(own):
            before = {e.seed: e.figures[name] for e in own if e.round == first}
            after = {e.seed: e.figures[name] for e in own if e.round == last}
            by_seed = [after[seed] - before[seed] for seed in before if seed in after]
            changes.append(f"{name} {np.mean(by_seed):+.3g} ({_judged(name, by_seed)})")
        said.append(f"- **{arm}**: {', '.join(changes)}")
    return "\n".join(said) or "One round shows no change."


def draw(lines: Sequence[Line]) -> str:
    """Draw a panel for each figure: a line for each arm, a band for the spread of seeds."""
    names = _names(lines)
    arms = list(dict.fromkeys(line.arm for line in lines if line.round is not None))
    width = _LEFT + len(names) * (_PANEL_W + _GAP)
    height = _TOP + _PANEL_H + 46 + 16 * len(arms)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, name in enumerate(names):
        parts += _panel(name, lines, arms, _LEFT + index * (_PANEL_W + _GAP))
    for index, arm in enumerate(arms):
        y = _TOP + _PANEL_H + 46 + 16 * index
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(f'<line x1="{_LEFT}" x2="{_LEFT + 24}" y1="{y}" y2="{y}" stroke="{colour}"/>')
        parts.append(f'<text x="{_LEFT + 32}" y="{y + 4}">{escape(arm)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(name: str, lines: Sequence[Line], arms: Sequence[str], left: float) -> list[str]:
    with_name = [line for line in lines if name in line.figures]
    values = [line.figures[name] for line in with_name]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    rounds = [line.round for line in with_name if line.round is not None]
    most = max(rounds, default=1) or 1

    def x(round: float) -> float:
        return left + _PANEL_W * round / most

    def y(value: float) -> float:
        return _TOP + _PANEL_H * (1 - (value - low) / span)

    parts = [
        f'<text x="{left}" y="{_TOP - 14}" font-weight="bold">{escape(name + _arrow(name))}</text>',
        f'<rect x="{left}" y="{_TOP}" width="{_PANEL_W}" height="{_PANEL_H}" fill="none" '
        'stroke="#999"/>',
    ]
    for value in (low, high):
        parts.append(
            f'<text x="{left - 4}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    for round in range(most + 1):
        parts.append(
            f'<text x="{x(round):.1f}" y="{_TOP + _PANEL_H + 16}" text-anchor="middle">'
            f"{round}</text>"
        )
    for line in (each for each in _means(with_name, name) if each[1] is None):
        at = y(line[2])
        parts.append(
            f'<line x1="{left}" x2="{left + _PANEL_W}" y1="{at:.1f}" y2="{at:.1f}" stroke="#999" '
            f'stroke-dasharray="4 3"><title>{escape(line[0])}</title></line>'
        )
    for index, arm in enumerate(arms):
        points = [(r, m, s) for a, r, m, s in _means(with_name, name) if a == arm and r is not None]
        if not points:
            continue
        colour = _COLOURS[index % len(_COLOURS)]
        edge = [(x(r), y(min(m + s, high))) for r, m, s in points]
        edge += [(x(r), y(max(m - s, low))) for r, m, s in reversed(points)]
        parts.append(f'<polygon points="{_points(edge)}" fill="{colour}" opacity="0.12"/>')
        middle = _points([(x(r), y(m)) for r, m, _ in points])
        parts.append(
            f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
    return parts


def _means(lines: Sequence[Line], name: str) -> list[tuple[str, int | None, float, float]]:
    found = []
    for (arm, round), group in _grouped(lines).items():
        values = [line.figures[name] for line in group]
        found.append((arm, round, float(np.mean(values)), float(np.std(values))))
    return found


def _grouped(lines: Sequence[Line]) -> dict[tuple[str, int | None], list[Line]]:
    groups: dict[tuple[str, int | None], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.arm, line.round), []).append(line)
    return groups


def _names(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(name for line in lines for name in line.figures))


def _arrow(name: str) -> str:
    return {1: " ↑", -1: " ↓", None: ""}[BETTER.get(name)]


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.3g}"
    return f"{np.mean(values):.3g} ± {np.std(values):.2g}"


def _judged(name: str, changes: Sequence[float]) -> str:
    way = BETTER.get(name)
    if way is None:
        return "neither way is better"
    better = sum(math.copysign(1, change) == way for change in changes if change)
    return f"better in {better} of {len(changes)} seeds"


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
