"""From the arguments that a trainer gives to a reward function to clips and prompts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ._frames import Frames
from ._parts import ClipSource


def clips_of(
    completions: Sequence[Any] | None, columns: Mapping[str, Any], clip_column: str | None
) -> list[ClipSource]:
    """Find the clips of a batch: the column named, or else `clips`, or else the completions.

    Raises:
        ValueError: if there is no such column.
        TypeError: if a clip is neither a path, nor bytes, nor `Frames`.
    """
    given = dict(columns) if completions is None else {**columns, "completions": completions}
    name = clip_column or ("clips" if "clips" in given else "completions")
    if name not in given:
        raise ValueError(f"no column {name!r} with clips: there is {', '.join(given) or 'none'}")
    clips = list(given[name])
    for index, clip in enumerate(clips):
        # An open file is not among them: it can be read once, and a call may need it twice.
        if not isinstance(clip, (str, bytes, bytearray, memoryview, os.PathLike, Frames)):
            raise TypeError(
                f"clip {index} of {name!r} must be a path, bytes or Frames(array, fps=...), "
                f"not {type(clip).__name__}"
            )
    return clips


def prompts_of(prompts: Sequence[Any], num_clips: int) -> list[str | None]:
    """Return the text of each prompt; of a conversation, the last message of the user.

    Raises:
        ValueError: if there is not one for each clip.
        TypeError: if a prompt is neither text, nor None, nor a conversation with text in it.
    """
    if isinstance(prompts, str) or len(prompts) != num_clips:
        number = "one text" if isinstance(prompts, str) else str(len(prompts))
        raise ValueError(f"a batch has one prompt for each clip: {number} for {num_clips} clips")
    return [_text_of(prompt, index) for index, prompt in enumerate(prompts)]


def _text_of(prompt: Any, index: int) -> str | None:
    if prompt is None or isinstance(prompt, str):
        return prompt
    if isinstance(prompt, Sequence):
        for message in reversed(prompt):
            if isinstance(message, Mapping) and message.get("role") == "user":
                return _content_of(message.get("content"), index)
    raise TypeError(f"prompt {index} is neither text nor a conversation with a message of the user")


def _content_of(content: Any, index: int) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else ()
    texts = [part["text"] for part in parts if isinstance(part, Mapping) and "text" in part]
    if not texts:
        raise TypeError(f"the message of the user in prompt {index} has no text")
    return "\n".join(texts)
