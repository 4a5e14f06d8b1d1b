"""Raw frames: the safetensors header is hostile input, and identity is of content."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from critic_models.errors import ClipEmpty, ClipError, ClipTooLarge, ClipUnreadable, CriticError
from critic_models.video.frames import (
    from_array,
    from_safetensors,
    iter_array,
    read_safetensors,
    to_safetensors,
)
from critic_models.video.limits import ClipLimits
from critic_models.video.sampling import AllFrames, Uniform
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), dtype=np.uint8)
HEADER: dict[str, Any] = {
    "__metadata__": {"fps": "24.0"},
    "frames": {"dtype": "U8", "shape": [5, 16, 24, 3], "data_offsets": [0, FRAMES.size]},
}


def buffer(header: object = HEADER, payload: bytes = FRAMES.tobytes()) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


@given(
    st.integers(1, 6), st.integers(8, 20), st.integers(8, 20), st.floats(0.01, 1000), st.integers()
)
def test_frames_survive_the_round_trip(
    count: int, height: int, width: int, fps: float, seed: int
) -> None:
    chance = np.random.default_rng(abs(seed))
    frames = chance.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    decoded, decoded_fps = read_safetensors(to_safetensors(frames, fps))
    np.testing.assert_array_equal(decoded, frames)
    assert decoded_fps == fps


def test_the_reference_implementation_reads_what_is_written_and_the_reverse() -> None:
    np.testing.assert_array_equal(load(to_safetensors(FRAMES, 24.0))["frames"], FRAMES)
    frames, fps = read_safetensors(save({"frames": FRAMES}, metadata={"fps": "12.5"}))
    np.testing.assert_array_equal(frames, FRAMES)
    assert fps == 12.5


def test_a_clip_holds_the_chosen_frames_at_their_times() -> None:
    clip = from_safetensors(buffer(), Uniform(3))
    assert clip.source_indices.tolist() == [0, 2, 4]
    np.testing.assert_array_equal(clip.frames, FRAMES[[0, 2, 4]])
    np.testing.assert_allclose(clip.times_s, [0, 2 / 24, 4 / 24])
    assert (clip.source_num_frames, clip.source_fps, clip.sampling) == (5, 24.0, "uniform-3")
    assert clip.duration_s == pytest.approx(5 / 24)


def test_identity_is_of_frames_shape_and_rate() -> None:
    name = from_array(FRAMES, 24.0, AllFrames()).clip_id
    assert name == from_array(FRAMES, 24, Uniform(2)).clip_id
    assert name == from_safetensors(buffer(), Uniform(2)).clip_id
    assert name == from_array(np.asfortranarray(FRAMES), 24.0, AllFrames()).clip_id
    changed = FRAMES.copy()
    changed[-1, -1, -1, -1] ^= 1
    others = {
        from_array(changed, 24.0, Uniform(2)).clip_id,
        from_array(FRAMES, 25.0, AllFrames()).clip_id,
        from_array(FRAMES.reshape(5, 24, 16, 3), 24.0, AllFrames()).clip_id,
    }
    assert len(others | {name}) == 4


def test_chosen_frames_are_a_copy() -> None:
    frames = FRAMES.copy()
    clip = from_array(frames, 24.0, AllFrames())
    frames[:] = 0
    np.testing.assert_array_equal(clip.frames, FRAMES)


def test_an_array_is_streamed_with_its_times() -> None:
    positions, times_s, frames = zip(*iter_array(FRAMES, 10.0), strict=True)
    assert positions == (0, 1, 2, 3, 4)
    np.testing.assert_allclose(times_s, [0, 0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(np.stack(frames), FRAMES)


def changed(**parts: object) -> dict[str, Any]:
    return HEADER | {"frames": HEADER["frames"] | parts}


HUGE = [2**31, 2**31, 2**31, 3]
WRONG: dict[str, bytes] = {
    "nothing but a length": struct.pack("<Q", 10),
    "four bytes": b"\x01\x00\x00\x00",
    "a header longer than the buffer": struct.pack("<Q", 500) + b"{}" * 100,
    "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "a header of five thousand bytes": buffer(json.dumps(HEADER).encode().ljust(5000)),
    "no JSON": buffer(b'{"frames":'),
    "a list": buffer([HEADER]),
    "deep nesting": buffer(b'{"a":' + b"[" * 4000),
    "no text": buffer(b"\xff\xfe{}"),
    "a key twice": buffer(b'{"__metadata__":{"fps":"1"},"frames":1,"frames":2}'),
    "two tensors": buffer(HEADER | {"more": HEADER["frames"]}),
    "no metadata": buffer({"frames": HEADER["frames"]}),
    "no fps": buffer(HEADER | {"__metadata__": {}}),
    "an fps that is a number": buffer(HEADER | {"__metadata__": {"fps": 24}}),
    "an fps that is a word": buffer(HEADER | {"__metadata__": {"fps": "fast"}}),
    "an fps of zero": buffer(HEADER | {"__metadata__": {"fps": "0"}}),
    "an fps that is negative": buffer(HEADER | {"__metadata__": {"fps": "-1"}}),
    "an fps that is not finite": buffer(HEADER | {"__metadata__": {"fps": "inf"}}),
    "an fps that is no number": buffer(HEADER | {"__metadata__": {"fps": "nan"}}),
    "an fps beyond reason": buffer(HEADER | {"__metadata__": {"fps": "1e9"}}),
    "floats": buffer(changed(dtype="F32")),
    "a dtype that is a list": buffer(changed(dtype=["U8"] * 500)),
    "three axes": buffer(changed(shape=[5, 16, 72])),
    "four channels": buffer(changed(shape=[5, 16, 18, 4])),
    "a negative shape": buffer(changed(shape=[-5, -16, 24, 3])),
    "a shape of floats": buffer(changed(shape=[5.0, 16, 24, 3])),
    "a shape of booleans": buffer(changed(shape=[True, 16, 24, 3])),
    "a huge shape": buffer(changed(shape=HUGE)),
    "a huge shape that agrees with its offsets": buffer(
        changed(shape=HUGE, data_offsets=[0, 2**93 * 3])
    ),
    "a shape of a thousand digits": buffer(changed(shape=[10**1000, 16, 24, 3])),
    "an offset into the payload": buffer(changed(data_offsets=[8, FRAMES.size + 8])),
    "offsets that are backwards": buffer(changed(data_offsets=[FRAMES.size, 0])),
    "an extra fact of the tensor": buffer(changed(stride=1)),
    "a payload cut by one byte": buffer(payload=FRAMES.tobytes()[:-1]),
    "a payload with one byte more": buffer(payload=FRAMES.tobytes() + b"\x00"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_header_is_refused_before_anything_is_allocated(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(ClipUnreadable) as caught:
        from_safetensors(WRONG[name], AllFrames())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**20
    assert len(caught.value.message) < 300


def test_no_bytes_and_no_frames_are_empty() -> None:
    for data in (b"", buffer(changed(shape=[0, 16, 24, 3], data_offsets=[0, 0]), payload=b"")):
        with pytest.raises(ClipEmpty):
            from_safetensors(data, AllFrames())
    with pytest.raises(ClipEmpty):
        from_array(np.zeros((0, 16, 24, 3), np.uint8), 24.0, AllFrames())


LIMITS: dict[str, ClipLimits] = {
    "max_bytes": ClipLimits(max_bytes=FRAMES.size - 1),
    "max_pixels_per_frame": ClipLimits(max_pixels_per_frame=383),
    "max_side": ClipLimits(max_side=23),
    "max_source_frames": ClipLimits(max_source_frames=4),
    "max_duration_s": ClipLimits(max_duration_s=0.2),
    "max_decoded_bytes": ClipLimits(max_decoded_bytes=FRAMES.size - 1),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_limits_hold_for_raw_frames(limit: str) -> None:
    for build in (
        lambda: from_array(FRAMES, 24.0, AllFrames(), LIMITS[limit]),
        lambda: from_safetensors(buffer(), AllFrames(), LIMITS[limit]),
    ):
        with pytest.raises(ClipTooLarge) as caught:
            build()
        assert caught.value.details["limit"] == limit
    with pytest.raises(ClipError, match="at least 17"):
        from_array(FRAMES, 24.0, AllFrames(), ClipLimits(min_side=17))


@pytest.mark.parametrize(
    "build",
    [
        lambda: from_array(FRAMES.astype(np.float32), 24.0, AllFrames()),
        lambda: from_array(FRAMES[0], 24.0, AllFrames()),
        lambda: from_array(FRAMES[..., :1], 24.0, AllFrames()),
        lambda: from_array(FRAMES, float("nan"), AllFrames()),
        lambda: to_safetensors(FRAMES, 0.0),
        lambda: to_safetensors(FRAMES.astype(np.int32), 24.0),
    ],
)
def test_arrays_that_are_no_clip_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ClipUnreadable):
        build()


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@given(json_values, st.binary(max_size=64))
def test_any_json_header_is_refused_in_words(header: object, payload: bytes) -> None:
    with pytest.raises(ClipError):
        read_safetensors(buffer(header, payload))


@given(
    st.fixed_dictionaries(
        {"dtype": st.just("U8") | json_values, "shape": json_values, "data_offsets": json_values}
    ),
    json_values,
    st.binary(max_size=64),
)
def test_any_facts_of_the_tensor_are_refused_in_words(
    tensor: dict[str, object], metadata: object, payload: bytes
) -> None:
    for facts in ({"fps": "24"}, metadata):
        with pytest.raises(ClipError):
            read_safetensors(buffer({"__metadata__": facts, "frames": tensor}, payload))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(ClipError):
        read_safetensors(data)


@given(st.integers(0, 200), st.integers(0, 255))
def test_one_changed_byte_is_read_or_refused_in_words(at: int, value: int) -> None:
    data = bytearray(buffer())
    data[at] = value
    try:
        frames, fps = read_safetensors(bytes(data))
    except CriticError:
        return
    assert frames.shape[3] == 3
    assert frames.size == FRAMES.size
    assert 0 < fps <= 1000
