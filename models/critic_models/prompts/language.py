"""Ask a critic's own language model about texts: packed forwards without a clip.

The engine packs clips, and its prefixes are told apart by their clips. A text has none, so texts
are packed here, into forwards of their own: a prefix holds a request and a prompt, each principle
is a branch, and network, attention, answers and readout are those of the engine.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from critic_kernels import SegmentLayout

from critic_models.engine.answers import Answers
from critic_models.engine.memory import is_out_of_memory, release
from critic_models.engine.work import Branch
from critic_models.errors import CriticError, EngineError, OutOfMemory, PromptError
from critic_models.prompts.judgement import Judgement, read_judgement
from critic_models.prompts.principles import ANSWERS, Principle, question_text, shared_text
from critic_models.vlm.features import VisionFeatures
from critic_models.vlm.model import CriticModel
from critic_models.vlm.prompts import build_branch
from critic_models.vlm.readout import Answer
from critic_models.vlm.tokens import Part, PromptTokenizer, Special

log = logging.getLogger(__name__)

MAX_TEXT_TOKENS = 4_096

_START, _END = Special("<|im_start|>"), Special("<|im_end|>")


@dataclass(frozen=True, eq=False)
class TextItem:
    """Some questions about one text: its prefix int64 `[P]`, and at least one branch."""

    prefix: np.ndarray
    branches: tuple[Branch, ...]

    @property
    def num_tokens(self) -> int:
        """What the item costs in one forward."""
        return len(self.prefix) + sum(len(branch.ids) for branch in self.branches)


def text_item(
    tokenizer: PromptTokenizer,
    system: str | None,
    query: str,
    prompt: str,
    principles: Sequence[Principle],
) -> TextItem:
    """Build the item that asks principles of one prompt.

    Raises:
        PromptError: the texts are not valid Unicode, or have too many tokens.
        CheckpointError: an answer is not one token of this tokenizer.
    """
    parts: list[Part] = []
    if system is not None:
        parts += [_START, f"system\n{system}", _END, "\n"]
    parts += [_START, f"user\n{shared_text(query, prompt)}"]
    prefix = np.asarray(tokenizer.encode(parts), dtype=np.int64)
    if len(prefix) > MAX_TEXT_TOKENS:
        raise PromptError(
            f"the query and the prompt have {len(prefix)} tokens; at most {MAX_TEXT_TOKENS} are "
            "allowed",
            limit="max_text_tokens",
            allowed=MAX_TEXT_TOKENS,
            found=len(prefix),
        )
    answer_ids = tuple(tokenizer.answer_ids(ANSWERS))
    branches = tuple(
        Branch(each.name, build_branch(tokenizer, question_text(each)), ANSWERS, answer_ids)
        for each in principles
    )
    return TextItem(prefix, branches)


def read_texts(
    model: CriticModel, items: Sequence[TextItem], max_tokens: int
) -> list[Answers | CriticError]:
    """Answer all items, in order, in forwards of at most `max_tokens`; a larger item runs alone.

    Where memory runs out an item of several is tried alone, and fails alone.

    Raises:
        EngineError: where a forward failed for another reason.
    """
    results: list[Answers | CriticError] = []
    for run in _runs(items, max_tokens):
        results += _run(model, run)
    return results


def judgement_of(answer: Answer) -> Judgement:
    """Read one principle's judgement from the logits of its answers."""
    log_yes, log_no = (logit - answer.log_normalizer for logit in answer.logits)
    return read_judgement(answer.criterion, log_yes, log_no)


def _runs(items: Sequence[TextItem], max_tokens: int) -> list[list[TextItem]]:
    runs: list[list[TextItem]] = []
    used = 0
    for item in items:
        if not runs or used + item.num_tokens > max_tokens:
            runs.append([])
            used = 0
        runs[-1].append(item)
        used += item.num_tokens
    return runs


def _run(model: CriticModel, items: Sequence[TextItem]) -> list[Answers | CriticError]:
    device = model.device
    try:
        # Kernels are launched on the thread's present device, wherever their tensors lie.
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            return _forward(model, items)
    except Exception as error:
        if not is_out_of_memory(error):
            log.exception("a forward over %d texts failed", len(items))
            raise EngineError("the critic's forward failed", items=len(items)) from error
    # Outside of the handler, whose error still holds the tensors of the failed forward.
    release(device)
    if len(items) > 1:
        return [result for item in items for result in _run(model, [item])]
    tokens = items[0].num_tokens
    return [OutOfMemory(f"a text of {tokens} tokens does not fit on {device}")]


@torch.inference_mode()
def _forward(model: CriticModel, items: Sequence[TextItem]) -> list[Answers | CriticError]:
    ids: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    shape: list[tuple[int, list[int]]] = []
    ends: list[int] = []
    row = 0
    for item in items:
        start = len(item.prefix)
        ids.append(item.prefix)
        positions.append(np.arange(start))
        row += start
        for branch in item.branches:
            ids.append(branch.ids)
            positions.append(np.arange(start, start + len(branch.ids)))
            row += len(branch.ids)
            ends.append(row - 1)
        shape.append((start, [len(branch.ids) for branch in item.branches]))
    # Every version of the positions agrees on text: all three coordinates count its tokens.
    hidden = model.encode_text(
        torch.from_numpy(np.concatenate(ids)),
        torch.from_numpy(np.tile(np.concatenate(positions), (3, 1))),
        SegmentLayout.tree(shape),
        torch.empty(0, dtype=torch.int64),
        VisionFeatures(torch.empty(0, _width(model), dtype=model.dtype, device=model.device), ()),
    )
    answer_ids = [branch.answer_ids for item in items for branch in item.branches]
    read = model.read_answers(
        hidden[torch.tensor(ends, device=hidden.device)], torch.tensor(answer_ids)
    )
    logits, normalizers = iter(read.logits.tolist()), iter(read.log_normalizer.tolist())
    return [
        tuple(
            Answer(branch.criterion, branch.words, tuple(next(logits)), next(normalizers))
            for branch in item.branches
        )
        for item in items
    ]


def _width(model: CriticModel) -> int:
    return int(model.network.lm_head.weight.shape[1])
