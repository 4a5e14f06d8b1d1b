"""Rotation: from the matrix, and from files that carry one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from critic_models.errors import ClipUnreadable
from critic_models.video.decode import decode, iter_frames, probe
from critic_models.video.orientation import UPRIGHT, Orientation, from_display_matrix
from critic_models.video.sampling import AllFrames, Uniform

ONE = 1 << 16


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


# Where the stored axes go: (a, b) is the direction of "right", (c, d) of "down".
MATRICES: dict[str, tuple[bytes, Callable[[np.ndarray], np.ndarray], int]] = {
    "upright": (matrix(ONE, 0, 0, ONE), lambda f: f, 0),
    "quarter turn clockwise": (matrix(0, ONE, -ONE, 0), lambda f: np.rot90(f, -1), 90),
    "half turn": (matrix(-ONE, 0, 0, -ONE), lambda f: np.rot90(f, 2), 180),
    "quarter turn back": (matrix(0, -ONE, ONE, 0), lambda f: np.rot90(f, 1), 270),
    "mirror": (matrix(-ONE, 0, 0, ONE), np.fliplr, 180),
    "upside down": (matrix(ONE, 0, 0, -ONE), np.flipud, 0),
    "transpose": (matrix(0, ONE, ONE, 0), lambda f: np.swapaxes(f, 0, 1), 90),
    "scaled": (matrix(2 * ONE, 0, 0, 2 * ONE), lambda f: f, 0),
}
PICTURE = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", MATRICES)
def test_a_matrix_lays_the_picture_out_as_it_says(name: str) -> None:
    stored, expected, degrees = MATRICES[name]
    orientation = from_display_matrix(stored)
    np.testing.assert_array_equal(orientation.apply(PICTURE), expected(PICTURE))
    assert orientation.degrees == degrees
    height, width, _ = expected(PICTURE).shape
    assert orientation.size(6, 4) == (width, height)


@pytest.mark.parametrize("name", MATRICES)
def test_points_go_where_the_matrix_sends_them(name: str) -> None:
    """Follow one pixel by the formula itself, with no array operation in between."""
    stored, _, _ = MATRICES[name]
    a, b, _, c, d, *_ = (np.sign(n) for n in struct.unpack("=9i", stored))
    height, width, _ = PICTURE.shape
    xs = [a * p + c * q for p in range(width) for q in range(height)]
    ys = [b * p + d * q for p in range(width) for q in range(height)]
    upright = from_display_matrix(stored).apply(PICTURE)
    for p in range(width):
        for q in range(height):
            x, y = a * p + c * q - min(xs), b * p + d * q - min(ys)
            assert upright[y, x].tolist() == PICTURE[q, p].tolist()


@pytest.mark.parametrize(
    "stored", [matrix(46341, 46341, -46341, 46341), matrix(0, 0, 0, 0), matrix(ONE, ONE, 0, 0)]
)
def test_a_turn_that_keeps_no_raster_is_refused(stored: bytes) -> None:
    with pytest.raises(ClipUnreadable, match="multiples of 90"):
        from_display_matrix(stored)


def test_a_matrix_of_another_length_is_refused() -> None:
    with pytest.raises(ClipUnreadable, match="36"):
        from_display_matrix(b"\x00" * 35)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_frames_of_a_turned_file_are_upright(clips: Any, degrees: int, container: str) -> None:
    upright = clips.numbered(6)
    # A camera held sideways stores the frames turned, and says how to turn them back.
    stored = np.ascontiguousarray(np.rot90(upright, degrees // 90, axes=(1, 2)))
    data = clips.encode(
        stored,
        container=container,
        # PyAV counts degrees counter-clockwise.
        setup=lambda stream: stream.set_display_rotation(-degrees) if degrees else None,
    )
    info, clip = probe(data), decode(data, Uniform(3))
    assert (info.width, info.height, info.rotation_degrees) == (64, 48, degrees)
    assert clip.frames.shape == (3, 48, 64, 3)
    assert np.abs(clip.frames.astype(int) - upright[clip.source_indices]).mean() < 8
    streamed = [frame for _, _, frame in iter_frames(data)]
    np.testing.assert_array_equal(clip.frames, np.stack(streamed)[clip.source_indices])

    def wrong(turn: Orientation) -> float:
        turned = [turn.apply(frame) for frame in clip.frames]
        if turned[0].shape != upright.shape[1:]:
            return float("inf")
        return float(np.abs(np.stack(turned).astype(int) - upright[clip.source_indices]).mean())

    assert wrong(UPRIGHT) < 8
    for mutant in (
        Orientation(flip_columns=True),
        Orientation(flip_rows=True),
        Orientation(flip_rows=True, flip_columns=True),
        Orientation(transpose=True),
    ):
        assert wrong(mutant) > 8


def test_a_mirrored_file_is_turned_back(clips: Any) -> None:
    upright = clips.numbered(3)
    data = clips.encode(
        np.ascontiguousarray(upright[:, :, ::-1]),
        setup=lambda stream: stream.set_display_rotation(0, hflip=True),
    )
    clip = decode(data, AllFrames())
    assert np.abs(clip.frames.astype(int) - upright).mean() < 8
