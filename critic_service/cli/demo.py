"""`critic demo`: start the service, judge two sample clips over HTTP, say what the numbers show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from critic_service.cli.failures import Failure, reporting
from critic_service.cli.output import print_line, print_tables

if TYPE_CHECKING:
    from critic_service import schemas
    from critic_service.cli.backend import Backend

SAMPLES = Path(__file__).parent.parent / "samples"

# A reading calls two values equal that differ by less than this.
CLEAR_DIFFERENCE = 0.05


@dataclass(frozen=True)
class Samples:
    """Two clips of one scene; into one of them a defect was rendered."""

    prompt: str
    clean: Path
    defect: Path
    defect_name: str

    @classmethod
    def load(cls, folder: Path = SAMPLES) -> Samples:
        """Read `samples.json` of a folder.

        Raises:
            Failure: if the folder does not hold what it should.
        """
        try:
            content = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
            return cls(
                prompt=content["prompt"],
                clean=folder / content["clean"],
                defect=folder / content["defect"],
                defect_name=content["defect_name"],
            )
        except (OSError, ValueError, KeyError) as error:
            raise Failure("no_samples", f"the sample clips are not installed: {error!r}") from error

    @property
    def labels(self) -> tuple[str, str]:
        """What the tables call the clean and the defective clip."""
        return ("clean", f"with {self.defect_name}")


def demo(
    start_timeout_s: Annotated[
        float, typer.Option("--start-timeout", min=1.0, help="Seconds to wait for the service.")
    ] = 180.0,
) -> None:
    """Start the service on a free port, judge two sample clips, and stop it again."""
    with reporting():
        samples = Samples.load()
        try:
            from critic_service.cli.child_service import child_service
            from critic_service.cli.remote import Remote
        except ModuleNotFoundError as error:
            message = f"the demo needs the package critic-client ({error.name} is not installed)"
            raise Failure("missing_package", message) from error
        with child_service(start_timeout_s) as url, Remote(url, None, None) as service:
            print_line(f"The service listens on {url}. Two clips of one scene, judged over HTTP:")
            show(service, samples)


def show(service: Backend, samples: Samples) -> None:
    """Judge the samples in three ways, and print tables with one line on what each shows.

    Raises:
        Failure: if a clip could not be judged.
    """
    from critic_service.cli.batch import merge_dimensions, merge_scores
    from critic_service.cli.tables import compare_table, dimensions_table, score_table

    files = (samples.clean, samples.defect)
    (critic,) = (each for each in service.info().critics[:1])
    criteria = [criterion.name for criterion in critic.criteria]

    scores = merge_scores(files, [service.score(file, samples.prompt, criteria) for file in files])
    print_tables(score_table(samples.labels, scores, samples.prompt))
    _say(read_scores(scores, samples.defect_name))

    pair = service.compare(*files, samples.prompt, None, "auto")
    print_tables(compare_table(samples.labels, pair, samples.prompt))
    _say(read_pair(pair.results[0]))

    measured = merge_dimensions(files, [service.dimensions(file, None) for file in files])
    print_tables(dimensions_table(samples.labels, measured))
    _say(read_dimensions(measured))
    print_line(f"What {critic.name} can and cannot judge: {critic.limits}")


def _say(reading: str) -> None:
    print_line(reading, "italic")
    print_line("")


def read_scores(response: schemas.ScoreResponse, defect_name: str) -> str:
    """Say in one line what the scores of the clean and the defective clip show."""
    clean, defect = response.results
    if clean.reward is None or defect.reward is None:
        return "Reading: there is no reward to compare."
    gap = _largest_gap(
        {name: score.value for name, score in clean.scores.items()},
        {name: score.value for name, score in defect.scores.items()},
    )
    where = f"; the largest difference is in {gap}" if gap else ""
    rewards = f"{clean.reward:.2f} for the clean clip, {defect.reward:.2f} with {defect_name}"
    return f"Reading: {_verdict(clean.reward - defect.reward)} (reward {rewards}){where}."


def read_pair(result: schemas.CompareResult) -> str:
    """Say in one line what the comparison of the clean (A) and the defective clip (B) shows."""
    preferences = result.preferences.values()
    consistencies = [
        each.order_consistency for each in preferences if each.order_consistency is not None
    ]
    agree = (
        f"; shown in the other order, it agrees with itself to {min(consistencies):.0%} at least"
        if consistencies
        else ""
    )
    verdict = {
        "a": "the critic prefers the clean clip",
        "b": "the critic prefers the defective clip, and is wrong",
        "tie": "the critic calls it a tie",
        None: "the critic has no overall preference",
    }[result.preferred]
    return f"Reading: side by side, {verdict}{agree}."


def read_dimensions(response: schemas.DimensionsResponse) -> str:
    """Say in one line what the measurements of the clean and the defective clip show."""
    clean, defect = (
        {name: dimension.value for name, dimension in result.dimensions.items()}
        for result in response.results
    )
    gap = _largest_gap(clean, defect)
    if gap is None:
        return "Reading: no dimension with a scale tells the clips apart."
    return f"Reading: measured without a critic, the largest difference is in {gap}."


def _verdict(advantage: float) -> str:
    if advantage > CLEAR_DIFFERENCE:
        return "the critic puts the clean clip above the other"
    if advantage < -CLEAR_DIFFERENCE:
        return "the critic puts the defective clip above the clean one, and is wrong"
    return "the critic hardly tells the clips apart"


def _largest_gap(clean: dict[str, float | None], defect: dict[str, float | None]) -> str | None:
    """Name what differs most between the clips, with both values; None where nothing does."""
    pairs = {
        name: (value, other)
        for name, value in clean.items()
        if value is not None and (other := defect.get(name)) is not None
    }
    if not pairs:
        return None
    name, (value, other) = max(pairs.items(), key=lambda entry: abs(entry[1][0] - entry[1][1]))
    return f"{name} ({value:.2f} against {other:.2f})" if value != other else None
