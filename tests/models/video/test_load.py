"""The front door takes a clip in every form and gives the same clip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from critic_models.errors import ClipEmpty, ClipTooLarge, ClipUnreadable
from critic_models.video.decode import decode
from critic_models.video.encode import encode_mp4
from critic_models.video.frames import looks_like_safetensors, to_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.load import load_clip, read_file
from critic_models.video.sampling import AllFrames, Uniform


def test_bytes_and_paths_give_the_same_clip(h264: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(h264)
    clips = [load_clip(source, Uniform(4)) for source in (h264, path, str(path))]
    for clip in clips:
        assert clip.clip_id == clips[0].clip_id
        np.testing.assert_array_equal(clip.frames, decode(h264, Uniform(4)).frames)


def test_frames_and_their_buffer_give_the_same_clip(clips: Any, tmp_path: Path) -> None:
    frames = clips.numbered(6)
    path = tmp_path / "clip.safetensors"
    path.write_bytes(to_safetensors(frames, 12.0))
    first = load_clip(frames, Uniform(3), fps=12.0)
    for source in (to_safetensors(frames, 12.0), path):
        clip = load_clip(source, Uniform(3))
        assert clip.clip_id == first.clip_id
        np.testing.assert_array_equal(clip.frames, first.frames)


def test_no_video_looks_like_a_buffer_of_frames(clips: Any, h264: bytes) -> None:
    assert looks_like_safetensors(to_safetensors(clips.numbered(2), 8.0))
    assert not looks_like_safetensors(h264)
    assert not looks_like_safetensors(b"RIFF\x24\x00\x00\x00{AVI")
    assert not looks_like_safetensors(b"")


def test_the_rate_belongs_to_frames_alone(clips: Any, h264: bytes) -> None:
    with pytest.raises(ValueError, match="needs fps"):
        load_clip(clips.numbered(2), AllFrames())
    with pytest.raises(ValueError, match="has its own"):
        load_clip(h264, AllFrames(), fps=24.0)


def test_a_file_is_read_no_further_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    path.write_bytes(b"x" * 1001)
    with pytest.raises(ClipTooLarge) as caught:
        read_file(path, ClipLimits(max_bytes=1000))
    assert caught.value.details == {"limit": "max_bytes", "allowed": 1000, "found": 1001}
    assert len(read_file(path, ClipLimits(max_bytes=1001))) == 1001


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipUnreadable, match="not a file"):
        load_clip(tmp_path, AllFrames())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ClipUnreadable, match="not a file"):
        load_clip(pipe, AllFrames())
    with pytest.raises(FileNotFoundError):
        load_clip(tmp_path / "missing.mp4", AllFrames())
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ClipEmpty):
        load_clip(tmp_path / "empty.mp4", AllFrames())


@pytest.mark.parametrize(
    "colour", [(200, 30, 60), (10, 250, 10), (20, 40, 220), (0, 0, 0), (255, 255, 255)]
)
def test_encoding_keeps_colours(colour: tuple[int, int, int]) -> None:
    frames = np.full((3, 32, 48, 3), colour, dtype=np.uint8)
    decoded = decode(encode_mp4(frames, 24.0), AllFrames())
    assert np.abs(decoded.frames.astype(int) - frames).max() <= 3
    assert decoded.source_fps == 24.0


@pytest.mark.parametrize("fps", [24000 / 1001, 8, 12.5, 30000 / 1001])
def test_encoding_keeps_the_rate_and_the_order(clips: Any, fps: float) -> None:
    clip = decode(encode_mp4(clips.numbered(20), fps), AllFrames())
    assert clip.source_fps == pytest.approx(fps, rel=1e-9)
    assert clips.numbers(clip.frames) == list(range(20))


def test_encoding_repeats_the_edge_of_an_odd_size() -> None:
    frames = np.zeros((2, 33, 47, 3), dtype=np.uint8)
    frames[:, -1] = frames[:, :, -1] = 200
    decoded = decode(encode_mp4(frames, 8.0, crf=1), AllFrames()).frames
    assert decoded.shape == (2, 34, 48, 3)
    assert np.abs(decoded[:, -2:, -2:].astype(int) - 200).max() <= 3


def test_encoding_is_repeatable(clips: Any) -> None:
    frames = clips.numbered(8)
    assert encode_mp4(frames, 24.0) == encode_mp4(frames, 24.0)


@pytest.mark.parametrize(
    ("frames", "fps", "crf"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), 8.0, 18),
        (np.zeros((0, 8, 8, 3), np.uint8), 8.0, 18),
        (np.zeros((2, 8, 8), np.uint8), 8.0, 18),
        (np.zeros((2, 8, 8, 3), np.uint8), float("inf"), 18),
        (np.zeros((2, 8, 8, 3), np.uint8), 0.0, 18),
        (np.zeros((2, 8, 8, 3), np.uint8), 8.0, 52),
    ],
)
def test_what_cannot_be_encoded_is_refused(frames: np.ndarray, fps: float, crf: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        encode_mp4(frames, fps, crf)
