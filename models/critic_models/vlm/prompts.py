"""Prompts as token ids: one prefix for what is judged, one short branch for every question.

The clip comes first and the question last, so that all questions about a clip share its prefix.
A caption is part of the question, and only of those that need it: what a critic says of sharpness
cannot depend on the caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from critic_models.errors import PromptError
from critic_models.vlm.criteria import ASPECT_SLOT, PROMPT_SLOT, Criterion
from critic_models.vlm.families import Family
from critic_models.vlm.tokens import Part, PromptTokenizer, Special

TEMPLATE_VERSION = "chat-1"

_START, _END = Special("<|im_start|>"), Special("<|im_end|>")
_VISION_START, _VISION_END = Special("<|vision_start|>"), Special("<|vision_end|>")
_VIDEO = "<|video_pad|>"
_CLIP_LABELS = ("Video A: ", "Video B: ")


@dataclass(frozen=True)
class VisualGrid:
    """A clip as the language model meets it.

    Attributes:
        temporal, height, width: the grid after merging; `temporal * height * width` tokens.
        seconds: time of every temporal patch, the mean of its frames' times.
        seconds_per_patch: time between temporal patches.
    """

    temporal: int
    height: int
    width: int
    seconds: tuple[float, ...]
    seconds_per_patch: float

    @property
    def num_tokens(self) -> int:
        return self.temporal * self.height * self.width


@dataclass(frozen=True, eq=False)
class Prefix:
    """Token ids (int64 `[P]`) of one or two clips, and which of them are visual (bool `[P]`)."""

    ids: np.ndarray
    is_visual: np.ndarray
    grids: tuple[VisualGrid, ...]


def build_prefix(
    tokenizer: PromptTokenizer,
    family: Family,
    grids: Sequence[VisualGrid],
    system: str | None,
) -> Prefix:
    """Write the part of the prompt that all questions about these clips share."""
    parts: list[Part] = []
    if system is not None:
        parts += [_START, f"system\n{system}", _END, "\n"]
    parts += [_START, "user\n"]
    for position, grid in enumerate(grids):
        if len(grids) > 1:
            parts.append(_CLIP_LABELS[position])
        parts += _clip_parts(family, grid)
    ids = np.asarray(tokenizer.encode(parts), dtype=np.int64)
    return Prefix(ids, ids == tokenizer.special_id(_VIDEO), tuple(grids))


def build_branch(tokenizer: PromptTokenizer, question: str) -> np.ndarray:
    """Write one question up to where the critic's answer would begin; int64 `[Q]`."""
    parts: list[Part] = [question, _END, "\n", _START, "assistant\n"]
    return np.asarray(tokenizer.encode(parts), dtype=np.int64)


def pointwise_question(criterion: Criterion, prompt: str | None) -> str:
    """Fill the caption into a criterion's question."""
    return _fill(criterion.question, criterion.name, prompt)


def pairwise_question(template: str, criterion: Criterion, prompt: str | None) -> str:
    """Fill a criterion's aspect, and the caption where it has one, into the pairwise question."""
    aspect = _fill(criterion.aspect, criterion.name, prompt)
    return template.replace(ASPECT_SLOT, aspect)


def _fill(text: str, criterion: str, prompt: str | None) -> str:
    if PROMPT_SLOT not in text:
        return text
    if prompt is None or not prompt.strip():
        raise PromptError(
            f"the criterion {criterion} judges a clip against its prompt; none was given",
            criterion=criterion,
        )
    return text.replace(PROMPT_SLOT, prompt.strip())


def _clip_parts(family: Family, grid: VisualGrid) -> list[Part]:
    if not family.timestamps:
        return [_VISION_START, Special(_VIDEO, grid.num_tokens), _VISION_END]
    per_patch = Special(_VIDEO, grid.height * grid.width)
    parts: list[Part] = []
    for seconds in grid.seconds:
        parts += [f"<{seconds:.1f} seconds>", _VISION_START, per_patch, _VISION_END]
    return parts
