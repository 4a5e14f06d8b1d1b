"""What an engine counts, in Prometheus' text."""

from __future__ import annotations

from dataclasses import dataclass, field

from critic_models.engine import EngineStats
from critic_models.engine.cache import CacheStats
from fake_judge import FakeJudge
from prometheus_client.parser import text_string_to_metric_families

from critic_service.core import CriticCore
from critic_service.metrics import Metrics
from critic_service.settings import Settings

SETTINGS = Settings(drain_s=1.0)


def stats(hits: int) -> EngineStats:
    cache = CacheStats(
        hits=hits, misses=5, evictions=1, num_clips=2, num_bytes=4096, max_bytes=8192
    )
    return EngineStats(forwards=9, out_of_memory=2, max_batch_tokens=1234, vision_cache=cache)


@dataclass
class CountingFake(FakeJudge):
    engine_stats: EngineStats = field(default_factory=lambda: stats(hits=7))


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


async def test_the_engines_counts_are_told_as_they_are_when_asked() -> None:
    judge, metrics = CountingFake(), Metrics()
    async with CriticCore(judge, SETTINGS, metrics):
        found = samples(metrics)
        assert found["critic_vision_cache_lookups_total", "hit"] == 7
        assert found["critic_vision_cache_lookups_total", "miss"] == 5
        assert found["critic_vision_cache_bytes", ""] == 4096
        assert found["critic_engine_forwards_total", "answered"] == 9
        assert found["critic_engine_forwards_total", "out_of_memory"] == 2
        assert found["critic_engine_budget_tokens", ""] == 1234
        judge.engine_stats = stats(hits=8)
        assert samples(metrics)["critic_vision_cache_lookups_total", "hit"] == 8


async def test_a_critic_without_an_engine_has_none() -> None:
    metrics = Metrics()
    async with CriticCore(FakeJudge(), SETTINGS, metrics):
        assert not [name for name, _ in samples(metrics) if name.startswith("critic_vision")]
