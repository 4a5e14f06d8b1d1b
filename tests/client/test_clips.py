"""What counts as a clip, and what an array must say before it is one."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from critic_client import Frames
from critic_client._parts import ClipParts, as_clip_list
from critic_client._safetensors import write_uint8
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load

VIDEO = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)


def read_back(frames: Frames) -> np.ndarray:
    return load(frames.to_safetensors())["frames"]


@settings(deadline=None)
@given(
    hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3, st.just(3))),
    st.floats(0.1, 1000, allow_nan=False),
)
def test_frames_come_back_from_the_safetensors_library(array: np.ndarray, fps: float) -> None:
    content = Frames(array, fps, layout="THWC").to_safetensors()
    np.testing.assert_array_equal(load(content)["frames"], array)
    (size,) = struct.unpack("<Q", content[:8])
    assert size % 8 == 0
    assert float(json.loads(content[8 : 8 + size])["__metadata__"]["fps"]) == fps


def test_the_writer_refuses_data_that_does_not_fill_the_shape() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        write_uint8("frames", (2, 2, 3), b"short", {})


@pytest.mark.parametrize(
    ("layout", "axes"), [("THWC", (0, 1, 2, 3)), ("TCHW", (0, 3, 1, 2)), ("CTHW", (3, 0, 1, 2))]
)
@pytest.mark.parametrize("given_layout", [True, False])
def test_every_layout_arrives_as_thwc(
    layout: Any, axes: tuple[int, ...], given_layout: bool
) -> None:
    array = VIDEO.transpose(axes)
    frames = Frames(array, 8, layout=layout if given_layout else None)
    np.testing.assert_array_equal(read_back(frames), VIDEO)


def test_a_strided_view_arrives_as_it_reads() -> None:
    view = VIDEO[::-2, ::2, 1:, ::-1]
    np.testing.assert_array_equal(read_back(Frames(view, 8, layout="THWC")), view)


@pytest.mark.parametrize("shape", [(3, 4, 6, 3), (5, 3, 6, 3), (3, 3, 4, 6)])
def test_a_shape_that_fits_two_layouts_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"say which with layout"):
        Frames(np.zeros(shape, np.uint8), 8)


def test_an_ambiguous_shape_is_fine_with_a_layout() -> None:
    three = VIDEO[:3]
    np.testing.assert_array_equal(read_back(Frames(three, 8, layout="THWC")), three)


@pytest.mark.parametrize(
    "shape", [(4, 6, 3), (0, 4, 6, 3), (5, 4, 6, 1), (5, 4, 6, 4), (1, 5, 4, 6, 3)]
)
def test_a_shape_that_is_no_rgb_video_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"frames"):
        Frames(np.zeros(shape, np.uint8), 8)


def test_a_layout_whose_colours_are_not_three_is_refused() -> None:
    with pytest.raises(ValueError, match="TCHW has its three colours elsewhere"):
        Frames(VIDEO, 8, layout="TCHW")
    with pytest.raises(ValueError, match="layout must be one of THWC, TCHW, CTHW"):
        Frames(VIDEO, 8, layout="HWC")  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="fps must be"):
        Frames(VIDEO, fps)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_a_named_range_arrive_as_the_same_bytes(
    low: float, high: float, dtype: Any
) -> None:
    floats = (VIDEO / 255.0 * (high - low) + low).astype(dtype).clip(low, high)
    # float16 has steps of up to a quarter of a level near the top of [0, 255]; rounding absorbs it.
    np.testing.assert_array_equal(read_back(Frames(floats, 8, value_range=(low, high))), VIDEO)


def test_floats_without_a_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need value_range=\(0, 1\) or \(-1, 1\)"):
        Frames(VIDEO / 255.0, 8)


@pytest.mark.parametrize("bad", [1.001, -0.001, float("nan"), float("inf")])
def test_a_float_outside_its_range_is_refused(bad: float) -> None:
    floats = VIDEO / 255.0
    floats[1, 2, 3, 0] = bad
    with pytest.raises(ValueError, match="outside value_range 0 to 1"):
        Frames(floats, 8, value_range=(0, 1)).to_safetensors()


def test_a_range_must_rise_and_belongs_to_floats() -> None:
    with pytest.raises(ValueError, match="two finite rising numbers"):
        Frames(VIDEO / 255.0, 8, value_range=(1, 0))
    with pytest.raises(ValueError, match="leave value_range out"):
        Frames(VIDEO, 8, value_range=(0, 1))


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(TypeError, match="uint8 or floating point, not int64"):
        Frames(VIDEO.astype(np.int64), 8)


def test_frames_of_something_else_are_refused() -> None:
    with pytest.raises(TypeError, match="numpy array or a torch tensor, not list"):
        Frames([[1]], 8)


def test_torch_tensors_are_asked_to_turn_themselves_into_arrays() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(VIDEO).permute(0, 3, 1, 2)
    np.testing.assert_array_equal(read_back(Frames(tensor, 8)), VIDEO)
    floats = tensor.float().div(255).requires_grad_()
    np.testing.assert_array_equal(read_back(Frames(floats, 8, value_range=(0, 1))), VIDEO)
    coarse = (tensor.float() / 255).bfloat16()
    assert np.abs(read_back(Frames(coarse, 8, value_range=(0, 1))).astype(int) - VIDEO).max() <= 1


def test_forms_of_encoded_bytes(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"video")
    for clip in (
        path,
        str(path),
        b"video",
        bytearray(b"video"),
        memoryview(b"video"),
        io.BytesIO(b"video"),
    ):
        parts = ClipParts()
        assert parts.reference(clip) == {"part": "clip-0"}
        assert [(p.name, p.content, p.media_type) for p in parts.parts()] == [
            ("clip-0", b"video", "application/octet-stream")
        ]


def test_one_file_object_used_twice_is_read_once() -> None:
    parts, file = ClipParts(), io.BytesIO(b"video")
    assert parts.reference(file) == parts.reference(file) == {"part": "clip-0"}
    assert len(parts.parts()) == 1


def test_one_frames_object_used_twice_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Frames] = []
    original = Frames.to_safetensors
    monkeypatch.setattr(
        Frames, "to_safetensors", lambda self: packed.append(self) or original(self)
    )
    parts, frames = ClipParts(), Frames(VIDEO, 8)
    parts.reference(frames)
    parts.reference(frames)
    assert len(packed) == 1


def test_short_lived_objects_are_not_mistaken_for_each_other() -> None:
    parts = ClipParts()
    names = [parts.reference(bytearray([i]))["part"] for i in range(50)]
    assert len(set(names)) == 50


def test_the_same_bytes_as_video_and_as_frames_are_two_parts() -> None:
    parts, frames = ClipParts(), Frames(VIDEO, 8)
    parts.reference(frames)
    parts.reference(frames.to_safetensors())
    assert [part.media_type for part in parts.parts()] == [
        "application/x-safetensors",
        "application/octet-stream",
    ]


def test_the_rate_is_part_of_what_makes_frames_distinct() -> None:
    parts = ClipParts()
    assert parts.reference(Frames(VIDEO, 8)) != parts.reference(Frames(VIDEO, 16))


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    parts = ClipParts()
    with pytest.raises(ValueError, match=r"Frames\(array, fps=...\)"):
        parts.reference(VIDEO)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="binary mode"):
        parts.reference(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not int"):
        parts.reference(7)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        parts.reference(tmp_path / "absent.mp4")
    with pytest.raises(ValueError, match="list is empty"):
        as_clip_list([])
