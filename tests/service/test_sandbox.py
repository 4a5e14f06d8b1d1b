"""Clips decoded in processes of their own: equal results, and faults that stay with their clip."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from critic_models.errors import ClipError, ClipTooLarge, ClipUnreadable, CriticError
from critic_models.types import Clip
from critic_models.video.frames import to_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.sampling import AllFrames, AtRate, Middle, Sampling, Transitions, Uniform
from hostile_clips import TEXT_FILE, good_mp4, moving_square, truncated_mp4
from hypothesis import given, settings
from hypothesis import strategies as st
from service_app import app_of, as_base64

from critic_service import schemas
from critic_service.errors import DecodeCrashed, DecodeKilled, DecodeTimeout
from critic_service.sandbox.confine import memory_allowance_bytes
from critic_service.sandbox.decoder import Decoder, InProcessDecoder, SandboxedDecoder
from critic_service.sandbox.warden import Warden
from critic_service.sandbox.wire import MAX_HEADER_BYTES, BadMessage, Channel, ChannelClosed
from critic_service.settings import Settings, SettingsError

SMALL = ClipLimits(
    max_bytes=2**20, max_pixels_per_frame=2**20, max_decoded_bytes=2**24, max_decode_s=0.8
)
HOSTILE = partial(Warden, "hostile_worker")


@pytest.fixture(scope="module")
def sandboxed() -> Iterator[SandboxedDecoder]:
    decoder = SandboxedDecoder(ClipLimits())
    yield decoder
    decoder.close()


@pytest.fixture(scope="module")
def hostile() -> Iterator[SandboxedDecoder]:
    decoder = SandboxedDecoder(SMALL, grace_s=0.3, new_warden=HOSTILE)
    yield decoder
    decoder.close()


def facts(clip: Clip) -> dict[str, Any]:
    arrays = ("frames", "times_s", "source_indices")
    return {
        name: (value.dtype, value.shape, value.tobytes()) if name in arrays else value
        for name, value in vars(clip).items()
    }


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


@pytest.mark.parametrize(
    "sampling", [Uniform(5), Transitions(4), Middle(16), AllFrames(), AtRate(2.0, 4, 768)]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_clip_comes_out_to_the_last_bit(
    sandboxed: Decoder, sampling: Sampling, seed: int
) -> None:
    data = good_mp4(seed)
    expected = facts(InProcessDecoder(ClipLimits()).load(data, sampling))
    assert facts(sandboxed.load(data, sampling)) == expected
    assert facts(sandboxed.load(good_mp4(seed + 7), sampling)) != expected


def test_the_same_frames_come_out_to_the_last_bit(sandboxed: Decoder) -> None:
    data = good_mp4()
    expected = list(InProcessDecoder(ClipLimits()).frames(data))
    found = list(sandboxed.frames(data))
    assert [(each.position, each.time_s) for each in found] == [
        (each.position, each.time_s) for each in expected
    ]
    assert all(np.array_equal(a.frame, b.frame) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("data", [b"", TEXT_FILE, truncated_mp4()])
def test_the_same_errors_come_out(sandboxed: Decoder, data: bytes) -> None:
    errors = []
    for decoder in (InProcessDecoder(ClipLimits()), sandboxed):
        with pytest.raises(ClipError) as caught:
            decoder.load(data, Uniform(4))
        errors.append((type(caught.value), caught.value.message, caught.value.details))
    assert errors[0] == errors[1]


def test_limits_hold_in_the_child() -> None:
    decoder = SandboxedDecoder(ClipLimits(max_source_frames=5))
    try:
        with pytest.raises(ClipTooLarge) as caught:
            decoder.load(good_mp4(), Uniform(4))
        assert caught.value.details["limit"] == "max_source_frames"
    finally:
        decoder.close()


def test_raw_frames_need_no_process() -> None:
    def no_warden() -> Warden:
        raise AssertionError("a process was started")

    decoder = SandboxedDecoder(ClipLimits(), new_warden=no_warden)
    raw = to_safetensors(moving_square(4), fps=8.0)
    assert decoder.load(raw, Uniform(2)).num_frames == 2
    assert len(list(decoder.frames(raw))) == 4


def test_a_policy_that_its_name_does_not_tell_is_refused(sandboxed: Decoder) -> None:
    with pytest.raises(ValueError, match="not what its name says"):
        sandboxed.load(good_mp4(), AllFrames(max_frames=3))


@pytest.mark.parametrize(
    ("deed", "kind", "says", "is_retryable"),
    [
        (b"spin", DecodeTimeout, "hung", True),
        (b"sleep", DecodeTimeout, "hung", True),
        (b"allocate", DecodeCrashed, "MemoryError", False),
        (b"crash", DecodeCrashed, "SIGSEGV", False),
        (b"leave", DecodeCrashed, "without an answer", False),
        (b"raise", DecodeCrashed, "ZeroDivisionError", False),
    ],
)
def test_what_a_clip_does_costs_that_clip(
    hostile: Decoder, deed: bytes, kind: type[CriticError], says: str, is_retryable: bool
) -> None:
    started_s = time.monotonic()
    with pytest.raises(kind, match=says) as caught:
        hostile.load(deed, Uniform(4))
    assert caught.value.retryable is is_retryable
    assert time.monotonic() - started_s < 20
    assert hostile.load(good_mp4(), Uniform(4)).num_frames == 4


@pytest.mark.parametrize("deed", [b"write", b"read", b"connect"])
def test_a_child_opens_no_file_and_no_socket(hostile: Decoder, deed: bytes) -> None:
    with pytest.raises(ClipUnreadable, match=r"errno 24$"):  # too many open files
        hostile.load(deed, Uniform(4))


def test_a_child_has_none_of_the_services_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRITIC_API_KEY", "only-for-friends")
    warden = Warden()
    try:
        with warden.begin():
            environment = Path(f"/proc/{warden.pid}/environ").read_bytes()
    finally:
        warden.kill()
    assert b"PYTHONPATH" in environment
    assert b"friends" not in environment


def test_a_child_that_is_killed_in_mid_decode_costs_its_clip_alone(
    hostile: SandboxedDecoder,
) -> None:
    started = threading.Event()
    wardens: list[Warden] = []

    def new_warden() -> Warden:
        wardens.append(HOSTILE())
        started.set()
        return wardens[-1]

    decoder = SandboxedDecoder(ClipLimits(), new_warden=new_warden)
    with ThreadPoolExecutor(1) as thread:
        doomed = thread.submit(decoder.load, b"sleep", Uniform(4))
        assert started.wait(20)
        assert hostile.load(good_mp4(), Uniform(4)).num_frames == 4
        end_s = time.monotonic() + 20
        while not (children := children_of(wardens[0].pid)):
            assert time.monotonic() < end_s
            time.sleep(0.005)
        os.kill(children[0], signal.SIGKILL)
        with pytest.raises(DecodeKilled):
            doomed.result(20)
    assert decoder.load(good_mp4(), Uniform(4)).num_frames == 4
    assert len(wardens) == 1  # it outlived its child

    os.kill(wardens[0].pid, signal.SIGKILL)
    assert decoder.load(good_mp4(), Uniform(4)).num_frames == 4
    assert len(wardens) == 2  # and is replaced where it is gone itself, at no clip's cost
    decoder.close()


def test_a_stop_signal_to_all_processes_costs_no_clip() -> None:
    """A supervisor that stops the service signals its children too; admitted clips are decoded."""
    wardens: list[Warden] = []

    def new_warden() -> Warden:
        wardens.append(Warden())
        return wardens[-1]

    decoder = SandboxedDecoder(ClipLimits(), new_warden=new_warden)
    try:
        before = decoder.load(good_mp4(), Uniform(2))
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(wardens[0].pid, number)
        after = decoder.load(good_mp4(), Uniform(2))
    finally:
        decoder.close()
    assert np.array_equal(before.frames, after.frames)
    assert len(wardens) == 1


def test_one_start_that_fails_costs_no_clip() -> None:
    wardens: list[Warden] = []

    def new_warden() -> Warden:
        wardens.append(Warden())
        if len(wardens) == 1:
            os.kill(wardens[0].pid, signal.SIGKILL)
        return wardens[-1]

    decoder = SandboxedDecoder(ClipLimits(), new_warden=new_warden)
    try:
        assert len(decoder.load(good_mp4(), Uniform(2)).frames) == 2
    finally:
        decoder.close()
    assert len(wardens) == 2


def test_frames_that_nobody_takes_end_the_child(sandboxed: SandboxedDecoder) -> None:
    frames = sandboxed.frames(good_mp4())
    assert next(frames).position == 0
    del frames
    assert len(list(sandboxed.frames(good_mp4()))) == 12


def test_nothing_is_left_behind() -> None:
    wardens: list[Warden] = []

    def new_warden() -> Warden:
        wardens.append(Warden())
        return wardens[-1]

    decoder = SandboxedDecoder(ClipLimits(), new_warden=new_warden)
    with ThreadPoolExecutor(2) as threads:
        clips = list(threads.map(lambda seed: decoder.load(good_mp4(seed), Uniform(2)), range(8)))
    assert len(clips) == 8
    assert 1 <= len(wardens) <= 2
    decoder.close()
    assert not [each for each in wardens if Path(f"/proc/{each.pid}").exists()]
    assert decoder.load(good_mp4(), Uniform(2)).num_frames == 2  # late: served, and ended with it
    assert not Path(f"/proc/{wardens[-1].pid}").exists()


async def test_neighbours_of_a_hostile_clip_are_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "critic_service.core.SandboxedDecoder",
        lambda limits: SandboxedDecoder(SMALL, grace_s=0.3, new_warden=HOSTILE),
    )
    items = [
        {"clip": {"video_base64": as_base64(data)}}
        for data in (good_mp4(), b"crash", b"spin", good_mp4(3))
    ]
    scores = []
    for is_sandboxed in (True, False):
        async with app_of(decode_sandbox=is_sandboxed) as app:
            answer = await app.post("/v1/score", json={"items": items})
        response = schemas.ScoreResponse.model_validate(answer.json())
        scores.append([each.scores for each in response.results])
        if is_sandboxed:
            codes = [each.reason and each.reason.code for each in response.results]
            assert codes == [None, "decode_crashed", "decode_timeout", None]
    assert scores[0] == scores[1]


def test_the_memory_of_a_child_follows_the_limits() -> None:
    default = memory_allowance_bytes(ClipLimits())
    assert memory_allowance_bytes(SMALL) < default < 4 * 2**30


def talk() -> tuple[Channel, socket.socket]:
    ours, theirs = socket.socketpair()
    return Channel(ours, timeout_s=0.2), theirs


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_whatever_comes_is_a_header_or_an_error(data: bytes) -> None:
    channel, theirs = talk()
    theirs.sendall(data)
    theirs.close()
    try:
        assert isinstance(channel.header(), dict)
    except (BadMessage, ChannelClosed):
        pass
    finally:
        channel.close()


def test_a_header_is_bounded_before_it_is_read() -> None:
    channel, theirs = talk()
    theirs.sendall((MAX_HEADER_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(BadMessage), theirs:
        channel.header()
    channel.close()


def test_bytes_that_come_in_drops_do_not_stretch_the_time() -> None:
    channel, theirs = talk()
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            theirs.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    started_s = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            channel.read(1000)
    finally:
        stop.set()
        thread.join()
        theirs.close()
        channel.close()
    assert time.monotonic() - started_s < 5


@pytest.mark.parametrize(
    "reply",
    [
        {"kind": "other"},
        {"kind": "clip", "shape": [1, 16, 16]},
        {"kind": "clip", "shape": [1, 16, 16, 4]},
        {"kind": "clip", "shape": [10**9, 16, 16, 3]},
        {"kind": "clip", "shape": [1, 16.5, 16, 3]},
        {"kind": "error", "code": "overloaded", "message": "", "details": {}},
        {"kind": "error", "code": "clip_empty", "message": 1, "details": {}},
    ],
)
def test_a_child_that_lies_is_not_believed(reply: dict[str, Any]) -> None:
    class Liar(Warden):
        def __init__(self) -> None:
            pass

        def begin(self) -> socket.socket:
            ours, theirs = socket.socketpair()
            Channel(theirs).send(reply)
            self.theirs = theirs
            return ours

        def wait_status(self) -> int:
            self.theirs.close()
            return 0

        def kill(self) -> None: ...

    decoder = SandboxedDecoder(ClipLimits(), new_warden=Liar)
    with pytest.raises(DecodeCrashed):
        decoder.load(b"anything", Uniform(4))


def test_the_sandbox_is_refused_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().decode_sandbox
    monkeypatch.setattr("critic_service.settings.sys.platform", "darwin")
    with pytest.raises(SettingsError, match="decode_sandbox"):
        Settings(decode_sandbox=True)
    assert not Settings(decode_sandbox=False).decode_sandbox
