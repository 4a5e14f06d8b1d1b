"""Recorded sessions: what is written, what is played back, and what was never recorded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from critic_client import (
    AsyncCriticClient,
    CriticClient,
    CriticClientError,
    Frames,
    NotRecorded,
    Overloaded,
    Pipeline,
    RecordingTransport,
    ReplayTransport,
    RewardFunction,
    ServerError,
)
from critic_client._multipart import read_parts
from critic_client.testing import FakeCritic
from hypothesis import given
from hypothesis import strategies as st

CLIPS = [b"clip-%d" % i for i in range(5)]


@pytest.fixture
def critic() -> Iterator[FakeCritic]:
    with FakeCritic() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def test_every_call_is_replayed_as_it_was(critic: FakeCritic, path: Path) -> None:
    def talk(client: CriticClient) -> list[Any]:
        return [
            client.score(CLIPS, "a ball", ["visual_quality"]),
            client.compare_many([(CLIPS[0], CLIPS[1]), (CLIPS[1], CLIPS[2])], "a ball"),
            client.rank(CLIPS[:3], "a ball", reward={"text_alignment": 1}),
            client.dimensions(CLIPS[:2]),
            client.info(),
        ]

    with CriticClient(critic.url, transport=RecordingTransport(path)) as client:
        live = talk(client)
    critic.close()
    with CriticClient(transport=ReplayTransport(path)) as client:
        assert client.ready()
        assert talk(client) == live
    assert len(lines(path)) == 5


def test_the_clients_of_asyncio_and_the_pipeline_share_sessions(
    critic: FakeCritic, path: Path
) -> None:
    async def score(transport: Any) -> Any:
        async with AsyncCriticClient(critic.url, transport=transport) as client:
            return await client.score(CLIPS[:2], "a ball")

    def reward(transport: Any) -> Any:
        with Pipeline(critic.url, transport=transport) as pipeline:
            return RewardFunction(pipeline, clips_per_call=2)(["p"] * 5, CLIPS)

    live = [asyncio.run(score(RecordingTransport(path))), reward(RecordingTransport(path))]
    critic.close()
    assert [asyncio.run(score(ReplayTransport(path))), reward(ReplayTransport(path))] == live
    with CriticClient(transport=ReplayTransport(path)) as client:
        assert client.score(CLIPS[:2], "a ball") == live[0]


def test_a_line_names_clips_by_their_hash_and_holds_no_key(critic: FakeCritic, path: Path) -> None:
    transport = RecordingTransport(path)
    with CriticClient(critic.url, api_key="s3cret", transport=transport) as client:
        client.score([CLIPS[0], CLIPS[1], CLIPS[0]], "a\u2028ball", reward={"visual_quality": 2})
    (line,) = lines(path)
    described = {
        "sha256": hashlib.sha256(CLIPS[0]).hexdigest(),
        "bytes": len(CLIPS[0]),
        "media_type": "application/octet-stream",
    }
    assert line["request"]["items"][2] == {"clip": described, "prompt": "a\u2028ball"}
    assert line["request"]["items"][0]["clip"] == described
    assert line["request"]["reward"] == {"weights": {"visual_quality": 2}}
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/score", 200)
    assert line["answer"]["results"][0]["reward"] is not None
    assert "s3cret" not in path.read_text("utf-8")
    with CriticClient(transport=ReplayTransport(path)) as client:
        client.score([CLIPS[0], CLIPS[1], CLIPS[0]], "a\u2028ball", reward={"visual_quality": 2})


def test_clips_are_kept_where_asked(critic: FakeCritic, path: Path) -> None:
    transport = RecordingTransport(path, keep_clips=True)
    with CriticClient(critic.url, transport=transport) as client:
        live = client.score(CLIPS[0], "p")
    clip = lines(path)[0]["request"]["items"][0]["clip"]
    assert base64.b64decode(clip["content"]) == CLIPS[0]
    with CriticClient(transport=ReplayTransport(path)) as client:
        assert client.score(CLIPS[0], "p") == live


@pytest.mark.parametrize(
    "asked",
    [
        (CLIPS[1], "a ball", None),
        (CLIPS[0], "another", None),
        (CLIPS[0], None, None),
        (CLIPS[0], "a ball", ["visual_quality"]),
        ([CLIPS[0], CLIPS[0]], "a ball", None),
    ],
)
def test_what_was_not_recorded_is_an_error_that_says_so(
    critic: FakeCritic, path: Path, asked: tuple[Any, ...]
) -> None:
    with CriticClient(critic.url, transport=RecordingTransport(path)) as client:
        client.score(CLIPS[0], "a ball")
    with CriticClient(transport=ReplayTransport(path)) as client:
        client.score(CLIPS[0], "a ball")
        with pytest.raises(NotRecorded, match=r"/v1/score was not recorded in .*session.jsonl"):
            client.score(*asked)


def test_what_was_not_recorded_is_no_lost_reward(path: Path) -> None:
    path.touch()
    with Pipeline(transport=ReplayTransport(path)) as pipeline:
        reward = RewardFunction(pipeline)
        with pytest.raises(NotRecorded):
            reward(["p"], CLIPS[:1])
        assert reward.lost == {}


def test_frames_and_their_rate_are_part_of_a_call(critic: FakeCritic, path: Path) -> None:
    np = pytest.importorskip("numpy")
    frames = np.zeros((2, 4, 5, 3), np.uint8)
    with CriticClient(critic.url, transport=RecordingTransport(path)) as client:
        client.score(Frames(frames, fps=8))
    with CriticClient(transport=ReplayTransport(path)) as client:
        client.score(Frames(frames.copy(), fps=8))
        with pytest.raises(NotRecorded):
            client.score(Frames(frames, fps=16))


def test_answers_to_the_same_call_come_in_their_order(
    critic: FakeCritic, path: Path, slept: list[float]
) -> None:
    critic.retry_after_s = 7
    critic.fail_next("overloaded")
    with CriticClient(critic.url, transport=RecordingTransport(path)) as client:
        live = client.score(CLIPS[0])
    assert [line["status"] for line in lines(path)] == [429, 200]
    with CriticClient(transport=ReplayTransport(path), max_retries=0) as client:
        with pytest.raises(Overloaded) as caught:
            client.score(CLIPS[0])
        assert caught.value.retry_after_s == 7.0
        assert client.score(CLIPS[0]) == live
        assert client.score(CLIPS[0]) == live


def test_an_error_page_is_recorded_as_it_came(path: Path) -> None:
    page = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>bad gateway"))
    for open_session in (partial(RecordingTransport, transport=page), ReplayTransport):
        transport = open_session(path)
        with (
            CriticClient(transport=transport, max_retries=0) as client,
            pytest.raises(ServerError, match="502") as caught,
        ):
            client.score(CLIPS[0])
        assert caught.value.body == "<html>bad gateway"


def test_a_session_grows_and_several_can_be_played(critic: FakeCritic, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    for path, clip in ((one, CLIPS[0]), (two, CLIPS[1]), (one, CLIPS[2])):
        with CriticClient(critic.url, transport=RecordingTransport(path)) as client:
            client.score(clip)
    assert (len(lines(one)), len(lines(two))) == (2, 1)
    with CriticClient(transport=ReplayTransport(one, two)) as client:
        for clip in CLIPS[:3]:
            assert client.score(clip).rewards[0] is not None


def test_threads_do_not_mix_their_lines(critic: FakeCritic, path: Path) -> None:
    with CriticClient(critic.url, transport=RecordingTransport(path)) as client:
        threads = [
            threading.Thread(target=client.score, args=(clip, "p" * 2000)) for clip in CLIPS * 2
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    hashes = [line["request"]["items"][0]["clip"]["sha256"] for line in lines(path)]
    assert sorted(hashes) == sorted([FakeCritic.clip_hash(clip) for clip in CLIPS] * 2)


@pytest.mark.parametrize("text", ["{", "[]", '{"method": "POST"}', '{"a": 1}\n'])
def test_a_file_that_is_no_session_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ValueError, match=r"session.jsonl:1 is not"):
        ReplayTransport(path)


def test_a_path_that_cannot_be_used_is_found_out_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RecordingTransport(tmp_path / "missing" / "session.jsonl")
    with pytest.raises(FileNotFoundError):
        ReplayTransport(tmp_path / "missing.jsonl")


def test_a_transport_of_the_wrong_kind_is_refused(path: Path) -> None:
    sync_alone = RecordingTransport(path, transport=httpx.HTTPTransport())

    async def score() -> None:
        async with AsyncCriticClient(transport=sync_alone) as client:
            await client.score(CLIPS[0])

    with pytest.raises(TypeError, match="not for asyncio"):
        asyncio.run(score())
    async_alone = RecordingTransport(path, transport=httpx.AsyncHTTPTransport())
    with (
        CriticClient(transport=async_alone) as client,
        pytest.raises(TypeError, match="for asyncio alone"),
    ):
        client.score(CLIPS[0])


@given(st.lists(st.binary(max_size=64), min_size=1, max_size=4))
def test_parts_are_read_back_as_they_were_sent(contents: list[bytes]) -> None:
    files = [
        (f"clip-{i}", (f"clip-{i}", content, "video/mp4")) for i, content in enumerate(contents)
    ]
    request = httpx.Request("POST", "http://critic", files=files)
    parts = read_parts(request.headers["content-type"], request.read())
    assert [(part.name, part.content, part.media_type) for part in parts] == [
        (f"clip-{i}", content, "video/mp4") for i, content in enumerate(contents)
    ]


@given(st.text(max_size=40), st.binary(max_size=200))
def test_a_body_that_is_no_multipart_is_refused_and_nothing_else(header: str, body: bytes) -> None:
    for content_type in (header, "multipart/form-data; boundary=xy"):
        try:
            read_parts(content_type, body)
        except CriticClientError:
            continue
