"""What can be said of an optimised prompt without a judge. Pure, deterministic.

Each check is named and says what it found. None of them is a substitute for a judge: they see
words, not meaning. A check that cannot be made, of a query and a prompt in different scripts say,
has neither passed nor failed, and a reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from critic_models.prompts.constraints import Request, take_apart
from critic_models.prompts.words import (
    Clause,
    clauses_of,
    content_words,
    mentions,
    script_of,
    stems,
)

CHECKS_VERSION = "checks-1"
LEAST_SHARE_RETAINED = 0.5
MIN_WORDS = 5
MAX_WORDS = 226
"""CogVideoX, for which VPO optimises, reads 226 tokens of a prompt, and a word is at least one."""
MAX_LISTED = 20
MAX_LISTED_CHARACTERS = 200
MAX_EXCLUSIONS = 64


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: of the check.
        passed: None where it could not be made.
        value: the number behind it, where there is one.
        found: what speaks against the prompt, at most `MAX_LISTED` of it.
        reason: why it did not pass, or could not be made.
    """

    name: str
    passed: bool | None
    value: float | None = None
    found: tuple[str, ...] = ()
    reason: str | None = None


def check_prompt(query: str, prompt: str) -> list[Check]:
    """Make all checks of an optimised prompt against the user's query."""
    pair = _Pair.of(query, prompt)
    return [check(name, pair) for name, check in _CHECKS.items()]


def checks_hash() -> str:
    """Hash everything that decides what a check says, but code: that is its version's."""
    facts = (CHECKS_VERSION, *CHECK_NAMES, LEAST_SHARE_RETAINED, MIN_WORDS, MAX_WORDS)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Pair:
    """A query and its prompt, taken apart once for all checks."""

    request: Request
    answer: Request
    prompt: str
    clauses: tuple[Clause, ...]

    @classmethod
    def of(cls, query: str, prompt: str) -> _Pair:
        answer = take_apart(prompt)
        return cls(take_apart(query), answer, prompt, tuple(clauses_of(answer.description)))

    @property
    def exclusions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.request.exclusions))


def _exclusions_kept(name: str, pair: _Pair) -> Check:
    """Each excluded phrase is excluded in the prompt too: by a flag, or by words such as `no`."""
    if len(pair.exclusions) > MAX_EXCLUSIONS:
        return _too_many(name)
    flagged = [stems(phrase) for phrase in dict.fromkeys(pair.answer.exclusions)]
    lost = [
        phrase
        for phrase, wanted in ((each, stems(each)) for each in pair.exclusions)
        if not any(wanted <= kept for kept in flagged)
        and not mentions(pair.clauses, phrase).negated
    ]
    return _verdict(name, lost, "these exclusions of the query are not in the prompt")


def _exclusions_absent(name: str, pair: _Pair) -> Check:
    """No excluded phrase is asked for."""
    if len(pair.exclusions) > MAX_EXCLUSIONS:
        return _too_many(name)
    shown = [each for each in pair.exclusions if mentions(pair.clauses, each).asserted]
    return _verdict(name, shown, "the prompt asks for what the query excludes")


def _too_many(name: str) -> Check:
    return Check(name, None, reason=f"the query excludes more than {MAX_EXCLUSIONS} things")


def _flags_kept(name: str, pair: _Pair) -> Check:
    """Each other flag is there with its value, however it is written."""
    kept = set(pair.answer.flags)
    lost = [str(flag) for flag in dict.fromkeys(pair.request.flags) if flag not in kept]
    return _verdict(name, lost, "these flags of the query are not in the prompt")


def _content_retained(name: str, pair: _Pair) -> Check:
    """Enough of the query's content words are in the prompt, in whatever form of the word."""
    words = content_words(pair.request.description)
    scripts = {script_of(pair.request.description), script_of(pair.answer.description)}
    if not words:
        return Check(name, None, reason="the query has no words to look for")
    if scripts != {"spaced"}:
        why = "the query and the prompt are not both in a script with spaces between words"
        return Check(name, None, reason=why)
    there = stems(pair.prompt)
    missing = [word for stem, word in words.items() if stem not in there]
    share = 1.0 - len(missing) / len(words)
    passed = share >= LEAST_SHARE_RETAINED
    reason = f"less than {LEAST_SHARE_RETAINED:g} of the query's content words are in the prompt"
    return Check(name, passed, share, _listed(missing), None if passed else reason)


