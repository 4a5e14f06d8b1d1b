"""Prompts: what is shared, what is asked, and where captions go."""

from __future__ import annotations

import numpy as np
import pytest
from critic_models.errors import PromptError
from critic_models.vlm.criteria import NANO_CRITERIA, ZERO_SHOT_CRITERIA
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.prompts import (
    VisualGrid,
    build_branch,
    build_prefix,
    pairwise_question,
    pointwise_question,
)
from tiny_critics import tokenizer, tokenizer_json
from tokenizers import Tokenizer

TOKENIZER = tokenizer()
USUAL = Tokenizer.from_str(tokenizer_json())
CRITERIA = {c.name: c for c in NANO_CRITERIA}
GRID = VisualGrid(2, 1, 2, (0.04, 0.36), 0.32)
PAD = "<|video_pad|>"


def usual(text: str) -> list[int]:
    ids: list[int] = USUAL.encode(text, add_special_tokens=False).ids
    return ids


def test_timestamped_prefix_is_the_published_layout() -> None:
    prefix = build_prefix(TOKENIZER, FAMILIES["qwen3_vl"], [GRID], None)
    patch = f"<|vision_start|>{PAD}{PAD}<|vision_end|>"
    text = f"<|im_start|>user\n<0.0 seconds>{patch}<0.4 seconds>{patch}"
    assert prefix.ids.tolist() == usual(text)
    assert prefix.is_visual.sum() == GRID.num_tokens


def test_plain_prefix_has_one_run_and_the_system_message() -> None:
    family = FAMILIES["qwen2_5_vl"]
    prefix = build_prefix(TOKENIZER, family, [GRID], family.system)
    text = (
        f"<|im_start|>system\n{family.system}<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|>{PAD * 4}<|vision_end|>"
    )
    assert prefix.ids.tolist() == usual(text)


def test_two_clips_are_labelled_in_the_order_given() -> None:
    other = VisualGrid(1, 1, 1, (0.0,), 0.1)
    prefix = build_prefix(TOKENIZER, FAMILIES["qwen2_vl"], [GRID, other], None)
    text = (
        f"<|im_start|>user\nVideo A: <|vision_start|>{PAD * 4}<|vision_end|>"
        f"Video B: <|vision_start|>{PAD}<|vision_end|>"
    )
    assert prefix.ids.tolist() == usual(text)


def test_prefix_and_branch_join_to_the_usual_encoding() -> None:
    prefix = build_prefix(TOKENIZER, FAMILIES["qwen2_vl"], [GRID], None)
    branch = build_branch(TOKENIZER, "Is it sharp?")
    text = (
        f"<|im_start|>user\n<|vision_start|>{PAD * 4}<|vision_end|>Is it sharp?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert np.concatenate([prefix.ids, branch]).tolist() == usual(text)


def test_only_questions_about_the_prompt_contain_it() -> None:
    for criterion in (*NANO_CRITERIA, *ZERO_SHOT_CRITERIA):
        question = pointwise_question(criterion, "a red fox")
        assert ("a red fox" in question) == (criterion.name == "text_alignment")
        assert "{" not in question


@pytest.mark.parametrize("prompt", [None, "", "   "])
def test_a_missing_prompt_is_an_error_only_where_needed(prompt: str | None) -> None:
    with pytest.raises(PromptError, match="text_alignment judges a clip against its prompt"):
        pointwise_question(CRITERIA["text_alignment"], prompt)
    assert pointwise_question(CRITERIA["sharpness"], prompt) == "Is the video sharp?"


def test_a_caption_cannot_fill_other_slots() -> None:
    question = pairwise_question("Better in {aspect}?", CRITERIA["text_alignment"], "{aspect}")
    assert question == 'Better in showing "{aspect}"?'
