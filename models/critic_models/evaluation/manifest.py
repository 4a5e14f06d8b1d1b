"""Work lists: which clips are to be measured, on what, and which of them are not there.

A list is read from a folder (with prompts beside it or without), from VBench's full info (see
`full_info`) or from JSON lines. Files that should be there and are not, and files that nothing
names, are kept by name: neither is left out in silence.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from critic_models.errors import InputError
from critic_models.rows.files import json_lines
from critic_models.rows.row import RowError
from critic_models.rows.schema import MAX_NAME_CHARS, MAX_PROMPT_CHARS, clip_path, text_or_none

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif")
PROMPT_FILE = "prompts.json"
MAX_LIST_BYTES = 2**28
_FAULTS_SHOWN = 5
_FIELDS = {"clip", "prompt", "auxiliary", "dimensions"}
_SAMPLE_NUMBER = re.compile(r"-\d+$")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class WorkClip:
    """A clip that is to be measured.

    Attributes:
        key: its path below the list's root, with forward slashes; names it everywhere.
        prompt: what it was to show; None where that is not known.
        auxiliary: facts about the prompt, as `critic_models.dimensions.networked.Ask` takes them.
        only: of VBench's dimensions those that it is for; None for all that are asked.
    """

    key: str
    prompt: str | None = None
    auxiliary: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    only: frozenset[str] | None = None


@dataclass(frozen=True)
class WorkList:
    """What is to be measured.

    Attributes:
        root: folder that the clips lie in.
        clips: those that are there, each once, by key.
        missing: those that should be and are not, by key.
        extra: files below the root that nothing names.
        duplicates: keys that the list names more than once.
        entries: of VBench's full info, as they were read; None for other lists.
        samples: clips of one prompt that full info expects; 0 for other lists.
    """

    root: Path
    clips: tuple[WorkClip, ...]
    missing: tuple[WorkClip, ...] = ()
    extra: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    entries: tuple[Mapping[str, Any], ...] | None = None
    samples: int = 0


def read_folder(
    folder: Path, prompts: Path | None = None, prompts_from_names: bool = False
) -> WorkList:
    """List the clips below a folder.

    Args:
        folder: with video files, at any depth.
        prompts: a JSON object from relative path to prompt; `prompts.json` in the folder if None
            and there is one. Only the clips that it names are measured, the others are `extra`.
        prompts_from_names: without such a file, the prompt of `a red car-0.mp4` is `a red car`.

    Raises:
        InputError: there are no clips, or the prompts cannot be read.
    """
    found = clip_files(folder)
    source = prompts or folder / PROMPT_FILE
    if prompts is not None or source.is_file():
        named = [_prompted(key, prompt, folder) for key, prompt in _prompts(source).items()]
        return assemble(folder, named, found)
    if not found:
        raise InputError(f"{folder} has no clips; files that end in {', '.join(SUFFIXES)} are read")
    return assemble(
        folder,
        [WorkClip(key, prompt_of_name(key) if prompts_from_names else None) for key in found],
    )


def read_json_lines(path: Path) -> WorkList:
    """Read a list of one JSON object a line.

    `clip` is a path relative to the list's folder, and inside it; `prompt`, `auxiliary` (an object)
    and `dimensions` (of VBench's, those that the clip is for) may be left out.

    Raises:
        InputError: naming the first lines that are wrong; nothing is measured then.
    """
    root = path.absolute().parent
    clips, faults = [], []
    for number, record in json_lines(path):
        try:
            if isinstance(record, RowError):
                raise record
            clips.append(_listed(record, root))
        except RowError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        shown = "; ".join(faults[:_FAULTS_SHOWN])
        raise InputError(f"{path} has {len(faults)} lines that cannot be used: {shown}")
    if not clips:
        raise InputError(f"{path} names no clips")
    return assemble(root, clips)


def assemble(
    root: Path,
    named: Iterable[WorkClip],
    found: Iterable[str] | None = None,
) -> WorkList:
    """Make a list of clips that were named, and see which of them are there.

    Args:
        root: folder of the clips.
        named: in any order; one that is named twice must be named alike.
        found: keys of the files that are there, to tell those that nothing names; None to look for
            each named file alone.

    Raises:
        InputError: a clip is named twice with different prompts or facts.
    """
    by_key: dict[str, WorkClip] = {}
    duplicates: set[str] = set()
    for clip in named:
        if clip.key in by_key:
            if by_key[clip.key] != clip:
                raise InputError(f"{clip.key} is listed twice, with different prompts or facts")
            duplicates.add(clip.key)
        by_key[clip.key] = clip
    files = None if found is None else set(found)
    is_there: Callable[[str], bool] = (
        (lambda key: (root / key).is_file()) if files is None else files.__contains__
    )
    ordered = [by_key[key] for key in sorted(by_key)]
    return WorkList(
        root=root,
        clips=tuple(clip for clip in ordered if is_there(clip.key)),
        missing=tuple(clip for clip in ordered if not is_there(clip.key)),
        extra=tuple(sorted((files or set()) - by_key.keys())),
        duplicates=tuple(sorted(duplicates)),
    )


def clip_files(folder: Path, deep: bool = True) -> list[str]:
    """Return the keys of the video files in a folder, and below it where `deep`, sorted."""
    paths = folder.rglob("*") if deep else folder.iterdir()
    return sorted(
        path.relative_to(folder).as_posix()
        for path in paths
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )


def prompt_of_name(key: str) -> str:
    """Return a file's name without its suffix and without VBench's number of the sample."""
    return _SAMPLE_NUMBER.sub("", Path(key).stem)


def read_list_file(path: Path) -> Any:
    """Read a JSON file of bounded size.

    Raises:
        InputError: it cannot be read, is too large, or is no JSON.
    """
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise InputError(f"{path} has more than {MAX_LIST_BYTES} bytes")
        return json.loads(path.read_bytes(), parse_constant=_no_constant)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _prompts(path: Path) -> Mapping[str, Any]:
    content = read_list_file(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} must be a JSON object from the path of a clip to its prompt")
    return content


def _prompted(name: str, prompt: Any, folder: Path) -> WorkClip:
    try:
        text = text_or_none({"prompt": prompt}, "prompt", MAX_PROMPT_CHARS)
        return WorkClip(_key(name, folder), text)
    except RowError as error:
        raise InputError(f"{name}: {error}") from error


def _listed(record: Mapping[str, Any], root: Path) -> WorkClip:
    if unknown := sorted(record.keys() - _FIELDS):
        raise RowError(f"unknown fields {', '.join(unknown)}; there are {', '.join(_FIELDS)}")
    auxiliary = record.get("auxiliary", {})
    if not isinstance(auxiliary, dict):
        raise RowError("auxiliary must be an object")
    return WorkClip(
        _key(record.get("clip"), root),
        text_or_none(record, "prompt", MAX_PROMPT_CHARS),
        auxiliary,
        _names(record.get("dimensions")),
    )


def _names(value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(
        isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARS for name in value
    ):
        raise RowError("dimensions must be a list of names")
    return frozenset(value)


def _key(value: Any, root: Path) -> str:
    path = clip_path(value, "clip", str(root))
    return Path(os.path.relpath(path, os.path.abspath(root))).as_posix()