_PREAMBLE = re.compile(
    r"\W*(?:"
    r"(?:sure|certainly|of course|absolutely|okay|ok|great|alright)\b\s*[,!.:]"
    r"|here(?:'s|’s| is| are| you go)\b"
    r"|(?:this|the)\s+(?:short\s+)?(?:video|clip|film)\s+"
    r"(?:opens|begins|starts|shows|depicts|features|captures)\b"
    r"|in (?:this|the) (?:short )?(?:video|clip|film)\b"
    r"|(?:(?:optimi[sz]ed|refined|improved|enhanced|expanded|final|detailed|text-to-video|video|the)"
    r"\s+)*prompt\s*(?:is\s*)?[:：]"
    r"|(?:as an ai|i (?:cannot|can't|can’t|am unable)|i'm sorry|i’m sorry|i am sorry|sorry)\b"
    r")",
    re.IGNORECASE,
)


def _no_preamble(name: str, pair: _Pair) -> Check:
    """The prompt begins with the scene: no "Here is", no "The video opens with", no refusal."""
    found = _PREAMBLE.match(pair.prompt)
    return _verdict(name, [found[0].strip()] if found else [], "the prompt does not start directly")


_MARKDOWN = {
    "code": re.compile(r"```|`[^`\n]+`"),
    "heading": re.compile(r"^\s{0,3}#{1,6}\s", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
    "list": re.compile(r"^[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t]+\S", re.MULTILINE),
    "link": re.compile(r"\[[^\]\n]{1,200}\]\("),
    "table": re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE),
    "quotation": re.compile(r"^[ \t]*>[ \t]", re.MULTILINE),
    "marker": re.compile(r"\[\[(?:start|end)\]\]", re.IGNORECASE),
}


def _no_markdown(name: str, pair: _Pair) -> Check:
    """The prompt is plain text."""
    found = [kind for kind, pattern in _MARKDOWN.items() if pattern.search(pair.prompt)]
    return _verdict(name, found, "the prompt has markup")


def _one_line(name: str, pair: _Pair) -> Check:
    """The prompt is one paragraph: VPO discards a refined prompt that has a line break."""
    breaks = len(pair.prompt.strip().splitlines()) - 1
    return Check(
        name,
        breaks <= 0,
        float(max(0, breaks)),
        reason="it has line breaks" if breaks > 0 else None,
    )


def _length(name: str, pair: _Pair) -> Check:
    """The prompt is neither a few words nor more than a text encoder reads."""
    if script_of(pair.prompt) != "spaced":
        return Check(name, None, reason="the prompt is not in a script with spaces between words")
    count = len(pair.prompt.split())
    passed = MIN_WORDS <= count <= MAX_WORDS
    reason = None if passed else f"it has {count} words; {MIN_WORDS} to {MAX_WORDS} are allowed"
    return Check(name, passed, float(count), reason=reason)


def _verdict(name: str, found: list[str], reason: str) -> Check:
    return Check(name, not found, None, _listed(found), reason if found else None)


def _listed(found: list[str]) -> tuple[str, ...]:
    return tuple(each[:MAX_LISTED_CHARACTERS] for each in found[:MAX_LISTED])


_CHECKS: dict[str, Callable[[str, _Pair], Check]] = {
    "exclusions_kept": _exclusions_kept,
    "exclusions_absent": _exclusions_absent,
    "flags_kept": _flags_kept,
    "content_retained": _content_retained,
    "no_preamble": _no_preamble,
    "no_markdown": _no_markdown,
    "one_line": _one_line,
    "length": _length,
}
CHECK_NAMES = tuple(_CHECKS)
