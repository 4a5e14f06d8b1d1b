"""Drift of scores: the index by hand, what is followed, and the way of a reference."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from critic_service import drift
from critic_service.drift import (
    EVERYBODY,
    MAX_CLIENTS,
    NUM_BINS,
    ReferenceUnusable,
    ScoreDrift,
    bin_of,
    population_stability_index,
    read_reference,
    reference_of_metrics,
)
from critic_service.metrics import Metrics

SAME = 1e-12


def readings(scores: ScoreDrift) -> dict[tuple[str, str], float]:
    return {(each.criterion, each.client): each.psi for each in scores.readings()}


def test_the_index_by_hand() -> None:
    # Shares, half a score added to each of two bins: 7/10, 3/10 against 4/10, 6/10.
    by_hand = (0.7 - 0.4) * math.log(0.7 / 0.4) + (0.3 - 0.6) * math.log(0.3 / 0.6)
    assert by_hand == pytest.approx(0.375829, abs=1e-6)
    assert population_stability_index([6.5, 2.5], [3.5, 5.5]) == pytest.approx(by_hand, abs=SAME)


def test_a_divergence_to_one_side_alone_would_be_noticed() -> None:
    def kullback_leibler(p: list[float], q: list[float]) -> float:
        return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))

    forth = kullback_leibler([0.7, 0.3], [0.4, 0.6])
    back = kullback_leibler([0.4, 0.6], [0.7, 0.3])
    index = population_stability_index([6.5, 2.5], [3.5, 5.5])
    assert index == pytest.approx(forth + back, abs=SAME)
    assert abs(index - forth) > 0.1


def test_shares_are_compared_and_not_counts() -> None:
    many = population_stability_index([6999.5, 2999.5], [3.5, 5.5])
    assert many == pytest.approx(population_stability_index([6.5, 2.5], [3.5, 5.5]), abs=SAME)
    assert population_stability_index([3, 9, 5], [3, 9, 5]) == 0


def test_an_empty_bin_is_no_infinity_and_still_counts() -> None:
    index = population_stability_index([10, 0], [0, 10])
    assert index == pytest.approx(2 * (10 / 11) * math.log(21), abs=SAME)


def test_lists_of_different_bins_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        population_stability_index([1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    ("value", "index"),
    [(0.0, 0), (0.1, 0), (0.100001, 1), (0.3, 2), (0.7, 6), (0.95, 9), (1.0, 9), (-1, 0), (2, 9)],
)
def test_a_bin_holds_its_upper_end(value: float, index: int) -> None:
    assert bin_of(value) == index


def test_the_first_scores_are_the_reference_and_later_ones_are_compared() -> None:
    scores = ScoreDrift(10)
    for _ in range(10):
        scores.on_score("nano", "sharpness", 0.95)
    assert readings(scores) == {}
    for _ in range(10):
        scores.on_score("nano", "sharpness", 0.95)
    assert readings(scores) == {("sharpness", EVERYBODY): 0}
    for _ in range(10):
        scores.on_score("nano", "sharpness", 0.05)
    ends = 2 * (10 / 15) * math.log(10.5 / 0.5)
    assert readings(scores)["sharpness", EVERYBODY] == pytest.approx(ends, abs=SAME)


def test_a_given_reference_is_compared_with_from_the_start() -> None:
    reference = {("nano", "sharpness"): [0.0] * 9 + [10.0]}
    scores = ScoreDrift(10, reference)
    for _ in range(10):
        scores.on_score("nano", "sharpness", 0.05)
        scores.on_score("nano", "steadiness", 0.05)
    assert set(readings(scores)) == {("sharpness", EVERYBODY)}
    assert readings(scores)["sharpness", EVERYBODY] > 1


def test_each_key_has_its_own_first_scores_and_there_are_not_too_many() -> None:
    scores = ScoreDrift(2)
    for number in range(MAX_CLIENTS + 5):
        for _ in range(4):
            scores.on_score("nano", "sharpness", (number % 10) / 10, f"key-{number}")
    clients = {client for _, client in readings(scores)}
    assert clients == {EVERYBODY, *(f"key-{number}" for number in range(MAX_CLIENTS))}
    assert readings(scores)["sharpness", "key-3"] == 0


def test_a_key_cannot_pass_for_everybody() -> None:
    scores = ScoreDrift(2)
    scores.on_score("nano", "sharpness", 0.5, EVERYBODY)
    assert readings(scores) == {}
    [series] = scores._series.values()
    assert series.first.total() == 1


def test_a_reference_travels_from_metrics_through_the_command_to_the_gauge(tmp_path: Path) -> None:
    metrics = Metrics()
    values = [0.02, 0.1, 0.1, 0.35, 0.62, 0.7, 0.7, 0.94, 1.0, 1.0] * 20
    for value in values:
        metrics.on_score("nano", "sharpness", value)
    metrics.on_score("nano", "rare", 0.5)
    text = metrics.exposition()
    by_hand = [0.0] * NUM_BINS
    for value in values:
        by_hand[bin_of(value)] += 1
    assert reference_of_metrics(text.decode())["nano", "sharpness"] == by_hand

    command = [sys.executable, "-m", "critic_service.drift"]
    made = subprocess.run(command, input=text, capture_output=True, check=True, timeout=120)
    file = tmp_path / "reference.json"
    file.write_bytes(made.stdout)
    assert read_reference(file) == {("nano", "sharpness"): by_hand}

    scores = ScoreDrift(200, read_reference(file))
    metrics.watch_drift(scores.readings)
    for _ in range(200):
        scores.on_score("nano", "sharpness", 0.05)
    [sample] = [
        sample
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.name == "critic_score_drift_psi"
    ]
    assert sample.labels == {"critic": "nano", "criterion": "sharpness", "client": EVERYBODY}
    wanted = population_stability_index([200.0] + [0.0] * 9, by_hand)
    assert sample.value == pytest.approx(wanted, abs=SAME)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"scores": [{"critic": "c", "criterion": "q", "counts": [1, 2]}]}',
        json.dumps({"scores": [{"critic": "c", "criterion": "q", "counts": [-1] * NUM_BINS}]}),
        json.dumps({"scores": [{"critic": "c", "criterion": "q", "counts": [math.nan] * 10}]}),
        json.dumps({"scores": [{"critic": "c", "criterion": "q", "counts": ["x"] * 10}]}),
    ],
)
def test_what_is_no_reference_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "reference.json"
    file.write_text(text)
    with pytest.raises(ReferenceUnusable, match=r"reference\.json"):
        read_reference(file)
    with pytest.raises(ReferenceUnusable):
        read_reference(tmp_path / "nothing.json")


def test_bins_are_unions_of_the_histograms_buckets() -> None:
    from critic_service.metrics import SHARES

    ends = {round(share * drift.NUM_BINS, 6) for share in SHARES}
    assert {float(index + 1) for index in range(NUM_BINS)} <= ends
