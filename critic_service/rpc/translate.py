"""Between the messages of `critic.proto` and the schemas of the wire, whose fields have one name.

A request becomes plain values that its schema checks, the bytes of its clips becoming parts as over
HTTP. A reply is filled from its schema; a field that a message lacks is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct

from critic_service.body import MAX_CLIP_PARTS, check
from critic_service.errors import InvalidRequest, MalformedRequest
from critic_service.intake import Part
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc.wire_check import check_fields
from critic_service.schemas import Wire

MessageT = TypeVar("MessageT", bound=Message)
WireT = TypeVar("WireT", bound=Wire)


def parse(kind: type[MessageT], data: bytes) -> MessageT:
    """Parse the bytes of a message.

    Raises:
        MalformedRequest: they are not one.
        InvalidRequest: it has fields that are not known, or too many of them.
    """
    check_fields(data, kind.DESCRIPTOR)
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise MalformedRequest(f"the message cannot be read: {error}") from None


def request_of(message: Message, schema: type[WireT]) -> tuple[WireT, dict[str, Part]]:
    """Return a call's request and its clips; the message is used up.

    Raises:
        InvalidRequest: it is not what the schema asks for.
    """
    parts = _take_parts(message)
    return check(schema, _plain(message)), parts


def fill(message: MessageT, values: Wire) -> MessageT:
    """Write what a schema holds into an empty message, and return that."""
    _fill(message, values.model_dump())
    return message


def _take_parts(message: Message) -> dict[str, Part]:
    """Take all clips' bytes out of the message, and name them by parts where they were inside."""
    parts: dict[str, Part] = {}
    if "parts" in message.DESCRIPTOR.fields_by_name:
        sent = message.parts
        if len(sent) > MAX_CLIP_PARTS:
            raise InvalidRequest(f"the request has more than {MAX_CLIP_PARTS} parts")
        parts.update((name, _part(each.content, each.is_frames)) for name, each in sent.items())
        message.ClearField("parts")
    for clip in _clips(message):
        source = clip.WhichOneof("source")
        if source in ("video", "frames"):
            name = _free_name(source, parts)
            parts[name] = _part(getattr(clip, source), source == "frames")
            clip.part = name
    return parts


def _part(data: bytes, is_frames: bool) -> Part:
    return Part(lambda: data, len(data), is_frames)


def _free_name(source: str, parts: Mapping[str, Part]) -> str:
    number = len(parts)
    while f"{source}-{number}" in parts:
        number += 1
    return f"{source}-{number}"


def _clips(message: Message) -> Iterator[pb.ClipRef]:
    for field, value in message.ListFields():
        if field.message_type is not None and not _is_map(field):
            for each in value if field.is_repeated else [value]:
                if isinstance(each, pb.ClipRef):
                    yield each
                else:
                    yield from _clips(each)


def _plain(message: Message) -> dict[str, Any]:
    """Return what was given; what was not, or is empty, is left to the schema's defaults."""
    return {field.name: _plain_value(field, value) for field, value in message.ListFields()}


def _plain_value(field: FieldDescriptor, value: Any) -> Any:
    if _is_map(field):
        return dict(value)
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    return [_plain(each) for each in value] if field.is_repeated else _plain(value)


def _fill(message: Message, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if value is not None:
            _fill_field(message, field, value)


def _fill_field(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is None and not field.is_repeated:
        setattr(message, field.name, value)
        return
    target = getattr(message, field.name)
    if _is_map(field):
        if field.message_type.fields_by_name["value"].message_type is None:
            target.update(value)
        else:
            for key, each in value.items():
                _fill(target[key], each)
    elif field.is_repeated:
        if field.message_type is None:
            target.extend(value)
        else:
            for each in value:
                _fill(target.add(), each)
    else:
        # Also where it stays empty: to be there and empty is not to be absent.
        target.SetInParent()
        if isinstance(target, Struct):
            target.update(value)
        elif isinstance(target, pb.Series):
            target.values.extend(value)
        else:
            _fill(target, value)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
