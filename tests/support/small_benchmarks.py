"""Small models for tests of the benchmarks: two layers, and clips of four small frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from critic_models.engine import WorkItem

from benchmarks import shapes
from benchmarks.measure import Finding
from benchmarks.shapes import Shape
from benchmarks.subject import Subject
from benchmarks.workload import clip, work_item

CPU = torch.device("cpu")
LAYERS = 2
TEXT = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.1,
}
VISION = {"hidden_size": 64, "intermediate_size": 96, "num_heads": 2, "out_hidden_size": 128}
SMALL = {
    shape.model_type: replace(
        shape,
        name=f"small-{shape.model_type}",
        text={**shape.text, **TEXT},
        vision={**shape.vision, **VISION},
        frames=4,
        height=side,
        width=side,
    )
    for shape, side in ((shapes.CPU_QWEN2_5_VL, 112), (shapes.CPU_QWEN3_VL, 128))
}
FAMILIES = tuple(SMALL)


def batch(shape: Shape, questions: int = 3, dtype: torch.dtype = torch.float32) -> list[WorkItem]:
    return [work_item(shape, [clip(shape, 0, CPU, dtype)], questions)]


def small_subject(
    model_type: str, items: Sequence[WorkItem], dtype: torch.dtype = torch.float32
) -> Subject:
    return Subject(SMALL[model_type], CPU, dtype, [items], LAYERS)


def of_kind(findings: Sequence[Finding], kind: type) -> list:
    return [finding for finding in findings if isinstance(finding, kind)]
