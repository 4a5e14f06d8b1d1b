"""Answers of newer services are read, half answers are not."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Literal

import critic_client
import pytest
from critic_client import ProtocolError, _models
from critic_client._decode import decode, parse_json
from hypothesis import given, settings
from hypothesis import strategies as st

from critic_service import schemas


@dataclasses.dataclass(frozen=True)
class Inner:
    number: float
    side: Literal["a", "b"] | None


@dataclasses.dataclass(frozen=True)
class Outer:
    text: str
    count: int
    flag: bool
    inner: tuple[Inner, ...]
    table: dict[str, float]
    anything: Any
    maybe: float | None
    optional: str | None = None


GOOD: dict[str, Any] = {
    "text": "t",
    "count": 3,
    "flag": True,
    "inner": [{"number": 1, "side": "a"}, {"number": 0.5, "side": None}],
    "table": {"x": 1.0},
    "anything": [1, {"deep": None}],
    "maybe": None,
}


def test_a_good_answer_becomes_values() -> None:
    value = decode(Outer, GOOD)
    assert value.inner == (Inner(1.0, "a"), Inner(0.5, None))
    assert isinstance(value.inner[0].number, float)
    assert value.maybe is None
    assert value.optional is None


def test_unknown_fields_are_passed_over_at_every_level() -> None:
    newer = {**GOOD, "new": 1, "inner": [{"number": 1, "side": "a", "new": {}}]}
    assert decode(Outer, newer).inner == (Inner(1.0, "a"),)


@pytest.mark.parametrize("missing", list(GOOD))
def test_a_missing_required_field_is_an_error_that_names_it(missing: str) -> None:
    with pytest.raises(ProtocolError, match=rf"answer\.{missing} is missing"):
        decode(Outer, {key: value for key, value in GOOD.items() if key != missing})


def test_a_missing_field_deep_inside_is_named_by_its_path() -> None:
    with pytest.raises(ProtocolError, match=r"answer\.inner\[1\]\.side is missing"):
        decode(Outer, {**GOOD, "inner": [{"number": 1, "side": "a"}, {"number": 1}]})


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("text", 1),
        ("text", None),
        ("count", 1.5),
        ("count", True),
        ("flag", 1),
        ("flag", None),
        ("inner", {}),
        ("inner", [{"number": "1", "side": "a"}]),
        ("inner", [{"number": True, "side": "a"}]),
        ("inner", [{"number": None, "side": "a"}]),
        ("inner", [{"number": 10**400, "side": "a"}]),
        ("inner", [{"number": float("inf"), "side": "a"}]),
        ("inner", [{"number": 1, "side": "c"}]),
        ("inner", [{"number": 1, "side": []}]),
        ("table", []),
        ("table", {"x": "1"}),
        ("maybe", "0.5"),
    ],
)
def test_a_field_of_another_type_is_an_error(field: str, bad: Any) -> None:
    with pytest.raises(ProtocolError, match=rf"answer\.{field}.* must be "):
        decode(Outer, {**GOOD, field: bad})


@pytest.mark.parametrize("content", [b"NaN", b'{"a": Infinity}', b"", b"{", b"\xff"])
def test_what_is_not_json_is_an_error(content: bytes) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        parse_json(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON))
def test_any_json_is_a_value_or_a_protocol_error(damage: dict[str, Any]) -> None:
    try:
        value = decode(Outer, {**GOOD, **damage})
    except ProtocolError:
        return
    assert isinstance(value.text, str)
    assert all(isinstance(entry, float) for entry in value.table.values())


# What the schema calls a response, the client calls a reply; all other names are the same.
NAMES = {
    "ScoreReply": "ScoreResponse",
    "CompareReply": "CompareResponse",
    "RankReply": "RankResponse",
    "DimensionsReply": "DimensionsResponse",
    "StoredClip": "ClipResponse",
    "Info": "InfoResponse",
}
CLIENT_ONLY = {"timings_ms", "body"}


@pytest.mark.parametrize(
    "model",
    [
        kind
        for kind in vars(_models).values()
        if dataclasses.is_dataclass(kind) and kind is not _models.Reply
    ],
    ids=lambda kind: kind.__name__,
)
def test_the_values_have_the_fields_of_the_wire(model: Any) -> None:
    wire = getattr(schemas, NAMES.get(model.__name__, model.__name__)).model_fields
    fields = {field.name: field for field in dataclasses.fields(model)}
    assert set(fields) - CLIENT_ONLY == set(wire)
    hints = typing.get_type_hints(model)
    for name, info in wire.items():
        has_default = (
            fields[name].default is not dataclasses.MISSING
            or fields[name].default_factory is not dataclasses.MISSING
        )
        assert has_default == (not info.is_required()), name
        assert _allows_none(hints[name]) == _allows_none(info.annotation), name
    assert model.__name__ in critic_client.__all__


def _allows_none(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)
