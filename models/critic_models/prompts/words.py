"""Words of a prompt: which carry content, which are the same, and which are negated. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CLAUSE = re.compile(r"[.;!?\n]")
_NEGATION_TEXT = (
    "no not without avoid avoids avoiding excluding exclude excludes excluded never none neither "
    "nor free lacking lacks absent devoid minus"
)
_NEGATIONS = frozenset(_NEGATION_TEXT.split())
# Fillers of requests beside the usual ones: they ask for a video, and say nothing of it.
_STOP_TEXT = (
    "a an the and or but if then of in on at by to from with for into onto over under up down out "
    "off as is are was were be been being am do does did has have had this that these those it its "
    "he she they them his her their my your our we you i me him us who whom which what where when "
    "there here so very too also just only than more most some any each every all both can will "
    "would should could may might must shall not no please make create generate show showing video "
    "clip prompt want need like"
)
_STOP_WORDS = frozenset(_STOP_TEXT.split())
_SUFFIXES = ("ingly", "edly", "ings", "ing", "ies", "ied", "es", "ed", "ly", "s")
_WORDS_BEFORE = 6


@dataclass(frozen=True)
class Mentions:
    """How a phrase occurs in a text."""

    negated: bool
    asserted: bool


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case and in one form of Unicode."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def stem_of(word: str) -> str:
    """Cut what inflection adds, crudely: `running` and `runs` both become `run`."""
    base = word.removesuffix("'s")
    for suffix in _SUFFIXES:
        least = 2 if suffix in ("ies", "ied") else 3
        if suffix == "s" and base.endswith("ss"):
            break
        if base.endswith(suffix) and len(base) - len(suffix) >= least:
            base = base[: -len(suffix)]
            if suffix in ("ies", "ied"):
                return f"{base}y"
            break
    if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "aeiouls":
        base = base[:-1]
    return base.removesuffix("e") if len(base) > 3 else base


def stems(text: str) -> frozenset[str]:
    """Return the stems of all words of a text."""
    return frozenset(map(stem_of, words_of(text)))


def content_words(text: str) -> dict[str, str]:
    """Return the words that carry content, by their stems, in their order."""
    found: dict[str, str] = {}
    for word in words_of(text):
        if word not in _STOP_WORDS and not (len(word) == 1 and word.isascii()):
            found.setdefault(stem_of(word), word)
    return found


@dataclass(frozen=True)
class Clause:
    """The words of one clause, and their stems in the same order."""

    words: tuple[str, ...]
    stems: tuple[str, ...]
    known: frozenset[str]


def clauses_of(text: str) -> list[Clause]:
    """Cut a text where its clauses end."""
    clauses = []
    for part in _CLAUSE.split(text):
        words = tuple(words_of(part))
        if words:
            found = tuple(map(stem_of, words))
            clauses.append(Clause(words, found, frozenset(found)))
    return clauses


def mentions(clauses: Sequence[Clause], phrase: str) -> Mentions:
    """Find a phrase in a text, its words in any order within a clause.

    It is negated where a word such as `no`, `without` or `avoid` comes at most a few words before
    the first of its words, and asserted otherwise.
    """
    wanted = frozenset(content_words(phrase)) or stems(phrase)
    negated = asserted = False
    for clause in clauses:
        if not wanted or not wanted <= clause.known:
            continue
        first = next(i for i, stem in enumerate(clause.stems) if stem in wanted)
        before = clause.words[max(0, first - _WORDS_BEFORE) : first]
        if _NEGATIONS.isdisjoint(before):
            asserted = True
        else:
            negated = True
    return Mentions(negated, asserted)


def script_of(text: str) -> Literal["spaced", "unspaced"]:
    """Say whether most letters are of a script that puts spaces between its words."""
    letters = [c for c in text if c.isalpha()]
    unspaced = sum(map(_is_unspaced, letters))
    return "unspaced" if unspaced * 2 > len(letters) else "spaced"


def _is_unspaced(letter: str) -> bool:
    name = unicodedata.name(letter, "")
    return name.startswith(
        ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "BOPOMOFO", "TIBETAN")
    )
