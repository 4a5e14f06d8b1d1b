"""Look at a message's bytes before they are parsed: how many fields it has, and that all are known.

A few bytes on the wire can become many objects in memory, so that a bound on the bytes alone is not
one on the memory; and a field that this version does not know would be passed over in silence.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from critic_service.errors import InvalidRequest, MalformedRequest

# Above what the largest request needs: 256 items of which everything is told, in 512 parts.
MAX_FIELDS = 20_000

_VARINT, _FIXED_64, _BYTES = 0, 1, 2
_MAX_VARINT_BYTES = 10
_OF_NUMBERS = {
    FieldDescriptor.TYPE_BOOL: _VARINT,
    FieldDescriptor.TYPE_INT32: _VARINT,
    FieldDescriptor.TYPE_INT64: _VARINT,
    FieldDescriptor.TYPE_DOUBLE: _FIXED_64,
}


def check_fields(data: bytes, message: Descriptor, max_fields: int = MAX_FIELDS) -> None:
    """Check the bytes of a message and of all messages inside, without making one of them.

    Raises:
        MalformedRequest: they are not the bytes of a message.
        InvalidRequest: a field is unknown, or there are more than `max_fields` of them.
    """
    num_fields = 0
    spans = [(0, len(data), message)]
    while spans:
        at, end, kind = spans.pop()
        while at < end:
            num_fields += 1
            if num_fields > max_fields:
                raise InvalidRequest(
                    f"the message has more than {max_fields} fields",
                    limit="max_fields",
                    allowed=max_fields,
                )
            tag, at = _varint(data, at, end)
            field = kind.fields_by_number.get(tag >> 3)
            if field is None:
                raise InvalidRequest(f"{kind.name} has no field {tag >> 3}")
            wire_type = tag & 7
            if wire_type not in _wire_types(field):
                # A parser would pass over it, as over a field that it does not know.
                raise MalformedRequest(f"{kind.name}.{field.name} is sent as something else")
            start, at = _value(data, at, end, wire_type)
            if field.message_type is not None:
                spans.append((start, at, field.message_type))


def _wire_types(field: FieldDescriptor) -> tuple[int, ...]:
    single = _OF_NUMBERS.get(field.type, _BYTES)
    return (single, _BYTES) if field.is_repeated else (single,)


def _value(data: bytes, at: int, end: int, wire_type: int) -> tuple[int, int]:
    """Return where a field's value starts and where it ends."""
    start = at
    if wire_type == _VARINT:
        _, at = _varint(data, at, end)
    elif wire_type == _FIXED_64:
        at += 8
    else:
        length, start = _varint(data, at, end)
        at = start + length
    if at > end:
        raise MalformedRequest("the message cannot be read: it ends within a field")
    return start, at


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at >= end:
            raise MalformedRequest("the message cannot be read: it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at
    raise MalformedRequest("the message cannot be read: a number is too long")
