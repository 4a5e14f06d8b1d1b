"""What the rows of a run add up to, with everything that is not in the numbers by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.dimensions.totals import Totals, over_clips, totals
from critic_models.evaluation.manifest import WorkList
from critic_models.evaluation.rows import CRITERION_PREFIX, Row
from critic_models.evaluation.run import Unmeasured, is_vbench, names_for
from critic_models.types import DimensionScore

FORMAT = 1


@dataclass(frozen=True)
class Figure:
    """One dimension or criterion over the clips that it is for.

    Attributes:
        number: the mean over clips that have one, on the scale of VBench's overall results for
            dimensions, in [0, 1] for criteria; None where no clip has one.
        counted: clips in the mean.
        asked: clips that it is for, those that are missing among them.
        lacking: why the others are not in it, by key.
        unavailable: why it could not be measured on any clip here; None where it could.
    """

    number: float | None
    counted: int
    asked: int
    lacking: Mapping[str, str]
    unavailable: str | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether every clip that it is for is in the number."""
        return self.number is not None and not self.lacking


@dataclass(frozen=True)
class Summary:
    """A run as a whole.

    Attributes:
        figures: by dimension or criterion.
        totals: VBench's, of the dimensions that are complete.
        incomplete: of the totals' members those that were measured, but not on every clip.
        missing, extra, duplicates: see `WorkList`.
        broken: why whole clips have no numbers, by key.
        identical: keys of files that are the same to the byte.
    """

    num_clips: int
    figures: Mapping[str, Figure]
    totals: Totals
    incomplete: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    duplicates: tuple[str, ...]
    broken: Mapping[str, str]
    identical: tuple[tuple[str, ...], ...]

    @property
    def is_complete(self) -> bool:
        """Tell whether all that was asked has a number."""
        return all(figure.is_complete for figure in self.figures.values())


def summarise(
    work: WorkList,
    rows: Mapping[str, Row],
    names: Sequence[str],
    unavailable: Mapping[str, str],
    unmeasured: Sequence[Unmeasured] = (),
) -> Summary:
    """Add up a run.

    Args:
        work: its list.
        rows: its results.
        names: what was asked.
        unavailable: of those, what cannot be measured here, and why.
        unmeasured: what went wrong this time.
    """
    tried = {each.clip.key: each.reason for each in unmeasured}
    figures = {name: _figure(name, work, rows, unavailable, tried) for name in names}
    complete = {name: each.number if each.is_complete else None for name, each in figures.items()}
    broken = {key: row.failure for key, row in sorted(rows.items()) if row.failure is not None}
    return Summary(
        num_clips=len(work.clips),
        figures=figures,
        totals=totals(complete),
        incomplete=tuple(
            name
            for name, each in figures.items()
            if is_vbench(name) and each.number is not None and not each.is_complete
        ),
        missing=tuple(clip.key for clip in work.missing),
        extra=work.extra,
        duplicates=work.duplicates,
        broken={**broken, **tried},
        identical=_identical(rows),
    )


def over(name: str, scores: Sequence[DimensionScore]) -> float | None:
    """Return the number of a dimension or criterion over clips; None where no clip has one."""
    if name in CATALOGUE:
        return over_clips(name, scores)
    numbers = [number for each in scores if (number := number_of(name, each)) is not None]
    return sum(numbers) / len(numbers) if numbers else None


def number_of(name: str, score: DimensionScore) -> float | None:
    """Return what a clip adds to the number over clips, on that number's scale."""
    if name.startswith(CRITERION_PREFIX):
        return score.value
    scale = CATALOGUE[name].scale if name in CATALOGUE else None
    return score.raw if score.raw is None or scale is None else score.raw / scale.unit


def to_document(summary: Summary) -> dict[str, Any]:
    """Build the JSON document of `summary.json` and of `critic evaluate --json`."""
    found = summary.totals
    return {
        "format": FORMAT,
        "complete": summary.is_complete,
        "clips": summary.num_clips,
        "dimensions": {
            name: {**asdict(figure), "lacking": dict(figure.lacking)}
            for name, figure in summary.figures.items()
        },
        "totals": {
            "quality": found.quality,
            "semantic": found.semantic,
            "total": found.total,
            "missing": [name for name in found.missing if name not in summary.incomplete],
            "incomplete": list(summary.incomplete),
        },
        "missing_clips": list(summary.missing),
        "extra_files": list(summary.extra),
        "listed_twice": list(summary.duplicates),
        "broken_clips": dict(summary.broken),
        "identical_clips": [list(keys) for keys in summary.identical],
    }


def _figure(
    name: str,
    work: WorkList,
    rows: Mapping[str, Row],
    unavailable: Mapping[str, str],
    tried: Mapping[str, str],
) -> Figure:
    present = [clip for clip in work.clips if names_for(clip, [name])]
    absent = [clip for clip in work.missing if names_for(clip, [name])]
    if name in unavailable:
        return Figure(None, 0, len(present) + len(absent), {}, unavailable[name])
    lacking = {clip.key: "The file is missing." for clip in absent}
    counted = []
    for clip in present:
        score = _score(rows.get(clip.key), name)
        if score is None:
            lacking[clip.key] = tried.get(clip.key, "It was not measured.")
        elif number_of(name, score) is None:
            lacking[clip.key] = score.reason or "It has no number."
        else:
            counted.append(score)
    return Figure(
        over(name, counted),
        len(counted),
        len(present) + len(absent),
        dict(sorted(lacking.items())),
    )


def _score(row: Row | None, name: str) -> DimensionScore | None:
    return None if row is None else row.scores.get(name)


def _identical(rows: Mapping[str, Row]) -> tuple[tuple[str, ...], ...]:
    by_content: dict[str, list[str]] = {}
    for key in sorted(rows):
        if (digest := rows[key].sha256) is not None:
            by_content.setdefault(digest, []).append(key)
    return tuple(tuple(keys) for keys in by_content.values() if len(keys) > 1)
