"""Finished runs, read back and held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from critic_models.audit.intervals import Estimate
from critic_models.errors import InputError
from critic_models.evaluation.evaluate import SUMMARY_FILE
from critic_models.evaluation.header import Header, read_header
from critic_models.evaluation.manifest import read_list_file
from critic_models.evaluation.results import RESULTS_FILE, read_results
from critic_models.evaluation.rows import Row
from critic_models.evaluation.statistics import Paired, Sample, holm, paired, weighted_mean
from critic_models.evaluation.summary import number_of

FORMAT = 1
MOST_RUNS = 6


@dataclass(frozen=True)
class FinishedRun:
    """The folder of an evaluation that came to its end.

    Attributes:
        name: what it is called in the report.
        header, rows, summary: what the folder holds.
    """

    name: str
    header: Header
    rows: Mapping[str, Row]
    summary: Mapping[str, Any]

    @property
    def root(self) -> Path:
        return Path(self.header.root)

    def samples(self, name: str) -> list[Sample]:
        """Return what each clip adds to a dimension or criterion; clips without a number are out.

        Clips of one prompt are one group; a clip whose prompt is not known is a group of its own.
        """
        found = []
        for key, row in self.rows.items():
            score = row.scores.get(name)
            number = None if score is None else number_of(name, score)
            if score is not None and number is not None:
                group = f"clip {key}" if row.prompt is None else f"prompt {row.prompt}"
                found.append(Sample(group, number, score.weight or 1.0))
        return found


@dataclass(frozen=True)
class Comparison:
    """Runs against each other; the first is the one that the report is about.

    Attributes:
        runs: by what they are called.
        names: dimensions and criteria that any of them has.
        figures: mean over clips by run and name, with its 95% interval where there is one.
        against: by the name of another run and of a dimension: the first run against it.
        adjusted: the p-values of `against`, adjusted for there being many.
        differently: what two runs were measured with that is not the same.
    """

    runs: Sequence[FinishedRun]
    names: Sequence[str]
    figures: Mapping[tuple[str, str], Estimate | None]
    against: Mapping[tuple[str, str], Paired]
    adjusted: Mapping[tuple[str, str], float]
    differently: Sequence[str]


def read_run(folder: Path, name: str) -> FinishedRun:
    """Read the folder of a run.

    Args:
        name: what it is called.

    Raises:
        InputError: it is no such folder, or the run has not come to its end.
    """
    header = read_header(folder)
    if header is None:
        raise InputError(f"{folder} holds no evaluation: it has no run.json")
    if not (folder / SUMMARY_FILE).is_file():
        raise InputError(
            f"the evaluation in {folder} has not come to its end; give its command again"
        )
    summary = read_list_file(folder / SUMMARY_FILE)
    rows = read_results(folder / RESULTS_FILE)
    return FinishedRun(name, header, rows, summary)


def compare(runs: Sequence[FinishedRun]) -> Comparison:
    """Hold the first run against each of the others.

    Raises:
        InputError: there are none, more than six, or two of one name.
    """
    if not 1 <= len(runs) <= MOST_RUNS:
        raise InputError(f"1 to {MOST_RUNS} runs are compared, not {len(runs)}")
    if len({run.name for run in runs}) != len(runs):
        raise InputError("two runs have one name")
    first, *others = runs
    names = list(dict.fromkeys(name for run in runs for name in run.header.names))
    samples = {(run.name, name): run.samples(name) for run in runs for name in names}
    figures = {key: weighted_mean(each) for key, each in samples.items()}
    against = {
        (other.name, name): paired(samples[first.name, name], samples[other.name, name])
        for other in others
        for name in names
    }
    ps = {key: each.p for key, each in against.items() if each.p is not None}
    return Comparison(runs, names, figures, against, holm(ps), _differently(runs))


def to_document(comparison: Comparison) -> dict[str, Any]:
    """Build the JSON document of `critic report --json`."""
    first, *others = comparison.runs
    return {
        "format": FORMAT,
        "runs": {
            run.name: {
                "root": run.header.root,
                "summary": run.summary,
                "intervals": {
                    name: _estimate(comparison.figures[run.name, name]) for name in comparison.names
                },
            }
            for run in comparison.runs
        },
        "differently_measured": list(comparison.differently),
        "against": {
            other.name: {
                name: {
                    **_paired(comparison.against[other.name, name]),
                    "p_adjusted": comparison.adjusted.get((other.name, name)),
                }
                for name in comparison.names
            }
            for other in others
        },
        "baseline": first.name,
    }


def _differently(runs: Sequence[FinishedRun]) -> list[str]:
    """Say in words what else than the clips may make two runs differ."""
    first, *others = runs
    return [
        f"{other.name} was measured with another {', '.join(differ)} than {first.name}"
        for other in others
        if (differ := other.header.differs_from(first.header))
    ]


def _paired(each: Paired) -> dict[str, Any]:
    return {
        "difference": _estimate(each.difference),
        "p": each.p,
        "prompts": each.num_prompts,
        "left_out": each.left_out,
    }


def _estimate(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else asdict(estimate)
