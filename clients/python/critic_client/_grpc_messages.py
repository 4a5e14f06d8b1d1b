"""Between the calls of `_core` and the messages of `critic.v1`.

The classes are built from their description when the process starts, so that any protobuf serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory, struct_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from ._core import Answer, Request
from ._errors import ProtocolError
from ._grpc_description import FILE
from ._parts import RAW_FRAMES

SERVICE = "critic.v1.Critic"
_PACKAGE = "critic.v1"
_DETAILS = "grpc-status-details-bin"

_POOL = descriptor_pool.Default()
# What the description builds on is in the pool once its module is imported.
_STRUCT = struct_pb2.Struct.DESCRIPTOR.full_name
_POOL.AddSerializedFile(FILE)

_REQUESTS = {
    "Score": "ScoreRequest",
    "Compare": "CompareRequest",
    "Rank": "RankRequest",
    "Dimensions": "DimensionsRequest",
    "PromptScore": "PromptsRequest",
    "Info": "InfoRequest",
}
_RESPONSES = {
    "Score": "ScoreResponse",
    "Compare": "CompareResponse",
    "Rank": "RankResponse",
    "Dimensions": "DimensionsResponse",
    "PromptScore": "PromptsResponse",
    "Info": "InfoResponse",
    "UploadClip": "ClipResponse",
}


def message(name: str) -> Any:
    """Return the class of a message of `critic.v1`."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def encode(method: str, request: Request) -> bytes:
    """Write a call's request and its clips as one message."""
    written = message(_REQUESTS[method])()
    if request.parts:
        head, *clips = request.parts
        json_format.ParseDict(json.loads(head.content), written)
        for clip in clips:
            part = written.parts[clip.name]
            part.content = clip.content
            part.is_frames = clip.media_type == RAW_FRAMES
    return written.SerializeToString()


def encode_chunk(content: bytes) -> bytes:
    """Write a piece of a clip as a message."""
    return message("ClipChunk")(content=content).SerializeToString()


def answer_of(method: str, data: bytes, trailers: Iterable[tuple[str, Any]] = ()) -> Answer:
    """Turn a reply into the answer that HTTP would have given.

    Raises:
        ProtocolError: it is not the reply of this method.
    """
    reply = parse(_RESPONSES[method], data)
    timings = next((value for name, value in trailers if name == "server-timing"), "")
    return _answer(200, plain(reply), {"server-timing": timings})


def parse(name: str, data: bytes) -> Any:
    """Parse the bytes of a message.

    Raises:
        ProtocolError: they are not one.
    """
    try:
        return message(name).FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"the answer is not a {name}: {error}") from error


def answer_of_details(trailers: Iterable[tuple[str, Any]]) -> Answer | None:
    """Turn the details of a failed call into the answer that HTTP would have given.

    Returns:
        None where there are none, as when the failure is not the service's own.
    """
    for name, value in trailers:
        if name == _DETAILS:
            error = message("ErrorResponse")()
            try:
                details = status_pb2.Status.FromString(value).details
                if any(detail.Unpack(error) for detail in details):
                    return answer_of_error(error)
            except DecodeError:
                return None
    return None


def answer_of_error(error: Any) -> Answer:
    """Turn an `ErrorResponse` into the answer that HTTP would have given."""
    envelope = plain(error)
    status, retry_after_s = envelope.pop("status"), envelope.pop("retry_after_s")
    headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:.0f}"}
    return _answer(status, envelope, headers)


def plain(value: Message) -> dict[str, Any]:
    """Return a message as JSON would have it: what is absent is None."""
    return {field.name: _plain_field(value, field) for field in value.DESCRIPTOR.fields}


def _plain_field(owner: Message, field: Any) -> Any:
    value = getattr(owner, field.name)
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"].message_type
        return {key: value[key] if inner is None else plain(value[key]) for key in value}
    if isinstance(value, Message):
        return _plain_message(value) if owner.HasField(field.name) else None
    if kind is not None:
        return [plain(each) for each in value]
    if isinstance(value, (str, bytes, bool, int, float)):
        return None if field.has_presence and not owner.HasField(field.name) else value
    return list(value)


def _plain_message(value: Message) -> Any:
    if value.DESCRIPTOR.full_name == _STRUCT:
        return _with_whole_numbers(json_format.MessageToDict(value))
    if value.DESCRIPTOR.name == "Series":
        return list(value.values)
    return plain(value)


def _with_whole_numbers(value: Any) -> Any:
    """A struct has but one kind of number; JSON tells 3 from 3.5."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    return value


def _answer(status: int, body: dict[str, Any], headers: dict[str, str]) -> Answer:
    return Answer(status, headers, json.dumps(body).encode())
