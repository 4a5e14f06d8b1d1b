"""Checkpoints from the command line: what there is, under which licence, and if it is right."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from critic_models.dimensions.weights import WEIGHTS, store

from critic_service.settings import Settings


def test_the_list_has_every_file_with_its_licence(run: Any, tmp_path: Path) -> None:
    (tmp_path / "amt-s.pth").write_bytes(b"x")
    done = run("weights", "list", "--dir", str(tmp_path), "--json")
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)["weights"]}
    assert set(rows) == set(WEIGHTS)
    assert rows["amt_s"]["there"]
    assert rows["amt_s"]["licence"] == "CC BY-NC 4.0"
    assert rows["raft_things"]["dimensions"] == ["dynamic_degree", "static_filter"]
    shown = run("weights", "list", "--dir", str(tmp_path))
    assert shown.exit_code == 0
    assert "musiq_spaq" in shown.stdout


def test_the_folder_comes_from_the_environment(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRITIC_WEIGHTS_DIR", str(tmp_path))
    done = run("weights", "list", "--json")
    assert json.loads(done.stdout)["folder"] == str(tmp_path)
    # The service, which refuses variables it does not know, knows it.
    settings = Settings.from_environment({"CRITIC_WEIGHTS_DIR": "/srv/weights"})
    assert settings.weights_dir == "/srv/weights"


def test_a_limited_licence_must_be_accepted(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def download(weights: Any, part: Path, on_bytes: Any) -> None:
        fetched.append(weights.name)
        part.write_bytes(b"weights")

    monkeypatch.setattr(store, "_download", download)
    arguments = ("weights", "fetch", "--dimensions", "motion_smoothness,subject_consistency")
    refused = run(*arguments, "--dir", str(tmp_path))
    assert refused.exit_code == 2
    assert "licence: CC BY-NC 4.0" in refused.stderr
    assert "--accept-non-commercial" in refused.stderr
    assert fetched == []

    done = run(*arguments, "--dir", str(tmp_path), "--accept-non-commercial", "--json")
    assert done.exit_code == 0
    assert fetched == ["amt_s", "dino_vitb16"]
    sha256 = hashlib.sha256(b"weights").hexdigest()
    found = json.loads(done.stdout)["weights"]
    assert [(each["state"], each["sha256"]) for each in found] == [("recorded", sha256)] * 2


def test_verifying_finds_damage_and_what_is_missing(run: Any, tmp_path: Path) -> None:
    nothing = run("weights", "verify", "--dir", str(tmp_path))
    assert nothing.exit_code == 0
    assert run("weights", "verify", "amt_s", "--dir", str(tmp_path)).exit_code == 1

    (tmp_path / "amt-s.pth").write_bytes(b"weights")
    there = run("weights", "verify", "--dir", str(tmp_path))
    assert there.exit_code == 0
    assert "nothing to compare with: the publisher states none" in " ".join(there.stdout.split())

    (tmp_path / "amt-s.pth.sha256").write_text(f"{'0' * 64}  amt-s.pth\n")
    damaged = run("weights", "verify", "--dir", str(tmp_path), "--json")
    assert damaged.exit_code == 1
    (row,) = json.loads(damaged.stdout)["weights"]
    assert (row["state"], row["expected"]) == ("damaged", "0" * 64)


@pytest.mark.parametrize(
    "arguments",
    [("fetch",), ("fetch", "no_such"), ("fetch", "--dimensions", "no_such"), ("verify", "no_such")],
)
def test_what_does_not_exist_is_bad_usage(
    run: Any, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = run("weights", *arguments, "--dir", str(tmp_path))
    assert done.exit_code == 2
    assert not list(tmp_path.iterdir())
