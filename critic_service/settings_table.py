"""The reference of all settings; `python -m critic_service.settings_table` prints it."""

from __future__ import annotations

import inspect
import re
import sys
import types
from dataclasses import Field, fields
from typing import Any, get_args, get_origin, get_type_hints

from critic_models.video.limits import ClipLimits

from critic_service.settings import CLIP_PREFIX, PREFIX, Settings

_ATTRIBUTE = re.compile(r"([a-z0-9_]+(?:, [a-z0-9_]+)*): (.*)")
_OF_THE_MACHINE = {
    "decode_threads": "one for each core, at most 8",
    "decode_sandbox": "on where it is Linux",
}
_INTRODUCTION = """\
# Settings

Written by `python -m critic_service.settings_table > docs/settings.md`; a test compares the two.

Every setting is an environment variable, read once at the start. An unknown `CRITIC_` variable, or
a value that is not allowed, is an error that names it. Address and port are options of
`critic serve`.
"""


def page() -> str:
    """Return the reference as Markdown."""
    return "\n".join(
        (
            _INTRODUCTION,
            "## The service\n",
            *_table(Settings, PREFIX),
            "\n## Bounds on one clip\n",
            *_table(ClipLimits, CLIP_PREFIX),
        )
    )


def descriptions(owner: type) -> dict[str, str]:
    """Return what the docstring of a dataclass says of each attribute, by name."""
    _, _, section = inspect.cleandoc(owner.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        attribute = _ATTRIBUTE.fullmatch(line.removeprefix("    "))
        if attribute is not None and not line.startswith("     "):
            names = attribute[1].split(", ")
            found |= dict.fromkeys(names, attribute[2])
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _table(owner: type, prefix: str) -> list[str]:
    told = descriptions(owner)
    hints = get_type_hints(owner)
    rows = [
        f"| `{prefix}{each.name.upper()}` | {_kind(hints[each.name])} | {_default(each)} "
        f"| {told[each.name].replace('|', chr(92) + '|')} |"
        for each in fields(owner)
        if each.name != "clip"
    ]
    return ["| variable | value | default | what it is |", "| --- | --- | --- | --- |", *rows]


def _kind(hint: Any) -> str:
    if get_origin(hint) is types.UnionType:
        hint = next(each for each in get_args(hint) if each is not type(None))
    return {bool: "0 or 1", int: "whole number", float: "number", str: "text"}[hint]


def _default(each: Field[Any]) -> str:
    if each.name in _OF_THE_MACHINE:
        return _OF_THE_MACHINE[each.name]
    match each.default:
        case None:
            return "–"
        case bool() as switch:
            return "1" if switch else "0"
        case float() as number:
            return f"{number:g}"
        case other:
            return f"`{other}`"


if __name__ == "__main__":
    sys.stdout.write(page() + "\n")
