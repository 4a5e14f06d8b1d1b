"""From prepared clips and questions to answers, many at a time."""

from critic_models.engine.engine import Answers, Engine
from critic_models.engine.packing import PackedBatch, pack
from critic_models.engine.work import Branch, WorkItem

__all__ = ["Answers", "Branch", "Engine", "PackedBatch", "WorkItem", "pack"]
