"""The description of gRPC's messages is a contract: it follows the schemas and is what is built."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from pydantic import BaseModel

from critic_service import schemas
from critic_service.calls import CALLS
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc import wire_check
from critic_service.rpc.generate import generate
from critic_service.rpc.servicer import METHODS

MESSAGES: dict[str, Descriptor] = dict(pb.DESCRIPTOR.message_types_by_name)

# Where the two doors differ, and why.
ONLY_IN_PROTO = {
    # Bytes travel as bytes.
    "ClipRef": {"video", "frames"},
    # The parts of a multipart body.
    **{call.request.__name__: {"parts"} for call in CALLS if call.takes_clips},
    # The status line and the header Retry-After.
    "ErrorResponse": {"status", "retry_after_s"},
}
ONLY_IN_SCHEMA = {"ClipRef": {"video_base64", "frames_base64"}}
NOT_IN_SCHEMA = {"Part", "Series", "InfoRequest", "ClipChunk", "ScoreStreamReply"}

KINDS = {
    str: FieldDescriptor.CPPTYPE_STRING,
    bool: FieldDescriptor.CPPTYPE_BOOL,
    float: FieldDescriptor.CPPTYPE_DOUBLE,
}


def shape_of_field(field: FieldDescriptor) -> tuple[Any, ...]:
    """(what it is, of what, whether it may be absent)"""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return ("map", kind_of_field(message.fields_by_name["value"]), False)
    if message is pb.Series.DESCRIPTOR:
        return ("list", FieldDescriptor.CPPTYPE_DOUBLE, True)
    if field.is_repeated:
        return ("list", kind_of_field(field), False)
    absent = field.has_presence and (message is None or is_optional(field))
    return ("one", kind_of_field(field), absent)


def is_optional(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    return oneof is not None


def kind_of_field(field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return field.message_type.name
    whole = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
    return int if field.cpp_type in whole else field.cpp_type


def shape_of_annotation(hint: Any, has_default: bool) -> tuple[Any, ...]:
    hint, may_be_null = without_null(plain(hint))
    origin = typing.get_origin(hint)
    if hint == dict[str, Any]:
        return ("one", "Struct", False)
    if origin is dict:
        return ("map", kind_of_annotation(plain(typing.get_args(hint)[1])), False)
    if origin is list:
        kind = kind_of_annotation(plain(typing.get_args(hint)[0]))
        # A list of numbers may be empty and may be absent; of all others empty stands for absent.
        return ("list", kind, may_be_null and kind == FieldDescriptor.CPPTYPE_DOUBLE)
    if origin is tuple:
        return ("list", kind_of_annotation(typing.get_args(hint)[0]), False)
    return ("one", kind_of_annotation(hint), may_be_null or has_default)


def plain(hint: Any) -> Any:
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint


def without_null(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (rest,) = (each for each in typing.get_args(hint) if each is not type(None))
        return plain(rest), True
    return hint, False


def kind_of_annotation(hint: Any) -> Any:
    hint = plain(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.__name__
    if typing.get_origin(hint) is typing.Literal:
        return FieldDescriptor.CPPTYPE_STRING
    return int if hint is int else KINDS[hint]


def shapes_of_schema(schema: type[BaseModel]) -> dict[str, tuple[Any, ...]]:
    hints = typing.get_type_hints(schema, include_extras=True)
    is_request = schema.__name__.endswith(("Request", "Item", "Auxiliary"))
    return {
        name: shape_of_annotation(hints[name], is_request and not field.is_required())
        for name, field in schema.model_fields.items()
    }


def shapes_of_message(message: Descriptor) -> dict[str, tuple[Any, ...]]:
    return {field.name: shape_of_field(field) for field in message.fields}


def reachable(schema: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = {schema}
    waiting: list[Any] = [field.annotation for field in schema.model_fields.values()]
    while waiting:
        hint = waiting.pop()
        if isinstance(hint, type) and issubclass(hint, BaseModel):
            if hint not in found:
                found.add(hint)
                waiting += [field.annotation for field in hint.model_fields.values()]
        else:
            waiting += typing.get_args(hint)
    return found


SCHEMAS = {
    schema.__name__: schema
    for root in (
        *(call.request for call in CALLS),
        *(call.response for call in CALLS),
        schemas.InfoResponse,
        schemas.ClipResponse,
        schemas.ErrorResponse,
    )
    for schema in reachable(root)
}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_message_has_the_fields_of_its_schema(name: str) -> None:
    ours = shapes_of_schema(SCHEMAS[name])
    theirs = shapes_of_message(MESSAGES[name])
    for field in ONLY_IN_SCHEMA.get(name, set()):
        del ours[field]
    for field in ONLY_IN_PROTO.get(name, set()):
        del theirs[field]
    assert theirs == ours


def test_a_field_that_is_missing_or_of_another_kind_would_be_noticed() -> None:
    class Score(schemas.Score):
        confidence: float | None = None

    class RankResult(schemas.RankResult):
        rank: float | None  # type: ignore[assignment]

    class ScoreRequest(schemas.ScoreRequest):
        criteria: str | None = None  # type: ignore[assignment]

    for changed in (Score, RankResult, ScoreRequest):
        shapes = shapes_of_message(MESSAGES[changed.__name__])
        shapes.pop("parts", None)
        assert shapes != shapes_of_schema(changed)


def test_every_message_has_its_schema() -> None:
    assert set(MESSAGES) == set(SCHEMAS) | NOT_IN_SCHEMA


def test_every_call_has_its_method() -> None:
    methods = pb.DESCRIPTOR.services_by_name["Critic"].methods_by_name
    assert {call.name for call in CALLS} == set(METHODS)
    for call in CALLS:
        method = methods[METHODS[call.name]]
        assert method.input_type.name == call.request.__name__
        assert method.output_type.name == call.response.__name__


def test_the_check_of_bytes_knows_every_kind_of_field() -> None:
    in_bytes = {
        FieldDescriptor.TYPE_STRING,
        FieldDescriptor.TYPE_BYTES,
        FieldDescriptor.TYPE_MESSAGE,
    }
    kinds = {field.type for message in MESSAGES.values() for field in message.fields}
    assert kinds <= in_bytes | set(wire_check._OF_NUMBERS)


def test_field_numbers_are_never_used_twice_nor_left_out_in_silence() -> None:
    """A number that is free today was another field's yesterday, unless it says `reserved`."""
    for message in MESSAGES.values():
        numbers = sorted(field.number for field in message.fields if field.name != "parts")
        assert numbers == list(range(1, len(numbers) + 1)), message.name


def test_what_is_checked_in_is_what_the_description_gives() -> None:
    pytest.importorskip("grpc_tools")
    generated = generate()
    assert len(generated) == 3
    for path, text in generated.items():
        # The compiler's own version is the only line that may differ.
        assert _without_version(path.read_text()) == _without_version(text), (
            f"{path} is old: python -m critic_service.rpc.generate"
        )


def test_a_changed_description_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("grpc_tools")
    import critic_service.rpc.generate as generator

    text = (generator.HERE / "critic.proto").read_text()
    changed = text.replace("bool needs_prompt = 4;", "bool needs_prompt = 6;")
    (tmp_path / "critic.proto").write_text(changed)
    here = generator.HERE
    monkeypatch.setattr(generator, "HERE", tmp_path)
    generated = generator.generate()
    assert changed != text
    assert generated[tmp_path / "critic_pb2.py"] != (here / "critic_pb2.py").read_text()


def _without_version(text: str) -> str:
    text = re.sub(r"# Protobuf Python Version: .*", "", text)
    return re.sub(r"(Domain\.PUBLIC,\n)(    \d+,\n){3}", r"\1", text)
