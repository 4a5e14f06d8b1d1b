"""`critic prompts score`: what reaches the backend, what is printed, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from critic_service import schemas


def test_it_prints_a_table(run: Any, backend: Any) -> None:
    done = run("prompts", "score", "a fox", "A red fox runs.", "A hen.", "--principles", "helpful")
    assert done.exit_code == 0
    assert backend.calls == [
        ("score_prompts", "a fox", ["A red fox runs.", "A hen."], ["helpful"], "auto")
    ]
    for shown in ("a fox", "A hen.", "helpful", "0.80", "length", "big"):
        assert shown in done.stdout
    assert done.stderr == ""


def test_json_is_one_document(run: Any, backend: Any) -> None:
    done = run("prompts", "score", "a", "b", "--judge", "none", "--json", "--server", "http://h")
    assert done.exit_code == 0
    schemas.PromptsResponse.model_validate_json(done.stdout)
    assert backend.calls[0][-1] == "none"
    assert backend.opened_with == ("http://h", None, None, None)


def test_a_principle_without_a_number_is_named(run: Any, backend: Any) -> None:
    done = run("prompts", "score", "a", "fine", "mute", "--json")
    assert done.exit_code == 1
    assert done.complaints == ["critic: prompt 2, helpful: no answer"]
    assert schemas.PromptsResponse.model_validate_json(done.stdout).results[0].scores


def test_texts_from_files(run: Any, backend: Any, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("A fox,\nred.\n", encoding="utf-8")
    run("prompts", "score", "a fox", f"@{file}")
    assert backend.calls[0][2] == ["A fox,\nred."]
    missing = run("prompts", "score", "a fox", "@nowhere.txt")
    assert missing.exit_code == 2
    assert "nowhere.txt" in missing.complaints[0]


@pytest.mark.parametrize("arguments", [(), ("a",), ("a", "b", "--judge", "gpt")])
def test_what_is_missing_is_said(run: Any, backend: Any, arguments: tuple[str, ...]) -> None:
    assert run("prompts", "score", *arguments).exit_code == 2
    assert backend.calls == []


def test_errors_are_json_where_it_was_asked_for(run: Any, backend: Any) -> None:
    done = run("prompts", "score", "a", "b", "--principles", "a,,b", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["code"] == "bad_usage"
