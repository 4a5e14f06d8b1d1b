"""Work for an engine over tiny networks: clips of random patches, questions, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from critic_models.engine import Answers, Branch, WorkItem
from critic_models.errors import CriticError
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.patches import PreparedClip, VisionShape
from critic_models.vlm.positions import PositionVersion, prefix_positions
from critic_models.vlm.prompts import VisualGrid, build_branch, build_prefix
from tiny_critics import tiny_model, tokenizer

TOKENIZER = tokenizer()
ANSWERS = ("yes", "no", "A")
QUESTIONS = ("Is the video sharp?", "no", "Which of A or B is good, and at what time was it so?")
# Whole seconds: transformers before 5.18 truncates them, and could not be the reference.
SECONDS_PER_PATCH = 1.0


@cache
def vision_shape(model_type: str) -> VisionShape:
    return tiny_model(model_type).vision_shape


def clip(
    model_type: str, name: str = "one", grid: tuple[int, int, int] = (4, 4, 8), seed: int = 1
) -> PreparedClip:
    t, h, w = grid
    patch = vision_shape(model_type).patch_size
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(t * h * w, 6 * patch * patch, generator=generator, dtype=torch.float64)
    seconds = tuple(0.1 + SECONDS_PER_PATCH * i for i in range(t))
    return PreparedClip(
        name, patches, grid, VisualGrid(t, h // 2, w // 2, seconds, SECONDS_PER_PATCH)
    )


def item(
    model_type: str,
    clips: Sequence[PreparedClip],
    questions: Sequence[str] = QUESTIONS,
    version: PositionVersion = "mrope-hf5",
) -> WorkItem:
    family = FAMILIES[model_type]
    prefix = build_prefix(TOKENIZER, family, [c.grid for c in clips], family.system)
    tokens_per_second = vision_shape(model_type).tokens_per_second
    positions, start = prefix_positions(prefix, family, version, tokens_per_second)
    ids = tuple(TOKENIZER.answer_ids(ANSWERS))
    branches = tuple(Branch(q, build_branch(TOKENIZER, q), ANSWERS, ids) for q in questions)
    return WorkItem(tuple(clips), prefix, positions, start, branches)


def numbers(results: Sequence[Answers | CriticError]) -> list[list[list[float]]]:
    """Answer logits and log-normaliser of every branch of every item; raises an item's error."""
    rows = []
    for result in results:
        if isinstance(result, CriticError):
            raise result
        rows.append([[*answer.logits, answer.log_normalizer] for answer in result])
    return rows
