"""API keys: who is let in, how much each may take, and what is kept of them."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from fake_judge import FakeJudge
from hypothesis import given
from hypothesis import strategies as st
from service_app import app_of, scored, until

from critic_service.errors import InvalidRequest, Overloaded, Unauthenticated
from critic_service.keys import (
    NOBODY,
    KeyLine,
    Keyring,
    KeysUnusable,
    digest_of,
    read_keys,
    write_keys,
)

ALICE, BOB = "alice-has-a-long-key", "bob-has-another-key"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def keys_file(folder: Path, **limits: int) -> Path:
    file = folder / "keys"
    write_keys(file, [KeyLine("alice", digest_of(ALICE), **limits), KeyLine("bob", digest_of(BOB))])
    return file


def touch(file: Path) -> None:
    """A file that was written within the same tick of a coarse clock has changed all the same."""
    found = file.stat()
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))


def test_a_key_of_the_file_lets_its_owner_in(tmp_path: Path) -> None:
    keys = Keyring("the-single-key", keys_file(tmp_path))
    assert keys.admit(bearer(ALICE)).name == "alice"
    assert keys.admit({"x-api-key": BOB}).name == "bob"
    assert keys.admit(bearer("the-single-key")).name == "default"
    for wrong in ({}, bearer(""), bearer(ALICE[:-1]), bearer(digest_of(ALICE)), bearer("ключ")):
        with pytest.raises(Unauthenticated):
            keys.admit(wrong)
    assert Keyring(None, None).admit({}) is NOBODY


def test_nobody_is_let_in_by_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# none yet\n")
    with pytest.raises(Unauthenticated):
        Keyring(None, tmp_path / "keys").admit(bearer(""))


def test_the_file_is_followed_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = keys_file(tmp_path)
    keys = Keyring(None, file)
    write_keys(file, [KeyLine("carol", digest_of("carols-own-key"))])
    assert keys.admit(bearer("carols-own-key")).name == "carol"
    with pytest.raises(Unauthenticated):
        keys.admit(bearer(ALICE))

    file.write_text("nonsense\n")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert keys.admit(bearer("carols-own-key")).name == "carol"
    assert len(caplog.records) == 1
    file.unlink()
    assert keys.admit(bearer("carols-own-key")).name == "carol"

    write_keys(file, [KeyLine("alice", digest_of(ALICE))])
    touch(file)
    assert keys.admit(bearer(ALICE)).name == "alice"
    with pytest.raises(Unauthenticated):
        keys.admit(bearer("carols-own-key"))


def test_a_minutes_worth_of_requests_may_come_at_once(tmp_path: Path) -> None:
    clock = Clock()
    keys = Keyring(None, keys_file(tmp_path, requests_per_minute=6), clock=clock)
    for _ in range(6):
        keys.admit(bearer(ALICE))
    with pytest.raises(Overloaded) as caught:
        keys.admit(bearer(ALICE))
    assert caught.value.retry_after_s == 10
    keys.admit(bearer(BOB))
    clock.now_s += 9.9
    with pytest.raises(Overloaded):
        keys.admit(bearer(ALICE))
    clock.now_s += 0.2
    keys.admit(bearer(ALICE))
    clock.now_s += 3600
    for _ in range(6):
        keys.admit(bearer(ALICE))
    with pytest.raises(Overloaded):
        keys.admit(bearer(ALICE))


def test_what_was_taken_is_remembered_over_a_change_of_the_file(tmp_path: Path) -> None:
    file = keys_file(tmp_path, requests_per_minute=1)
    keys = Keyring(None, file, clock=Clock())
    keys.admit(bearer(ALICE))
    write_keys(file, [KeyLine("alice", digest_of("a-new-key-of-alices"), 1)])
    touch(file)
    with pytest.raises(Overloaded):
        keys.admit(bearer("a-new-key-of-alices"))


def test_limits_of_the_service_hold_where_a_line_has_none(tmp_path: Path) -> None:
    file = keys_file(tmp_path, clips_in_flight=9)
    keys = Keyring(None, file, requests_per_minute=1, clips_in_flight=3, clock=Clock())
    assert keys.admit(bearer(ALICE)).clips_in_flight == 9
    assert keys.admit(bearer(BOB)).clips_in_flight == 3
    with pytest.raises(Overloaded):
        keys.admit(bearer(BOB))


def test_clips_in_flight_are_those_of_all_calls_of_a_key(tmp_path: Path) -> None:
    keys = Keyring(None, keys_file(tmp_path, clips_in_flight=3))
    first, second = keys.admit(bearer(ALICE)), keys.admit(bearer(ALICE))
    with pytest.raises(InvalidRequest), first.clips(4):
        pass
    with first.clips(2):
        with pytest.raises(Overloaded), second.clips(2):
            pass
        with second.clips(1):
            pass
    with second.clips(3):
        pass


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        "alice:",
        f"alice:{'g' * 64}",
        f"alice:{'A' * 64}",
        f"al ice:{'a' * 64}",
        f":{'a' * 64}",
        f"alice:{'a' * 64} clips_in_flight=0",
        f"alice:{'a' * 64} clips_in_flight=many",
        f"alice:{'a' * 64} colour=red",
    ],
)
def test_a_line_that_is_no_key_is_refused_at_the_start(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"bob:{'b' * 64}\n{line}\n")
    with pytest.raises(KeysUnusable, match="line 2"):
        Keyring(None, file)
    with pytest.raises(KeysUnusable, match="cannot be read"):
        Keyring(None, tmp_path / "missing")


names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
limits = st.none() | st.integers(1, 10**8)
lines = st.builds(KeyLine, names, st.binary().map(lambda b: digest_of(b.hex())), limits, limits)


@given(st.lists(lines, max_size=5))
def test_what_is_written_is_read(tmp_path_factory: Any, written: list[KeyLine]) -> None:
    file = tmp_path_factory.mktemp("keys") / "keys"
    write_keys(file, written)
    assert read_keys(file) == written
    assert file.stat().st_mode & 0o077 == 0


async def test_over_http_each_key_has_its_own_measure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judge = FakeJudge()
    file = keys_file(tmp_path, requests_per_minute=3, clips_in_flight=2)
    with caplog.at_level(logging.DEBUG):
        async with app_of(judge, api_keys_file=str(file)) as app:
            judge.gate.clear()
            one = asyncio.create_task(
                app.post("/v1/score", json=scored(1, 2), headers=bearer(ALICE))
            )
            await until(judge.entered.is_set)
            refused = await app.post("/v1/score", json=scored(3), headers=bearer(ALICE))
            assert refused.status_code == 429
            assert refused.json()["details"]["resource"] == "clips_in_flight"
            other = asyncio.create_task(app.post("/v1/score", json=scored(3), headers=bearer(BOB)))
            await until(lambda: app.door.core.desk.queued_items == 1)
            judge.gate.set()
            assert [(await each).status_code for each in (one, other)] == [200, 200]
            assert (await app.client.get("/metrics", headers=bearer(ALICE))).status_code == 200
            refused = await app.client.get("/metrics", headers=bearer(ALICE))
            assert refused.json()["details"]["resource"] == "requests_per_minute"
            assert int(refused.headers["retry-after"]) >= 1
            assert (await app.client.get("/readyz")).status_code == 200
            assert (await app.client.get("/metrics")).status_code == 401
    told = caplog.text + str([vars(record) for record in caplog.records])
    assert "alice" in told
    assert ALICE not in told
    assert digest_of(ALICE) not in told


async def test_a_job_belongs_to_the_key_that_made_it(tmp_path: Path) -> None:
    file, folder = keys_file(tmp_path), tmp_path / "jobs"
    body = b'{"kind": "score"}\n{"clip": {"video_base64": "AAAA"}}'
    headers = {"content-type": "application/x-ndjson"}
    async with app_of(api_keys_file=str(file), jobs_dir=str(folder)) as app:
        made = await app.post("/v1/jobs", content=body, headers={**headers, **bearer(ALICE)})
        job = made.json()["job"]["id"]
        for method, path in (
            ("GET", f"/v1/jobs/{job}"),
            ("GET", f"/v1/jobs/{job}/results"),
            ("DELETE", f"/v1/jobs/{job}"),
            ("POST", f"/v1/jobs/{job}/retry"),
        ):
            assert (await app.client.request(method, path)).status_code == 401
            answer = await app.client.request(method, path, headers=bearer(BOB))
            assert answer.json()["code"] == "not_found"
        assert (await app.client.get("/v1/jobs", headers=bearer(BOB))).json()["jobs"] == []
        own = await app.client.get("/v1/jobs", headers=bearer(ALICE))
        assert [each["id"] for each in own.json()["jobs"]] == [job]
