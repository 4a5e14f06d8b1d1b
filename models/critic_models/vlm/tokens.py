"""Text to tokens, with a wall between markup and what a caller wrote.

Markup (chat roles, vision placeholders) is placed by token id. Everything else is encoded by a
second tokenizer that has no added tokens at all, so that a caption which spells `<|im_end|>` comes
out as ordinary text. Between two special tokens the result equals what the usual tokenizer gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from critic_models.errors import CheckpointError, PromptError


@dataclass(frozen=True)
class Special:
    """A special token by its literal, such as `<|im_start|>`, `count` times."""

    literal: str
    count: int = 1


Part = str | Special


class PromptTokenizer:
    """Encode prompts that mix markup and untrusted text.

    Args:
        tokenizer_json: the text of a `tokenizer.json`.

    Raises:
        CheckpointError: where the file is not a tokenizer.
    """

    def __init__(self, tokenizer_json: str) -> None:
        try:
            description = json.loads(tokenizer_json)
            added = description.get("added_tokens", [])
            self._special_ids: dict[str, int] = {t["content"]: int(t["id"]) for t in added}
            self._whole = Tokenizer.from_str(tokenizer_json)
            self._text = Tokenizer.from_str(
                json.dumps({**description, "added_tokens": [], "post_processor": None})
            )
        except Exception as error:  # the tokenizers library raises bare Exception
            raise CheckpointError(f"tokenizer.json cannot be read: {error}") from error
        self._text.no_padding()
        self._text.no_truncation()
        self._forbidden = frozenset(self._special_ids.values())

    @classmethod
    def from_directory(cls, directory: Path) -> PromptTokenizer:
        """Read `tokenizer.json` of a checkpoint."""
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(f"{directory} has no tokenizer.json", file="tokenizer.json")
        return cls(path.read_text(encoding="utf-8"))

    @property
    def vocab_size(self) -> int:
        return int(self._whole.get_vocab_size(with_added_tokens=True))

    def special_id(self, literal: str) -> int:
        """Return the id of a special token, or raise `CheckpointError`."""
        try:
            return self._special_ids[literal]
        except KeyError:
            raise CheckpointError(
                f"the tokenizer has no special token {literal}", token=literal
            ) from None

    def encode_text(self, text: str) -> list[int]:
        """Encode plain text; never yields the id of a special token.

        Raises:
            PromptError: where the text is not valid Unicode.
        """
        try:
            ids: list[int] = self._text.encode(text, add_special_tokens=False).ids
        except (UnicodeEncodeError, TypeError) as error:
            raise PromptError("the prompt is not valid Unicode text") from error
        if not self._forbidden.isdisjoint(ids):
            raise PromptError("the prompt contains a control token of this critic")
        return ids

    def encode(self, parts: Iterable[Part]) -> list[int]:
        """Encode a sequence of text and special tokens; neighbouring texts are joined first."""
        ids: list[int] = []
        pending = ""
        for part in parts:
            if isinstance(part, Special):
                if pending:
                    ids += self.encode_text(pending)
                    pending = ""
                ids += [self.special_id(part.literal)] * part.count
            else:
                pending += part
        if pending:
            ids += self.encode_text(pending)
        return ids

    def answer_ids(self, answers: Iterable[str]) -> list[int]:
        """Resolve answer words to single, pairwise different tokens.

        Raises:
            CheckpointError: where a word is not one token, or two words share one.
        """
        ids = []
        for answer in answers:
            tokens = self.encode_text(answer)
            if len(tokens) != 1:
                raise CheckpointError(
                    f"the answer {answer!r} is {len(tokens)} tokens in this tokenizer; a readout "
                    "needs exactly one",
                    answer=answer,
                )
            ids.append(tokens[0])
        if len(set(ids)) != len(ids):
            raise CheckpointError(f"two of the answers {list(answers)} are the same token")
        return ids
