"""Train the tokenizer of critic-nano: byte-level, small, and frugal with the words it meets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from critic_models.finetune.questions import OPEN_QUESTIONS, PAIRWISE_QUESTION
from critic_models.vlm.criteria import NANO_CRITERIA, PAIRWISE_ANSWERS
from critic_models.vlm.prompts import pairwise_question, pointwise_question
from critic_models.world import SLOTS, SPLITS, VALUES, write_caption
from critic_models.world.captions import PARTIAL_PHRASINGS

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

_MAX_VOCABULARY = 1024
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
    names: tuple[str, ...] = SLOTS
    slots = [dict(zip(names, v, strict=True)) for v in itertools.product(*VALUES.values())]
    phrasings = [*SPLITS["train"].phrasings, *itertools.chain(*PARTIAL_PHRASINGS.values())]
    captions = [write_caption(s, p) for s in slots for p in phrasings]
    yield from captions
    sentences = [caption[0].upper() + caption[1:] + "." for caption in captions[:400]]
    yield from sentences
    for criterion in NANO_CRITERIA:
        texts = captions[:40] + sentences[:40]
        yield from (pointwise_question(criterion, caption) for caption in texts)
        yield from (
            pairwise_question(PAIRWISE_QUESTION, criterion, caption) for caption in captions[:40]
        )
        yield from criterion.answers
    for question in OPEN_QUESTIONS.values():
        yield from [question] * 4
    yield from PAIRWISE_ANSWERS
    yield from itertools.chain(*VALUES.values())
    yield from ["user\n", "assistant\n", "\n", "Video A: ", "Video B: "]
    yield from (f"<{tenths / 10:.1f} seconds>" for tenths in range(100))
