"""Clips that are sent ahead: bounded in bytes and time, named by their content."""

from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest
from critic_client import AsyncCriticClient
from hostile_clips import good_mp4
from hypothesis import given
from hypothesis import strategies as st
from service_app import App, app_of, as_base64, raw_clip, until

from critic_service.clip_store import ClipStore
from critic_service.errors import ClipUnknown


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_clip_is_kept_for_its_time_and_longer_if_it_is_used(clock: Clock) -> None:
    store = ClipStore(100, 10.0, clock)
    store.put("a", b"aaa")
    store.put("b", b"bbb")
    clock.now_s = 9.0
    assert store.get("a") == b"aaa"
    clock.now_s = 10.0
    with pytest.raises(ClipUnknown) as unknown:
        store.get("b")
    assert unknown.value.details == {"clip_id": "b"}
    assert store.get("a") == b"aaa"
    assert store.num_bytes == 3
    clock.now_s = 20.0
    assert store.num_bytes == 0


def test_what_was_not_used_for_longest_makes_room(clock: Clock) -> None:
    store = ClipStore(10, 60.0, clock)
    for name in "abc":
        store.put(name, name.encode() * 3)
    store.get("a")
    store.put("d", b"d" * 4)
    assert store.get("a") == b"aaa"
    for gone in "b":
        with pytest.raises(ClipUnknown):
            store.get(gone)
    assert store.num_bytes == 10


def test_a_clip_that_is_sent_again_counts_once(clock: Clock) -> None:
    store = ClipStore(10, 60.0, clock)
    for _ in range(5):
        store.put("a", b"a" * 6)
    assert store.num_bytes == 6


def test_a_clip_above_the_whole_room_is_refused(clock: Clock) -> None:
    store = ClipStore(10, 60.0, clock)
    store.put("a", b"aaa")
    with pytest.raises(ValueError, match="11 bytes do not fit"):
        store.put("b", b"b" * 11)
    assert store.get("a") == b"aaa"


@given(
    st.lists(
        st.tuples(st.sampled_from("pgt"), st.sampled_from("abcdef"), st.integers(0, 12)),
        max_size=60,
    )
)
def test_the_bounds_hold_whatever_is_done(steps: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    store = ClipStore(20, 5.0, clock)
    sent: dict[str, bytes] = {}
    used_s: dict[str, float] = {}
    for what, name, amount in steps:
        if what == "p":
            sent[name] = name.encode() * amount
            store.put(name, sent[name])
            used_s[name] = clock.now_s
        elif what == "t":
            clock.now_s += amount / 4
        else:
            try:
                assert store.get(name) == sent[name]
            except ClipUnknown:
                continue
            assert clock.now_s < used_s[name] + 5.0
            used_s[name] = clock.now_s
        kept = [each for each in sent if used_s[each] + 5.0 > clock.now_s]
        assert store.num_bytes <= min(20, sum(len(sent[each]) for each in kept))


async def put(app: App, data: bytes, status: int = 200) -> dict[str, object]:
    answer = await app.client.put("/v1/clips", content=data)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_clip_that_was_sent_ahead_is_judged_as_if_it_were_inside() -> None:
    video = good_mp4()
    async with app_of() as app:
        kept = [await put(app, data) for data in (raw_clip(1), video)]
        refs = [{"clip_id": each["clip_id"]} for each in kept]
        inside = [{"frames_base64": as_base64(raw_clip(1))}, {"video_base64": as_base64(video)}]
        ahead, direct = [
            (await app.post("/v1/rank", json={"clips": clips, "prompt": "a cat"})).json()
            for clips in (refs, inside)
        ]
        assert app.door.held_bodies.num_bytes == 0
    assert ahead["results"] == direct["results"]
    # The id is the one that the results have.
    assert [each["clip_id"] for each in ahead["results"]] == [each["clip_id"] for each in kept]
    assert kept[1]["clip_id"] == hashlib.sha256(video).hexdigest()
    assert (kept[1]["num_bytes"], kept[1]["expires_in_s"]) == (len(video), 900.0)


async def test_the_client_sends_a_clip_ahead_and_names_it() -> None:
    async with app_of() as app:
        transport = httpx.ASGITransport(app=app.guard)
        async with AsyncCriticClient("http://critic", transport=transport) as client:
            stored = await client.upload(raw_clip(1))
            by_name, direct = await client.score([stored]), await client.score([raw_clip(1)])
    assert stored.num_bytes == len(raw_clip(1))
    assert by_name.results == direct.results
    assert by_name.results[0].clip_id == stored.clip_id


async def test_the_same_clip_ahead_and_inside_is_decoded_once() -> None:
    async with app_of() as app:
        clip_id = (await put(app, raw_clip(1)))["clip_id"]
        refs = [{"clip_id": clip_id}, {"frames_base64": as_base64(raw_clip(1))}]
        answer = await app.post("/v1/score", json={"items": [{"clip": ref} for ref in refs]})
        assert answer.status_code == 200
        assert len(app.judge.prepared) == 1


async def test_a_clip_that_is_not_kept_fails_alone() -> None:
    async with app_of() as app:
        clip_id = (await put(app, raw_clip(1)))["clip_id"]
        refs = [{"clip_id": clip_id}, {"clip_id": "0" * 64}]
        body = {"items": [{"clip": ref} for ref in refs]}
        good, bad = (await app.post("/v1/score", json=body)).json()["results"]
    assert good["reward"] is not None
    assert bad["reward"] is None
    assert bad["reason"]["code"] == "clip_unknown"
    assert bad["reason"]["details"] == {"clip_id": "0" * 64}


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "clip_empty"),
        (b"x" * 2_001, 413, "clip_too_large"),
        (raw_clip(1)[:400], 422, "clip_unreadable"),
    ],
)
async def test_a_clip_that_cannot_be_kept(data: bytes, status: int, code: str) -> None:
    async with app_of(max_kept_clip_bytes=2_000) as app:
        error = await put(app, data, status)
        assert app.door.core.clips.store.num_bytes == 0
    assert error["code"] == code


async def test_nothing_is_kept_where_that_is_turned_off() -> None:
    async with app_of(max_kept_clip_bytes=0) as app:
        error = await put(app, b"x", 413)
    assert error["details"] == {"limit": "max_kept_clip_bytes", "allowed": 0, "found": 1}


async def test_a_clip_that_makes_room_stays_with_the_call_that_reads_it() -> None:
    async with app_of(max_kept_clip_bytes=4_000) as app:
        clip_id = (await put(app, raw_clip(1)))["clip_id"]
        app.judge.gate.clear()
        body = {"items": [{"clip": {"clip_id": clip_id}}]}
        judging = asyncio.create_task(app.post("/v1/score", json=body))
        await until(app.judge.entered.is_set)
        await put(app, raw_clip(2))
        app.judge.gate.set()
        assert (await judging).status_code == 200
        assert (await app.post("/v1/score", json=body)).json()["code"] == "clip_unknown"
