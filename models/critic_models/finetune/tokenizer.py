"""Train the tokenizer of critic-nano: byte-level, small, and frugal with the words it meets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from critic_models.finetune.questions import (
    ACTION_WORDS,
    OPEN_QUESTIONS,
    PAIRWISE_QUESTION,
    RELATION_WORDS,
)
from critic_models.vlm.criteria import NANO_CRITERIA, PAIRWISE_ANSWERS
from critic_models.vlm.prompts import pairwise_question, pointwise_question
from critic_models.world.catalogue import (
    COLOURS,
    DIRECTIONS,
    NUMBERS,
    RELATIONS,
    SCENES,
)
from critic_models.world.phrasings import (
    HELD_OUT_PHRASINGS,
    PARTIAL_PHRASINGS,
    PLACES,
    PLURALS,
    SEEN_PHRASINGS,
    WORDINGS,
)

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|video_pad|>",
    "<|image_pad|>",
)
_PIECES = r"(?:user|assistant)\n|<\d\.| seconds>|\d| ?\p{L}+| ?[^\s\p{L}\d]+|\s+"
"""Roles with their line break and the head of a timestamp are single pieces: every prompt pays
for them several times."""

_MAX_VOCABULARY = 2048
_REPEATS = 3
"""How often each word is shown, so that every word of the world becomes one token."""


def train_tokenizer(extra_texts: Sequence[str] = ()) -> Tokenizer:
    """Train on every question, caption, answer and timestamp of the world; deterministic.

    Any other text is encoded too, by its bytes in the worst case.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_MAX_VOCABULARY - len(SPECIAL_TOKENS),
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    corpus = [*_corpus(), *extra_texts]
    tokenizer.train_from_iterator(itertools.chain.from_iterable([corpus] * _REPEATS), trainer)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    return tokenizer


def _corpus() -> Iterator[str]:
    words = sorted(_words())
    yield from (f" {word}" for word in words)
    yield from (word for word in words)
    yield from (word.capitalize() for word in words)
    for criterion in NANO_CRITERIA:
        texts = ["a red ball moves left", "Two green boxes."]
        yield from (pointwise_question(criterion, text) for text in texts)
        yield from (pairwise_question(PAIRWISE_QUESTION, criterion, text) for text in texts)
    yield from OPEN_QUESTIONS.values()
    yield from ["user\n", "assistant\n", "\n", "Video A: ", "Video B: "]
    yield from (f"<{tenths / 10:.1f} seconds>" for tenths in range(100))


def _words() -> set[str]:
    """Collect every word of captions, questions and answers."""
    texts = [*SEEN_PHRASINGS, *HELD_OUT_PHRASINGS, *PARTIAL_PHRASINGS]
    texts = [re.sub(r"{\w+}", " ", text) for text in texts]
    texts += [*PLACES.values(), *PLURALS, *PLURALS.values(), *COLOURS, *DIRECTIONS, *RELATIONS]
    texts += [re.sub(r"{\w+}", " ", t) for w in WORDINGS.values() for form in w for t in form]
    texts += [*NUMBERS, *SCENES, "a", "an", "are", "is", "there", "something", "nothing"]
    texts += [*ACTION_WORDS.values(), *RELATION_WORDS.values(), *PAIRWISE_ANSWERS]
    texts += [answer for criterion in NANO_CRITERIA for answer in criterion.answers]
    return {word for text in texts for word in re.findall(r"[A-Za-z]+", text)}
