"""VBench's full info: prompts, their dimensions, and the names that their clips must have.

The file is a list of `{"prompt_en", "dimension": [...], "auxiliary_info": {dimension: {...}}}`; the
clips of a prompt are `{prompt}-0.mp4` to `{prompt}-4.mp4` in one folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from critic_models.errors import InputError
from critic_models.evaluation.manifest import (
    SUFFIXES,
    WorkClip,
    WorkList,
    assemble,
    clip_files,
    read_list_file,
)
from critic_models.rows.schema import MAX_PROMPT_CHARS

SAMPLES = 5


def read_full_info(
    path: Path, folder: Path, names: Sequence[str], samples: int = SAMPLES
) -> WorkList:
    """List the clips that VBench expects in a folder for some dimensions.

    A prompt that two entries share has one set of clips, which are for the dimensions of both.
    Where the folder has a name with two suffixes, `.mp4` is taken and the other is extra.

    Args:
        path: VBench's file, or one of its form.
        folder: with the clips.
        names: of the dimensions; prompts for none of them are left out, with their clips.
        samples: clips of one prompt.

    Raises:
        InputError: the file is not of the form, no prompt is for any of the dimensions, or two
            entries contradict each other.
    """
    entries = _entries(path)
    found = clip_files(folder, deep=False)
    by_stem = _by_stem(found)
    wanted: dict[str, WorkClip] = {}
    for entry in entries:
        if not set(names) & set(entry["dimension"]):
            continue
        for clip in _clips(entry, by_stem, samples):
            known = wanted.get(clip.key)
            wanted[clip.key] = clip if known is None else _joined(known, clip)
    if not wanted:
        raise InputError(f"{path} has no prompt for any of {', '.join(names)}")
    listed = assemble(folder, wanted.values(), found)
    # A clip of a prompt that was not asked about is no stranger.
    others = {
        clip.key
        for entry in entries
        for clip in _clips(entry, by_stem, samples)
        if clip.key not in wanted
    }
    extra = tuple(key for key in listed.extra if key not in others)
    return replace(listed, extra=extra, entries=tuple(entries), samples=samples)


def keys_of(entry: Mapping[str, Any], files: Mapping[str, str], samples: int) -> list[str]:
    """Return the keys of the clips of an entry, of those in the folder and of those that lack.

    Args:
        files: keys of the files by their name without suffix.
    """
    stems = [f"{entry['prompt_en']}-{index}" for index in range(samples)]
    return [files.get(stem, f"{stem}.mp4") for stem in stems]


def _clips(entry: Mapping[str, Any], files: Mapping[str, str], samples: int) -> Iterator[WorkClip]:
    # Where dimensions say something of a prompt, each says it under a key of its own.
    facts: dict[str, Any] = {}
    for of_dimension in entry.get("auxiliary_info", {}).values():
        facts.update(of_dimension)
    only = frozenset(entry["dimension"])
    for key in keys_of(entry, files, samples):
        yield WorkClip(key, entry["prompt_en"], facts, only)


def _joined(first: WorkClip, second: WorkClip) -> WorkClip:
    shared = first.auxiliary.keys() & second.auxiliary.keys()
    if any(first.auxiliary[name] != second.auxiliary[name] for name in shared):
        raise InputError(
            f"two entries say different things about the prompt {first.prompt!r}: "
            f"{dict(first.auxiliary)} and {dict(second.auxiliary)}"
        )
    return WorkClip(
        first.key,
        first.prompt,
        {**first.auxiliary, **second.auxiliary},
        (first.only or frozenset()) | (second.only or frozenset()),
    )


def _by_stem(keys: Sequence[str]) -> dict[str, str]:
    worst_first = sorted(keys, key=lambda key: -SUFFIXES.index(Path(key).suffix.lower()))
    return {Path(key).stem: key for key in worst_first}


def _entries(path: Path) -> list[dict[str, Any]]:
    content = read_list_file(path)
    if not isinstance(content, list) or not content:
        raise InputError(f"{path} must be a JSON list of prompts, as VBench's full info is")
    for number, entry in enumerate(content, 1):
        if (fault := _fault(entry)) is not None:
            raise InputError(f"{path}, entry {number}: {fault}")
    return content


def _fault(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return "not an object"
    prompt, names = entry.get("prompt_en"), entry.get("dimension")
    if not isinstance(prompt, str) or not 0 < len(prompt) <= MAX_PROMPT_CHARS:
        return f"prompt_en must be a text of 1 to {MAX_PROMPT_CHARS} characters"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "dimension must be a list of names"
    facts = entry.get("auxiliary_info", {})
    if not isinstance(facts, dict) or not all(isinstance(each, dict) for each in facts.values()):
        return "auxiliary_info must be an object of objects"
    return None
