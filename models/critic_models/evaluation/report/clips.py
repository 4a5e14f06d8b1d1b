"""The best and the worst clips of a run: what they look like, and frame by frame why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from critic_models.audit.report.filmstrip import filmstrip
from critic_models.audit.report.markup import tag, words
from critic_models.errors import ClipError
from critic_models.evaluation.comparing import FinishedRun
from critic_models.evaluation.report.radar import curve
from critic_models.evaluation.report.scale import higher_is_better
from critic_models.evaluation.rows import Row
from critic_models.evaluation.summary import number_of
from critic_models.video.limits import DEFAULT_LIMITS
from critic_models.video.load import load_clip, read_file
from critic_models.video.sampling import Uniform

AT_EACH_END = 2
_FRAMES = 8


@dataclass(frozen=True)
class Extreme:
    """A clip at one end of a dimension."""

    label: str
    row: Row
    number: float


def extremes(run: FinishedRun, name: str) -> list[Extreme]:
    """Return the clips at both ends of a dimension, best first; each once."""
    known = []
    for key in sorted(run.rows):
        score = run.rows[key].scores.get(name)
        number = None if score is None else number_of(name, score)
        if number is not None:
            known.append((number, run.rows[key]))
    better = higher_is_better(name)
    known.sort(key=lambda each: each[0], reverse=better is not False)
    labels = ("most", "least") if better is None else ("best", "worst")
    ends = known[:AT_EACH_END], known[AT_EACH_END:][-AT_EACH_END:]
    return [
        Extreme(label, row, number)
        for label, end in zip(labels, ends, strict=True)
        for number, row in end
    ]


def clips_section(run: FinishedRun) -> str:
    """Show the extremes of each dimension that the run has numbers for."""
    strips: dict[str, str] = {}
    parts = []
    for name in run.header.names:
        found = extremes(run, name)
        if found:
            parts.append(words("h3", name))
            parts += [tag("div", *_case(run, name, each, strips), class_="case") for each in found]
    return "".join(parts) or words("p", "No clip has a number.")


def _case(run: FinishedRun, name: str, case: Extreme, strips: dict[str, str]) -> Iterator[str]:
    row = case.row
    number = words("strong", f"{case.label}, {case.number:.4g}")
    yield tag("p", number + escape(f": {row.clip}"))
    if row.prompt is not None:
        yield words("p", f"“{row.prompt}”", class_="muted")
    if row.clip not in strips:
        strips[row.clip] = _strip(run, row)
    yield strips[row.clip]
    series = row.scores[name].per_frame
    if series is not None and len(series) > 1:
        yield curve(f"{name} of {row.clip}, from its first frame to its last", series)


def _strip(run: FinishedRun, row: Row) -> str:
    """Draw the frames, or say why they cannot be: what is shown must be what was measured."""
    try:
        data = read_file(run.root / row.clip, DEFAULT_LIMITS)
        if hashlib.sha256(data).hexdigest() != row.sha256:
            return words("p", "The file is not the one that was measured.", class_="muted")
        return filmstrip(load_clip(data, Uniform(_FRAMES)), row.clip)
    except ClipError as error:
        return words("p", error.message, class_="muted")
    except OSError as error:
        why = f"The file cannot be read any more: {error.strerror}."
        return words("p", why, class_="muted")
