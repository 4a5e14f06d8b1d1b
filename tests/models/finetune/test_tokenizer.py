from __future__ import annotations

import itertools

import pytest
from critic_models.finetune.questions import (
    ACTION_WORDS,
    OPEN_QUESTIONS,
    PAIRWISE_QUESTION,
    RELATION_WORDS,
)
from critic_models.finetune.tokenizer import SPECIAL_TOKENS, train_tokenizer
from critic_models.vlm.criteria import NANO_CRITERIA, PAIRWISE_ANSWERS
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.prompts import (
    VisualGrid,
    build_branch,
    build_prefix,
    pairwise_question,
    pointwise_question,
)
from critic_models.vlm.tokens import PromptTokenizer
from critic_models.world import ACTIONS
from critic_models.world.catalogue import COLOURS, DIRECTIONS, NOUNS, SCENES
from hypothesis import given
from hypothesis import strategies as st

TOKENIZER = train_tokenizer()
PROMPTS = PromptTokenizer(TOKENIZER.to_str())


def test_training_is_deterministic():
    assert train_tokenizer().to_str() == TOKENIZER.to_str()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_encoded_and_comes_back(text):
    assert TOKENIZER.decode(PROMPTS.encode_text(text), skip_special_tokens=False) == text


@given(st.sampled_from(SPECIAL_TOKENS), st.text(max_size=5))
def test_special_tokens_in_a_caption_are_ordinary_text(special, around):
    forbidden = {PROMPTS.special_id(token) for token in SPECIAL_TOKENS}
    assert not forbidden & set(PROMPTS.encode_text(around + special + around))


def test_every_answer_is_one_token():
    for criterion in NANO_CRITERIA:
        PROMPTS.answer_ids(criterion.answers)
    PROMPTS.answer_ids(PAIRWISE_ANSWERS)
    words = (NOUNS, COLOURS, DIRECTIONS, SCENES, ACTION_WORDS.values())
    PROMPTS.answer_ids(itertools.chain(*words))
    PROMPTS.answer_ids(RELATION_WORDS.values())
    assert set(ACTION_WORDS) == set(ACTIONS)


@pytest.mark.parametrize("criterion", NANO_CRITERIA, ids=lambda c: c.name)
def test_questions_are_cheap(criterion):
    caption = "two yellow boxes falling onto a block"
    fixed = pointwise_question(criterion, "x").replace("x", "")
    suffix = len(build_branch(PROMPTS, "")) if not criterion.needs_prompt else 4
    assert suffix == 4
    assert len(build_branch(PROMPTS, pointwise_question(criterion, caption))) <= 18
    assert len(PROMPTS.encode_text(fixed)) <= 7
    assert len(PROMPTS.encode_text(pairwise_question(PAIRWISE_QUESTION, criterion, "a"))) <= 17


@pytest.mark.parametrize("question", OPEN_QUESTIONS.values())
def test_open_questions_are_cheap(question):
    assert len(PROMPTS.encode_text(question)) <= 6


@pytest.mark.parametrize("seconds", [0.0, 0.7, 9.9])
def test_a_timestamp_costs_three_tokens(seconds):
    grid = VisualGrid(1, 2, 2, (seconds,), 1.0)
    prefix = build_prefix(PROMPTS, FAMILIES["qwen3_vl"], [grid], None)
    start_user, timestamp, vision = 2, 3, 1 + 4 + 1
    assert len(prefix.ids) == start_user + timestamp + vision
