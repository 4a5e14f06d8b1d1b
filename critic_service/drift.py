"""Whether scores are distributed as they were: the population stability index, by criterion.

PSI = Σ (p − q) · ln(p / q) over bins of [0, 1], p being the shares of the latest scores and q those
of a reference (Siddiqi, Credit Risk Scorecards, 2006, who calls less than 0.1 no change and more
than 0.25 a great one). Half a score is added to every bin, so that an empty one is no infinity. Two
samples of the same distribution have about (bins − 1)(1/n + 1/m): 0.018 for two thousands.

A reference is a file, or else the first scores that come. The file is made of the metrics of a
service that is known to be good:

    curl -s http://127.0.0.1:3000/metrics | python -m critic_service.drift > reference.json

A policy that learns moves its scores too: drift says look, not stop.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

NUM_BINS = 10
SMOOTHING = 0.5
LEAST_SCORES = 100
MAX_CLIENTS = 32
EVERYBODY = "all"

Reference = Mapping[tuple[str, str], Sequence[float]]
"""Counts by bin, of each critic and criterion."""


class ReferenceUnusable(ValueError):
    """A file of reference scores cannot be read, or is not one."""


@dataclass(frozen=True)
class Drift:
    """How far the latest scores are from their reference."""

    critic: str
    criterion: str
    client: str
    psi: float


@dataclass
class _Series:
    """The latest scores of one kind, as numbers of bins, and what they are compared with."""

    reference: list[float] | None
    latest: deque[int]
    first: Counter[int] = field(default_factory=Counter)


class ScoreDrift:
    """Follow the scores of one process; for the event loop's thread.

    Scores are followed by criterion for all callers together (client `all`), and for each named key
    against its own first scores, for the first 32 names.

    Args:
        num_scores: how many of the latest scores are compared, and how many of the first ones are
            the reference where there is none.
        reference: of all callers together.
    """

    def __init__(self, num_scores: int, reference: Reference | None = None) -> None:
        self._num_scores = num_scores
        self._reference = dict(reference or {})
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._clients: set[str] = set()

    def on_score(self, critic: str, criterion: str, value: float, client: str = "") -> None:
        """Take one calibrated score."""
        self._follow(critic, criterion, EVERYBODY, value)
        if client and client != EVERYBODY and self._is_followed(client):
            self._follow(critic, criterion, client, value)

    def readings(self) -> Iterator[Drift]:
        """Tell the drift of what has enough scores, and enough to compare them with."""
        for (critic, criterion, client), series in self._series.items():
            least = min(LEAST_SCORES, self._num_scores)
            if series.reference is not None and len(series.latest) >= least:
                counts = Counter(series.latest)
                latest = [float(counts[index]) for index in range(NUM_BINS)]
                psi = population_stability_index(latest, series.reference)
                yield Drift(critic, criterion, client, psi)

    def _is_followed(self, client: str) -> bool:
        if len(self._clients) < MAX_CLIENTS:
            self._clients.add(client)
        return client in self._clients

    def _follow(self, critic: str, criterion: str, client: str, value: float) -> None:
        series = self._series.get((critic, criterion, client))
        if series is None:
            known = self._reference.get((critic, criterion)) if client == EVERYBODY else None
            reference = None if known is None else list(known)
            series = _Series(reference, deque(maxlen=self._num_scores))
            self._series[critic, criterion, client] = series
        index = bin_of(value)
        if series.reference is not None:
            series.latest.append(index)
            return
        series.first[index] += 1
        if series.first.total() >= self._num_scores:
            series.reference = [float(series.first[index]) for index in range(NUM_BINS)]


def bin_of(value: float) -> int:
    """Return the bin of a score; like a histogram's buckets, a bin holds its upper end."""
    # The buckets are steps of a twentieth, which binary fractions only come near.
    return min(NUM_BINS - 1, max(0, math.ceil(round(value * NUM_BINS, 9)) - 1))


def population_stability_index(latest: Sequence[float], reference: Sequence[float]) -> float:
    """Return the PSI of two lists of counts by bin; 0 or more, 0 for equal shares.

    Raises:
        ValueError: they have not as many bins.
    """
    p, q = _shares(latest), _shares(reference)
    return sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))


def read_reference(file: Path) -> dict[tuple[str, str], list[float]]:
    """Read what `python -m critic_service.drift` wrote.

    Raises:
        ReferenceUnusable: it cannot be read, or is not such a file.
    """
    try:
        told: Any = json.loads(file.read_text(encoding="utf-8"))
        found = {
            (each["critic"], each["criterion"]): [float(count) for count in each["counts"]]
            for each in told["scores"]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReferenceUnusable(f"{file} is no reference of scores: {error!r}") from None
    for counts in found.values():
        if len(counts) != NUM_BINS or not all(0 <= each < math.inf for each in counts):
            raise ReferenceUnusable(f"{file}: counts are {NUM_BINS} numbers, 0 or more")
    return found


def reference_of_metrics(exposition: str) -> dict[tuple[str, str], list[float]]:
    """Make a reference of the score histograms in Prometheus' text."""
    cumulative: dict[tuple[str, str], dict[int, float]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == "critic_score_value_bucket":
                key = (sample.labels["critic"], sample.labels["criterion"])
                upper = min(1.0, float(sample.labels["le"])) * NUM_BINS
                if abs(upper - round(upper)) < 1e-6:
                    ends = cumulative.setdefault(key, {})
                    ends[round(upper)] = max(sample.value, ends.get(round(upper), 0.0))
    return {
        key: [ends[index + 1] - ends.get(index, 0.0) for index in range(NUM_BINS)]
        for key, ends in cumulative.items()
    }


def _shares(counts: Sequence[float]) -> list[float]:
    whole = sum(counts) + SMOOTHING * len(counts)
    return [(count + SMOOTHING) / whole for count in counts]


def _main() -> None:
    found = reference_of_metrics(sys.stdin.read())
    rows = [
        {"critic": critic, "criterion": criterion, "counts": counts}
        for (critic, criterion), counts in sorted(found.items())
        if sum(counts) >= LEAST_SCORES
    ]
    if not rows:
        sys.exit(f"no criterion has {LEAST_SCORES} scores in these metrics")
    sys.stdout.write(json.dumps({"scores": rows}, indent=1) + "\n")


if __name__ == "__main__":
    _main()
