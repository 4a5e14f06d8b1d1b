"""From JSON to the frozen values of `_models`, checked field by field.

A field that is not known is passed over, so that a newer service can be read. A field that is
required and missing, or of another type, is an error: half an answer is not a score.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from typing import Any, TypeVar

from ._errors import ProtocolError

T = TypeVar("T")


def parse_json(content: bytes) -> Any:
    """Parse JSON, without the NaN and Infinity that Python's own parser lets through.

    Raises:
        ProtocolError: if the content is not JSON.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the answer is not JSON: {error}") from error


def decode(kind: type[T], value: Any) -> T:
    """Turn parsed JSON into a dataclass.

    Args:
        kind: the dataclass; its annotations are the schema, its defaults say what is optional.
        value: the parsed JSON.

    Raises:
        ProtocolError: if the JSON does not fit; the message names the field.
    """
    return typing.cast(T, _decode(kind, value, "answer"))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


@functools.cache
def _annotations(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _decode_fields(typing.cast(type, kind), value, where)
    if kind in _DECODE_PLAIN:
        return _DECODE_PLAIN[kind](value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (kind,) = (argument for argument in arguments if argument is not types.NoneType)
        return _decode(kind, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise _mismatch(f"one of {', '.join(arguments)}", value, where)
        return value
    if origin is tuple:
        items = _require(list, value, where)
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin is dict:
        entries = _require(dict, value, where)
        return {name: _decode(arguments[1], entries[name], f"{where}.{name}") for name in entries}
    raise TypeError(f"no rule to decode {kind}")


def _decode_fields(kind: type, value: Any, where: str) -> Any:
    entries = _require(dict, value, where)
    annotations = _annotations(kind)
    decoded: dict[str, Any] = {}
    for spec in dataclasses.fields(kind):
        if spec.name in entries:
            path = f"{where}.{spec.name}"
            decoded[spec.name] = _decode(annotations[spec.name], entries[spec.name], path)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ProtocolError(f"{where}.{spec.name} is missing")
    return kind(**decoded)


def _decode_float(value: Any, where: str) -> float:
    # JSON writes 1.0 as 1, and bool is a kind of int in Python but no number here.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _mismatch("a number", value, where)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _mismatch("a finite number", value, where)
    return number


def _decode_int(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch("a whole number", value, where)
    return value


def _decode_str(value: Any, where: str) -> str:
    return typing.cast(str, _require(str, value, where))


def _decode_bool(value: Any, where: str) -> bool:
    return typing.cast(bool, _require(bool, value, where))


def _decode_any(value: Any, where: str) -> Any:
    return value


_DECODE_PLAIN: dict[Any, typing.Callable[[Any, str], Any]] = {
    float: _decode_float,
    int: _decode_int,
    str: _decode_str,
    bool: _decode_bool,
    Any: _decode_any,
}

_JSON_NAME: dict[type, str] = {
    str: "text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _require(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise _mismatch(_JSON_NAME[kind], value, where)
    return value


def _mismatch(wanted: str, value: Any, where: str) -> ProtocolError:
    return ProtocolError(f"{where} must be {wanted}, not {value!r:.80}")
