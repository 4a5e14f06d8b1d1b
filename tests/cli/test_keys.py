"""API keys from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from critic_service.errors import Unauthenticated
from critic_service.keys import Keyring


def test_a_key_is_added_listed_and_revoked(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    added = run("keys", "add", "alice", "--file", str(file), "--clips-in-flight", "8")
    assert added.exit_code == 0
    key = added.stdout.strip()
    assert key not in file.read_text()
    headers = {"x-api-key": key}
    keys = Keyring(None, file)
    assert (keys.admit(headers).name, keys.admit(headers).clips_in_flight) == ("alice", 8)

    run("keys", "add", "bob", "--file", str(file))
    listed = run("keys", "list", "--file", str(file)).stdout
    assert "alice:" in listed
    assert "clips_in_flight=8" in listed
    assert key not in listed

    assert run("keys", "revoke", "alice", "--file", str(file)).exit_code == 0
    with pytest.raises(Unauthenticated):
        keys.admit(headers)  # the service that runs follows
    assert "bob:" in run("keys", "list", "--file", str(file)).stdout


def test_what_cannot_be_is_refused(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "keys")
    assert run("keys", "revoke", "nobody", "--file", file).exit_code == 2
    assert run("keys", "add", "a:b", "--file", file).exit_code == 2
    assert not Path(file).exists()
    monkeypatch.delenv("CRITIC_API_KEYS_FILE", raising=False)
    assert run("keys", "list").exit_code == 2
