"""Read a call's body: JSON, or multipart with one part of JSON and one part for each clip.

For curl there is a shorthand: without a part `request`, the form's own fields are the request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from critic_service.errors import (
    BodyTooLarge,
    InvalidRequest,
    MalformedRequest,
    UnsupportedMediaType,
)
from critic_service.intake import FRAMES_MEDIA_TYPE, Part
from critic_service.schemas import MAX_ITEMS_PER_REQUEST, Wire

JSON = "application/json"
MULTIPART = "multipart/form-data"
REQUEST_PART = "request"

MAX_REQUEST_PART_BYTES = 16 * 2**20
MAX_CLIP_PARTS = 2 * MAX_ITEMS_PER_REQUEST
MAX_FIELDS = 16
MAX_LISTED_ERRORS = 20

WireT = TypeVar("WireT", bound=Wire)


@dataclass(frozen=True)
class Shorthand:
    """The fields of a form that stand for a request.

    Attributes:
        clips: names of the parts that are files, all of them needed.
        texts: names of the fields that are text.
        lists: names of the fields that are lists of names, separated by commas.
        build: makes the request from the fields that were given.
    """

    clips: tuple[str, ...]
    texts: tuple[str, ...]
    lists: tuple[str, ...]
    build: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Body(Generic[WireT]):
    """A request, and the clips that travel beside it."""

    request: WireT
    parts: Mapping[str, Part]


@asynccontextmanager
async def read_body(
    request: Request, schema: type[WireT], shorthand: Shorthand | None
) -> AsyncIterator[Body[WireT]]:
    """Read and check the body; its clips live as long as the context.

    Raises:
        UnsupportedMediaType: it is neither JSON nor a form.
        MalformedRequest: it cannot be parsed.
        InvalidRequest: it is not what the schema asks for.
        BodyTooLarge: the part `request` or a text field is too long.
    """
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == JSON:
        yield Body(parse_json(schema, await request.body()), {})
    elif media_type == MULTIPART:
        form = await _read_form(request)
        try:
            yield _body_of(form, schema, shorthand)
        finally:
            await form.close()
    else:
        raise UnsupportedMediaType(
            f"the body is {media_type or 'of no type'}; it must be {JSON} or {MULTIPART}",
            allowed=[JSON, MULTIPART],
        )


def parse_json(schema: type[WireT], text: bytes | str) -> WireT:
    """Parse JSON into a schema.

    Raises:
        MalformedRequest: it is not JSON.
        InvalidRequest: it is not what the schema asks for.
    """
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        raise _as_ours(error) from None


def check(schema: type[WireT], given: Mapping[str, Any]) -> WireT:
    """Check plain values against a schema.

    Raises:
        InvalidRequest: they are not what it asks for.
    """
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        raise _as_ours(error) from None


class _Parser(MultiPartParser):
    # The sum of all bodies is bounded, so that parts may stay in memory; the limit of 0 means that
    # a spooled file never goes to the disk.
    spool_max_size = 0


async def _read_form(request: Request) -> FormData:
    parser = _Parser(
        request.headers,
        request.stream(),
        max_files=MAX_CLIP_PARTS + 1,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_REQUEST_PART_BYTES,
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        if "maximum size" in error.message:
            raise BodyTooLarge(
                f"a text field is longer than {MAX_REQUEST_PART_BYTES} bytes",
                limit="max_request_part_bytes",
                allowed=MAX_REQUEST_PART_BYTES,
            ) from None
        raise MalformedRequest(f"the form cannot be read: {error.message}") from None


def _body_of(form: FormData, schema: type[WireT], shorthand: Shorthand | None) -> Body[WireT]:
    files: dict[str, UploadFile] = {}
    texts: dict[str, str] = {}
    for name, value in form.multi_items():
        if name in files or name in texts:
            raise MalformedRequest(f"the part {name!r} is there twice", part=name)
        if isinstance(value, UploadFile):
            files[name] = value
        else:
            texts[name] = value
    if REQUEST_PART in files or REQUEST_PART in texts:
        text = texts.pop(REQUEST_PART, None)
        parsed = parse_json(schema, _json_of(files.pop(REQUEST_PART)) if text is None else text)
        _refuse_texts(texts)
    elif shorthand is not None:
        parsed = _spell_out(schema, shorthand, files, texts)
    else:
        raise InvalidRequest(f"the form needs a part {REQUEST_PART!r} with the request as JSON")
    return Body(parsed, {name: _part_of(upload) for name, upload in files.items()})


def _json_of(upload: UploadFile) -> bytes:
    if (upload.size or 0) > MAX_REQUEST_PART_BYTES:
        raise BodyTooLarge(
            f"the part {REQUEST_PART!r} has {upload.size} bytes; "
            f"at most {MAX_REQUEST_PART_BYTES} are allowed, clips go into parts of their own",
            limit="max_request_part_bytes",
            allowed=MAX_REQUEST_PART_BYTES,
        )
    return upload.file.read()


def _refuse_texts(texts: Mapping[str, str]) -> None:
    if texts:
        raise InvalidRequest(
            f"these parts are text, not clips: {', '.join(sorted(texts))}; a clip's part needs a "
            "file name, so that its bytes are left as they are",
            parts=sorted(texts),
        )


def _spell_out(
    schema: type[WireT],
    shorthand: Shorthand,
    files: Mapping[str, UploadFile],
    texts: Mapping[str, str],
) -> WireT:
    named = {*shorthand.texts, *shorthand.lists}
    unknown = sorted((files.keys() - set(shorthand.clips)) | (texts.keys() - named))
    missing = sorted(set(shorthand.clips) - files.keys())
    if unknown or missing:
        raise InvalidRequest(
            f"without a part {REQUEST_PART!r} the form has the files {', '.join(shorthand.clips)} "
            f"and may have the fields {', '.join(sorted(named))}; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}",
            missing=missing,
            unknown=unknown,
        )
    given: dict[str, Any] = {name: texts[name] for name in shorthand.texts if name in texts}
    for name in shorthand.lists:
        if name in texts:
            given[name] = [each.strip() for each in texts[name].split(",")]
    return check(schema, shorthand.build(given))


def _part_of(upload: UploadFile) -> Part:
    def read() -> bytes:
        upload.file.seek(0)
        return upload.file.read()

    media_type = (upload.content_type or "").partition(";")[0].strip().lower()
    return Part(read, upload.size or 0, media_type == FRAMES_MEDIA_TYPE)


def _as_ours(error: ValidationError) -> MalformedRequest | InvalidRequest:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return MalformedRequest(faults[0]["msg"])
    listed = [
        {"field": ".".join(map(str, fault["loc"])), "message": fault["msg"]}
        for fault in faults[:MAX_LISTED_ERRORS]
    ]
    first = f"{listed[0]['field']}: {listed[0]['message']}".removeprefix(": ")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidRequest(first + more, errors=listed)
