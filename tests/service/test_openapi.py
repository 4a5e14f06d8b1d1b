"""The document is a contract: it changes only together with the file that is checked in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from critic_service import schemas
from critic_service.openapi import document

CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def checked_in() -> dict[str, Any]:
    return json.loads(CHECKED_IN.read_text())


def test_paths_are_those_checked_in(checked_in: dict[str, Any]) -> None:
    assert document()["paths"] == checked_in["paths"], "run `make openapi` and look at the change"


def test_components_are_those_checked_in(checked_in: dict[str, Any]) -> None:
    assert document()["components"] == checked_in["components"], "run `make openapi`"


def test_the_rest_is_as_checked_in(checked_in: dict[str, Any]) -> None:
    assert document() == checked_in


def test_a_changed_field_would_be_noticed(
    checked_in: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = json.loads(json.dumps(checked_in))
    changed["components"]["schemas"]["ScoreItem"]["properties"]["seed"] = {"type": "integer"}
    assert document()["components"] != changed["components"]


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(document())
    known = set(document()["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= known


@pytest.mark.parametrize("name", ["score", "compare", "rank", "dimensions"])
def test_a_call_documents_both_bodies_and_all_statuses(name: str) -> None:
    call = document()["paths"][f"/v1/{name}"]["post"]
    assert set(call["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert set(call["responses"]) == {
        "200", "400", "401", "413", "415", "422", "429", "500", "503", "504"
    }  # fmt: skip
    for status, response in call["responses"].items():
        wanted = "ErrorResponse" if status != "200" else f"{name.capitalize()}Response"
        assert response["content"]["application/json"]["schema"]["$ref"].endswith(wanted)


def test_every_wire_schema_is_documented() -> None:
    known = set(document()["components"]["schemas"])
    wire = {
        each.__name__ for each in vars(schemas).values()
        if isinstance(each, type) and issubclass(each, schemas.Wire) and each is not schemas.Wire
    }  # fmt: skip
    assert wire <= known
