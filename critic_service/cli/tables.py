"""How judgements look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from critic_service import schemas
from critic_service.cli.output import one_line

MISSING = "–"
NEUTRAL = "cyan"
BAR_CELLS = 5
MIN_LABEL_WIDTH = 12
MAX_CLIPS_SIDE_BY_SIDE = 3
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LOW, _MIDDLE = 0.4, 0.7

_BETTER = {True: "higher", False: "lower", None: MISSING}


def score_table(
    labels: Sequence[str], response: schemas.ScoreResponse, prompt: str | None
) -> Table:
    """Lay out scores: few clips side by side, many clips in a row each."""
    names = _names(result.scores for result in response.results)
    title = _title(response.critic, prompt)
    if len(labels) > MAX_CLIPS_SIDE_BY_SIDE:
        table = new_table(title, "clip", "reward", *_headings(names))
        for label, result in zip(labels, response.results, strict=True):
            table.add_row(text(label), value(result.reward), *_shares(result.scores, names))
        return table
    table = new_table(title, "criterion", *labels)
    columns = [_values(result.scores, names) for result in response.results]
    for name, *cells in zip(names, *columns, strict=True):
        table.add_row(text(name), *cells)
    table.add_section()
    table.add_row(text("reward"), *(value(result.reward) for result in response.results))
    return table


def compare_table(
    labels: tuple[str, str], response: schemas.CompareResponse, prompt: str | None
) -> Table:
    """Lay out the preferences of one pair, criterion by criterion."""
    title = [*_title(response.critic, prompt), f"A: {labels[0]}", f"B: {labels[1]}"]
    columns = ("criterion", "prefers", "A wins", "tie", "B wins", "orders agree")
    table = new_table(title, *columns)
    result = response.results[0]
    for name, preference in result.preferences.items():
        table.add_row(
            text(name),
            _side(preference.preferred),
            value(preference.p_win, NEUTRAL),
            share(preference.p_tie),
            value(preference.p_lose, NEUTRAL),
            share(preference.order_consistency),
        )
    table.add_section()
    table.add_row(text("overall"), _side(result.preferred))
    return table


def rank_table(labels: Sequence[str], response: schemas.RankResponse, prompt: str | None) -> Table:
    """Lay out a group from best to worst; clips without a rank come last."""
    names = _names(result.scores for result in response.results)
    columns = ("clip", "rank", "reward", "advantage", *_headings(names))
    table = new_table(_title(response.critic, prompt), *columns)
    for result in sorted(response.results, key=lambda r: (r.rank is None, r.rank or 0, r.index)):
        table.add_row(
            text(labels[result.index]),
            text(MISSING if result.rank is None else str(result.rank)),
            value(result.reward),
            text(MISSING if result.advantage is None else f"{result.advantage:+.2f}"),
            *_shares(result.scores, names),
        )
    return table


def dimensions_table(labels: Sequence[str], response: schemas.DimensionsResponse) -> Table:
    """Lay out measurements: few clips side by side, many clips in a row each."""
    title = ["dimensions (a bar: normalised to [0, 1])"]
    measured = [result.dimensions for result in response.results]
    names = _names(measured)
    if len(labels) > MAX_CLIPS_SIDE_BY_SIDE:
        table = new_table(title, "clip", *_headings(names))
        for label, dimensions in zip(labels, measured, strict=True):
            table.add_row(text(label), *(_dimension(dimensions.get(name)) for name in names))
        return table
    table = new_table(title, "dimension", *labels)
    for name in names:
        table.add_row(text(name), *(_dimension(dimensions.get(name)) for dimensions in measured))
    return table


def critic_table(critic: schemas.CriticInfo) -> Table:
    """Lay out what one critic can be asked."""
    title = [f"{critic.name} ({critic.revision[:12]})", critic.description, critic.limits]
    table = new_table(title, "criterion", "question", "read from", "default", "weight")
    table.columns[1].justify = "left"
    for criterion in critic.criteria:
        weight = critic.reward_weights.get(criterion.name)
        table.add_row(
            text(criterion.name),
            text(criterion.question),
            text(criterion.read_from),
            text("yes" if criterion.default else ""),
            text("" if weight is None else f"{weight:g}"),
        )
    return table


def available_dimensions_table(dimensions: Sequence[schemas.DimensionInfo]) -> Table:
    """Lay out the dimensions that exist, and what the missing ones lack."""
    table = new_table(["dimensions"], "dimension", "better", "available", "what it measures")
    table.columns[3].justify = "left"
    for each in dimensions:
        table.add_row(
            text(each.name),
            text(_BETTER[each.higher_is_better]),
            text("yes" if each.available else "no", style="green" if each.available else "red"),
            text(each.description if each.available else each.reason or each.description),
        )
    return table


def available_metrics_table(metrics: Sequence[schemas.MetricInfo]) -> Table:
    """Lay out the metrics that a reward can name, and what the missing ones lack."""
    table = new_table(["metrics (higher is better)"], "metric", "available", "what it measures")
    table.columns[2].justify = "left"
    for each in metrics:
        table.add_row(
            text(each.name),
            text("yes" if each.available else "no", style="green" if each.available else "red"),
            text(each.description if each.available else each.reason or each.description),
        )
    return table


def new_table(title: Sequence[str], *columns: str) -> Table:
    """Return an empty table whose first column is text and whose others are numbers."""
    heading = Text("\n".join(one_line(line) for line in title if line))
    table = Table(
        title=heading,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    first, *others = columns
    table.add_column(text(first), min_width=MIN_LABEL_WIDTH)
    for column in others:
        table.add_column(text(column), justify="right")
    return table


def text(content: str, style: str = "") -> Text:
    """Return text that is shown as it is, whatever characters it has."""
    return Text(one_line(content), style=style, overflow="fold")


def value(number: float | None, style: str | None = None) -> Text:
    """Return a number of [0, 1] with a short bar, from red to green unless told otherwise."""
    if number is None:
        return Text(MISSING, style="dim")
    parts = ((bar(number), style or _grade(number)), (f" {number:.2f}", "bold"))
    return Text.assemble(*parts, no_wrap=True)


def share(number: float | None, style: str | None = None) -> Text:
    """Return a number of [0, 1] without a bar."""
    return Text(MISSING, style="dim") if number is None else Text(f"{number:.2f}", style or "")


def number(number: float | None) -> Text:
    """Return a number on a scale of its own."""
    return Text(MISSING, style="dim") if number is None else Text(f"{number:.4g}")


def bar(number: float) -> str:
    """Return a bar of `BAR_CELLS` characters for a number of [0, 1]."""
    full, eighths = divmod(round(min(1.0, max(0.0, number)) * BAR_CELLS * 8), 8)
    return ("█" * full + (_EIGHTHS[eighths] if eighths else "")).ljust(BAR_CELLS)


def _title(critic: str, prompt: str | None) -> list[str]:
    return [critic, f'prompt: "{prompt}"' if prompt else ""]


def _side(side: str | None) -> Text:
    return Text(MISSING, style="dim") if side is None else Text(side.upper(), style="bold")


def _dimension(dimension: schemas.Dimension | None) -> Text:
    if dimension is None:
        return number(None)
    return number(dimension.raw) if dimension.value is None else value(dimension.value)


def _values(scores: Mapping[str, schemas.Score], names: Iterable[str]) -> list[Text]:
    return [value(number) for number in _numbers(scores, names)]


def _shares(scores: Mapping[str, schemas.Score], names: Iterable[str]) -> list[Text]:
    return [
        share(number, None if number is None else _grade(number))
        for number in _numbers(scores, names)
    ]


def _numbers(scores: Mapping[str, schemas.Score], names: Iterable[str]) -> list[float | None]:
    return [scores[name].value if name in scores else None for name in names]


def _grade(number: float) -> str:
    return "red" if number < _LOW else "yellow" if number < _MIDDLE else "green"


def _headings(names: Iterable[str]) -> list[str]:
    """Return names that may be broken into lines between their words."""
    return [name.replace("_", " ") for name in names]


def _names(tables: Iterable[Mapping[str, object]]) -> list[str]:
    """Return the keys of all mappings, each once, in the order in which they are met."""
    return list(dict.fromkeys(name for table in tables for name in table))
