"""Prometheus metrics of one process, in a registry of their own. Every label is of a known set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from critic_service.drift import Drift
from critic_service.judge import EngineStats

CONTENT_TYPE = CONTENT_TYPE_LATEST

Level = Literal["call", "item", "criterion"]

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
ITEMS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
TOKENS = tuple(float(2**power) for power in range(7, 20))
SHARES = tuple(step / 20 for step in range(1, 21))


@dataclass(frozen=True)
class _Counted:
    """A counter that is read from elsewhere when it is asked for."""

    name: str
    description: str
    label: str
    counts: Callable[[], Mapping[str, float]]

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self.name, self.description, labels=[self.label])
        for value, count in self.counts().items():
            family.add_metric([value], count)
        yield family


@dataclass(frozen=True)
class _Drifts:
    """The drift of scores, read when it is asked for."""

    readings: Callable[[], Iterator[Drift]]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "critic_score_drift_psi",
            "Population stability index of the latest scores against their reference",
            labels=["critic", "criterion", "client"],
        )
        for each in self.readings():
            family.add_metric([each.critic, each.criterion, each.client], each.psi)
        yield family


class Metrics:
    """What the rooms of the service count. Each instance has its own registry."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        ProcessCollector(registry=own)
        self._requests = Counter(
            "critic_requests", "Calls by name and status", ["call", "code"], registry=own
        )
        self._request_seconds = Histogram(
            "critic_request_seconds",
            "From the first byte of a call to its answer",
            ["call"],
            buckets=SECONDS,
            registry=own,
        )
        self._failures = Counter(
            "critic_failures",
            "Calls, items and criteria without a result",
            ["level", "code"],
            registry=own,
        )
        self._wait_seconds = Histogram(
            "critic_queue_wait_seconds", "Wait for a batch", buckets=SECONDS, registry=own
        )
        self._batch_items = Histogram(
            "critic_batch_items", "Items of one run", buckets=ITEMS, registry=own
        )
        self._batch_tokens = Histogram(
            "critic_batch_tokens", "Tokens of one run", buckets=TOKENS, registry=own
        )
        self._engine_seconds = Histogram(
            "critic_engine_seconds", "Duration of one run", buckets=SECONDS, registry=own
        )
        self._tokens = Counter("critic_tokens", "Tokens that were run", registry=own)
        self._decode_seconds = Histogram(
            "critic_decode_seconds",
            "Decoding and preparing of one clip",
            buckets=SECONDS,
            registry=own,
        )
        self._clips = Counter("critic_clips", "Clips that were decoded", registry=own)
        self._scores = Histogram(
            "critic_score_value",
            "Calibrated scores",
            ["critic", "criterion"],
            buckets=SHARES,
            registry=own,
        )

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge `critic_<name>` that is read when it is asked for."""
        Gauge(f"critic_{name}", description, registry=self._registry).set_function(value)

    def watch_counts(
        self, name: str, description: str, label: str, counts: Callable[[], Mapping[str, float]]
    ) -> None:
        """Add a counter `critic_<name>` that somebody else counts, by a label of a known set."""
        self._registry.register(_Counted(f"critic_{name}", description, label, counts))

    def watch_drift(self, readings: Callable[[], Iterator[Drift]]) -> None:
        """Add the drift of scores by critic, criterion and client."""
        self._registry.register(_Drifts(readings))

    def watch_engine(self, stats: Callable[[], EngineStats]) -> None:
        """Add what an engine counts: its forwards, its budget, its cache of encoded clips."""
        self.watch_counts(
            "engine_forwards",
            "Forwards by outcome",
            "outcome",
            lambda: {"answered": stats().forwards, "out_of_memory": stats().out_of_memory},
        )
        self.watch_counts(
            "vision_cache_lookups",
            "Clips of forwards, by whether their encoding was kept from an earlier one",
            "outcome",
            lambda: {"hit": stats().vision_cache.hits, "miss": stats().vision_cache.misses},
        )
        self.watch(
            "engine_budget_tokens",
            "Present budget of one forward, in tokens",
            lambda: stats().max_batch_tokens,
        )
        self.watch(
            "vision_cache_bytes",
            "Encoded clips that are kept, in bytes",
            lambda: stats().vision_cache.num_bytes,
        )

    def on_request(self, call: str, status: int, seconds: float) -> None:
        """Count an answered call; `call` must be of a known set."""
        self._requests.labels(call, str(status)).inc()
        self._request_seconds.labels(call).observe(seconds)

    def on_failure(self, level: Level, code: str) -> None:
        """Count something that has no result; `code` is that of an error class."""
        self._failures.labels(level, code).inc()

    def on_wait(self, waited_s: float) -> None:
        """Count an item that left the queue."""
        self._wait_seconds.observe(waited_s)

    def on_batch(self, num_items: int, num_tokens: int, ran_s: float) -> None:
        """Count a run of the engine."""
        self._batch_items.observe(num_items)
        self._batch_tokens.observe(num_tokens)
        self._engine_seconds.observe(ran_s)
        self._tokens.inc(num_tokens)

    def on_decode(self, seconds: float) -> None:
        """Count a clip that was decoded."""
        self._clips.inc()
        self._decode_seconds.observe(seconds)

    def on_score(self, critic: str, criterion: str, value: float) -> None:
        """Count one calibrated score; its distribution tells a drifting reward."""
        self._scores.labels(critic, criterion).observe(value)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
