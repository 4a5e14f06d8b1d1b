"""Intake: what is shared, what is dropped, what is refused."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from critic_models.errors import ClipTooLarge, ClipUnreadable
from critic_models.video.limits import ClipLimits
from hypothesis import given
from hypothesis import strategies as st
from service_app import as_base64

from critic_service.clip_store import ClipStore
from critic_service.errors import Draining, InvalidRequest, Overloaded
from critic_service.intake import CallClips, Intake, Part
from critic_service.metrics import Metrics
from critic_service.schemas import ClipRef


class Made:
    """What is made of a clip; unlike bytes it can be watched."""

    def __init__(self, data: bytes) -> None:
        self.data = data


async def always_room() -> None: ...


def new_intake(**more: Any) -> Intake:
    how: dict[str, Any] = {"num_threads": 2, "max_clips": 100, "wait_for_room": always_room, **more}
    return Intake(ClipLimits(max_bytes=1000), metrics=Metrics(), store=ClipStore(1000, 60.0), **how)


@contextmanager
def opened(
    refs: list[ClipRef],
    parts: dict[str, Part],
    make: Callable[[bytes], Any] = Made,
    intake: Intake | None = None,
) -> Iterator[CallClips[Any]]:
    with (intake or new_intake()).open(refs, parts, make) as clips:
        yield clips


def part(name: str) -> ClipRef:
    return ClipRef(part=name)


async def test_equal_bytes_are_one_clip_in_whatever_form() -> None:
    refs = [part("a"), part("b"), ClipRef(video_base64=as_base64(b"same")), part("c")]
    parts = {name: Part.of_bytes(b"same") for name in ("a", "b")} | {"c": Part.of_bytes(b"other")}
    made: list[bytes] = []

    def make(data: bytes) -> Made:
        made.append(data)
        return Made(data)

    with opened(refs, parts, make) as clips:
        first, second, third, fourth = await clips.identify(refs)
        assert first == second == third != fourth
        with clips.use(refs[0]) as a, clips.use(refs[2]) as c, clips.use(refs[3]) as d:
            assert (await a) is (await c)
            assert (await d).data == b"other"
    assert sorted(made) == [b"other", b"same"]


async def test_what_was_made_is_dropped_with_its_last_user() -> None:
    refs = [part("a"), part("b")]
    parts = {"a": Part.of_bytes(b"1"), "b": Part.of_bytes(b"2")}
    with opened(refs, parts) as clips:
        await clips.identify(refs)
        with clips.use(refs[0]) as wanted:
            watched = weakref.ref(await wanted)
            with clips.use(refs[0]) as again:
                await again
            gc.collect()
            assert watched() is not None
        del wanted, again
        await asyncio.sleep(0)
        gc.collect()
        assert watched() is None


async def test_a_clips_error_is_told_to_all_its_users() -> None:
    refs = [part("a")]

    def make(data: bytes) -> Any:
        raise ClipUnreadable("no")

    with opened(refs, {"a": Part.of_bytes(b"1")}, make) as clips:
        await clips.identify(refs)
        with clips.use(refs[0]) as first, clips.use(refs[0]) as second:
            for each in (first, second):
                with pytest.raises(ClipUnreadable):
                    await each


async def test_a_user_that_gives_up_leaves_the_clip_to_the_others() -> None:
    gate = threading.Event()

    def make(data: bytes) -> bytes:
        gate.wait(3)
        return data

    refs = [part("a")]
    with opened(refs, {"a": Part.of_bytes(b"1")}, make) as clips:
        await clips.identify(refs)

        async def user() -> bytes:
            with clips.use(refs[0]) as wanted:
                return await wanted

        gone, stays = asyncio.create_task(user()), asyncio.create_task(user())
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        gate.set()
        assert await stays == b"1"


async def test_a_clip_that_nobody_waits_for_is_not_made() -> None:
    gate, made = threading.Event(), []

    def make(data: bytes) -> bytes:
        made.append(data)
        gate.wait(3)
        return data

    refs = [part("a"), part("b")]
    parts = {"a": Part.of_bytes(b"1"), "b": Part.of_bytes(b"2")}
    with opened(refs, parts, make, new_intake(num_threads=1)) as clips:
        await clips.identify(refs)
        with clips.use(refs[0]) as first:
            await asyncio.sleep(0.01)
            with clips.use(refs[1]):
                await asyncio.sleep(0.01)
            gate.set()
            assert await first == b"1"
            await asyncio.sleep(0.01)
    assert made == [b"1"]


async def test_a_clip_that_is_too_long_is_not_read() -> None:
    def read() -> bytes:
        raise AssertionError("it was read")

    refs = [part("a"), ClipRef(video_base64="A" * 4000)]
    with opened(refs, {"a": Part(read, 1001)}) as clips:
        await clips.identify(refs)
        for ref in refs:
            with clips.use(ref) as wanted, pytest.raises(ClipTooLarge) as refused:
                await wanted
            assert refused.value.details["limit"] == "max_bytes"


@given(st.binary(max_size=1000))
def test_base64_of_any_bytes_comes_back(data: bytes) -> None:
    ref = ClipRef(video_base64=as_base64(data))
    with opened([ref], {}) as clips:
        assert clips._read(ref) == data


@given(st.text(max_size=200))
def test_any_text_is_either_base64_or_unreadable(text: str) -> None:
    ref = ClipRef(video_base64=text)
    with opened([ref], {}) as clips:
        try:
            data = clips._read(ref)
        except ClipUnreadable:
            return
        assert as_base64(data) == text


@pytest.mark.parametrize(
    ("named", "there", "told"),
    [(["a"], [], "a"), ([], ["a"], "a"), (["a", "b"], ["a", "c"], "b"), (["a"], ["a", "z"], "z")],
)
def test_parts_and_names_must_agree(named: list[str], there: list[str], told: str) -> None:
    refs = [part(name) for name in named] or [ClipRef(video_base64="")]
    parts = {name: Part.of_bytes(b"") for name in there}
    with pytest.raises(InvalidRequest, match=f": {told}"), opened(refs, parts):
        pytest.fail("opened")


def test_clips_in_progress_are_bounded_and_given_back() -> None:
    intake = new_intake(max_clips=3)
    refs = [ClipRef(video_base64=as_base64(bytes([n]))) for n in range(5)]
    with opened(refs, {}, intake=intake):  # alone, a call may bring more
        with pytest.raises(Overloaded) as refused, opened(refs[:1], {}, intake=intake):
            pytest.fail("opened")
        assert refused.value.retry_after_s >= 1
    with opened(refs[:1], {}, intake=intake), opened(refs[:2], {}, intake=intake):
        pass


async def test_nothing_is_made_after_closing() -> None:
    intake = new_intake()
    refs = [part("a")]
    with opened(refs, {"a": Part.of_bytes(b"1")}, intake=intake) as clips:
        await clips.identify(refs)
        intake.close()
        with clips.use(refs[0]) as wanted, pytest.raises(Draining):
            await wanted


async def test_a_file_is_read_when_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"before")
    given = Part.of_file(file)
    assert given.num_bytes == 6
    refs = [part("a")]
    with opened(refs, {"a": given}) as clips:
        await clips.identify(refs)
        file.write_bytes(b"later!")
        with clips.use(refs[0]) as wanted:
            assert (await wanted).data == b"later!"
    with pytest.raises(FileNotFoundError):
        Part.of_file(tmp_path / "nowhere.mp4")
