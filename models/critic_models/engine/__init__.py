"""From prepared clips and questions to answers, many at a time."""

from critic_models.engine.answers import Answers
from critic_models.engine.engine import Engine, EngineStats
from critic_models.engine.options import DecidedOptions, EngineOptions
from critic_models.engine.packing import PackedBatch, pack
from critic_models.engine.work import Branch, WorkItem

__all__ = [
    "Answers",
    "Branch",
    "DecidedOptions",
    "Engine",
    "EngineOptions",
    "EngineStats",
    "PackedBatch",
    "WorkItem",
    "pack",
]
