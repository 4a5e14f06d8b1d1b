"""From the JSON lines of a request to stored items: checked one by one, their clips set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from critic_models.errors import CriticError

from critic_service.body import parse_json
from critic_service.errors import BodyTooLarge, InvalidRequest, as_critic_error
from critic_service.intake import CallClips
from critic_service.jobs.files import ClipFiles
from critic_service.jobs.kinds import Kind
from critic_service.jobs.tables import NewItem
from critic_service.schemas import ClipRef

LINES_PER_STEP = 64
BYTES_PER_STEP = 8 * 2**20
MEDIA_TYPES = ("application/x-ndjson", "application/jsonl")


async def lines_of(stream: AsyncIterator[bytes], max_line_bytes: int) -> AsyncIterator[bytes]:
    """Yield the lines of a body as they come in, without their ends; empty ones are left out.

    Raises:
        BodyTooLarge: a line is longer than allowed.
    """
    begun: list[bytes] = []
    num_bytes = 0
    async for chunk in stream:
        first, *others = chunk.split(b"\n")
        begun.append(first)
        num_bytes += len(first)
        for other in others:
            if line := b"".join(begun).strip():
                yield line
            begun, num_bytes = [other], len(other)
        if num_bytes > max_line_bytes:
            raise BodyTooLarge(
                f"a line has more than {max_line_bytes} bytes",
                limit="max_line_bytes",
                allowed=max_line_bytes,
            )
    if line := b"".join(begun).strip():
        yield line


async def steps_of(lines: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Gather lines into lists that are neither long nor large."""
    step: list[bytes] = []
    num_bytes = 0
    async for line in lines:
        step.append(line)
        num_bytes += len(line)
        if len(step) == LINES_PER_STEP or num_bytes >= BYTES_PER_STEP:
            yield step
            step, num_bytes = [], 0
    if step:
        yield step


def stored_item(
    kind: Kind,
    options: Mapping[str, Any],
    position: int,
    line: bytes,
    clips: CallClips[Any],
    files: ClipFiles,
) -> tuple[NewItem, int]:
    """Check one line and set its clips aside.

    Args:
        kind, options: of the job.
        position: of the item among the items.
        line: its JSON.
        clips: reads what an item refers to.
        files: where clips are kept.

    Returns:
        The item, its clips named by their hashes, and what it takes: bytes of JSON and of clips.

    Raises:
        CriticError: the item cannot be read; the message begins with its number.
    """
    try:
        item = parse_json(kind.item, line)
        kind.call_of(options, item.model_dump(mode="json", exclude_none=True))
        refs = {name: _kept(ref, clips, files) for name, ref in kind.clips_of(item).items()}
    except CriticError as error:
        raise _at(position, error) from None
    plain = item.model_dump(mode="json", exclude=set(refs), exclude_none=True)
    names = {field: name for field, (name, _) in refs.items()}
    plain.update({field: {"part": name} for field, name in names.items()})
    num_bytes = sum(size for _, size in refs.values()) + len(str(plain))
    return NewItem(position, plain, tuple(sorted(set(names.values())))), num_bytes


def _kept(ref: ClipRef, clips: CallClips[Any], files: ClipFiles) -> tuple[str, int]:
    if ref.part is not None:
        raise InvalidRequest("a job has no parts: give video_base64, frames_base64 or clip_id")
    data = clips.reader(ref)()
    return files.put(data), len(data)


def _at(position: int, error: CriticError) -> CriticError:
    """Return the same error, with the item's number."""
    found = as_critic_error(error)
    found.message = f"item {position}: {found.message}"
    found.details = {**found.details, "item": position}
    return found
