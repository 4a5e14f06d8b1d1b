"""What a user's request says beside its description: exclusions and flags. Pure.

Users of video models write them in many ways: `-neg blur, morphing`, `--no text`,
`negative prompt: blur`, `-ar 16:9`, `-ar16:9`, `--motion 4`, `-motion: 5`, `-camera zoom in`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_EXCLUDING = frozenset({"neg", "negative", "no", "negative_prompt"})
# What services of video models read, from VidProM's requests and the manuals. Any other dash is a
# flag only where it is double or has a number; `-in the style of` is punctuation.
_KNOWN_TEXT = (
    "ar aspect camera motion m gs fps seed v w h s q c size style hide niji chaos stylize quality "
    "cfg steps duration length loop"
)
_KNOWN = frozenset(_KNOWN_TEXT.split())
# A flag follows a space, a comma or the beginning, so that `wide-angle` is none. Its value may be
# glued to it where it is a number, as in `-ar16:9`. What follows a negative prompt is excluded.
_FLAG = re.compile(
    r"(?:(?<=[\s,])|^)[-–—]{1,2}\s?(?P<name>[A-Za-z][A-Za-z_]*)(?P<glued>[:=]?\d[\d:./x]*)?"
    r"(?![\w-])\s*[:=]?"
    r"|\b(?P<exclusion>negative[ _-]prompts?)\s*[:=]",
    re.IGNORECASE,
)
_MAX_VALUE_WORDS = 4
_KEPT_VALUE_WORDS = 2


@dataclass(frozen=True)
class Flag:
    """A flag such as `-ar 16:9`; its name in lower case, its value with single spaces."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"-{self.name} {self.value}".rstrip()


@dataclass(frozen=True)
class Request:
    """A request, taken apart.

    Attributes:
        description: what is left without exclusions and flags.
        exclusions: phrases that name what must not be seen.
        flags: all others, in their order.
    """

    description: str
    exclusions: tuple[str, ...]
    flags: tuple[Flag, ...]


def take_apart(text: str) -> Request:
    """Part a request into its description, its exclusions and its flags."""
    found = list(_FLAG.finditer(text))
    description = [text[: found[0].start()] if found else text]
    exclusions: list[str] = []
    flags: list[Flag] = []
    for index, match in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        name, rest = (match["name"] or "neg").lower(), text[match.end() : end]
        if name in _EXCLUDING:
            exclusions += _phrases(rest)
            continue
        if match["glued"]:
            value, beyond = match["glued"].lstrip(":="), rest
        else:
            value, beyond = _value(rest)
        is_double = re.match(r"[-–—]{2}", match[0]) is not None
        if not (name in _KNOWN or is_double or value[:1].isdigit()):
            description.append(text[match.start() : end])
            continue
        flags.append(Flag(name, " ".join(value.lower().split())))
        description.append(beyond)
    return Request(" ".join(" ".join(description).split()), tuple(exclusions), tuple(flags))


def _value(rest: str) -> tuple[str, str]:
    """Part what follows a flag into its value and what is description again.

    A number is a value by itself; words are one up to a comma or stop, and at most a few of them.
    """
    number = re.match(r"\s*([\d][\d:./x]*)(?=[\s,;.]|$)", rest)
    if number is not None:
        return number[1].rstrip(".,"), rest[number.end() :]
    phrase = re.match(r"[^,.;\n]*", rest)
    words = (phrase[0] if phrase else "").split()
    if len(words) > _MAX_VALUE_WORDS:
        kept = words[:_KEPT_VALUE_WORDS]
        return " ".join(kept), " ".join(rest.split()[_KEPT_VALUE_WORDS:])
    return " ".join(words), rest[phrase.end() if phrase else 0 :]


def _phrases(text: str) -> list[str]:
    unquoted = re.sub(r"&quot;|[\"“”]", " ", text)
    parts = (" ".join(part.split()) for part in re.split(r"[,;.\n]|\bor\b|\band\b", unquoted))
    return [part for part in parts if part]
