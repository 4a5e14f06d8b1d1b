"""Decoding of whole files: every kind, the frames asked for, and their true times."""

from __future__ import annotations

import io
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from critic_models.errors import ClipEmpty, ClipUnreadable
from critic_models.video.avfile import AvFrame
from critic_models.video.decode import decode, decode_images, iter_frames, probe
from critic_models.video.sampling import AllFrames, AtRate, Middle, Uniform
from PIL import Image

QUIET_HEVC = {"x265-params": "log-level=none"}
KINDS: dict[str, dict[str, Any]] = {
    "h264 mp4": {},
    "h264 without B-frames": {"options": {"bf": "0"}},
    "h264 fragmented": {"muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "h264 mov": {"container": "mov"},
    "h264 mkv": {"container": "matroska"},
    "h264 avi": {"container": "avi"},
    "hevc": {"codec": "libx265", "options": QUIET_HEVC},
    "vp8 webm": {"codec": "libvpx", "container": "webm"},
    "vp9 webm": {"codec": "libvpx-vp9", "container": "webm"},
    "av1": {"codec": "libsvtav1"},
    "mpeg4 avi with B-frames": {
        "codec": "mpeg4",
        "container": "avi",
        "options": {"bf": "2", "b": "8M"},
    },
    "mpeg4 mp4": {"codec": "mpeg4"},
    "prores": {"codec": "prores_ks", "container": "mov", "pix_fmt": "yuv422p10le"},
    "ffv1": {"codec": "ffv1", "container": "matroska", "pix_fmt": "bgra"},
    "10 bits": {"pix_fmt": "yuv420p10le"},
    "4:4:4": {"pix_fmt": "yuv444p"},
    "full range": {"pix_fmt": "yuvj420p"},
    "apng": {"codec": "apng", "container": "apng", "pix_fmt": "rgb24"},
    "gif": {"codec": "gif", "container": "gif", "pix_fmt": "gray"},
}


def encoded(clips: Any, kind: str, num_frames: int = 30) -> bytes:
    arguments = KINDS[kind]
    codec = arguments.get("codec", "libx264")
    if codec not in av.codec.codecs_available:
        pytest.skip(f"this build of PyAV cannot encode {codec}")
    # The smallest size that every encoder here accepts.
    return clips.encode(clips.numbered(num_frames, 64, 96), **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_chosen_frames_at_their_times(clips: Any, kind: str) -> None:
    data = encoded(clips, kind)
    info = probe(data)
    clip = decode(data, Uniform(8))
    assert (info.width, info.height, info.num_frames) == (96, 64, 30)
    assert info.fps == pytest.approx(30, rel=1e-3)
    assert info.duration_s == pytest.approx(1, rel=1e-3)
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape == (8, 64, 96, 3)
    assert clip.source_indices.tolist() == [0, 4, 8, 12, 17, 21, 25, 29]
    assert clips.numbers(clip.frames) == clip.source_indices.tolist()
    np.testing.assert_allclose(clip.times_s, clip.source_indices / 30, atol=6e-3)
    assert clip.times_s[0] == 0
    np.testing.assert_array_equal(info.times_s[clip.source_indices], clip.times_s)
    assert (clip.source_num_frames, clip.sampling) == (30, "uniform-8")
    assert clip.source_fps == info.fps
    assert clip.duration_s == info.duration_s


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_gives_every_frame_in_order(clips: Any, kind: str) -> None:
    data = encoded(clips, kind)
    positions, times_s, frames = zip(*iter_frames(data), strict=True)
    clip = decode(data, AllFrames())
    assert list(positions) == list(range(30)) == clips.numbers(np.stack(frames))
    np.testing.assert_array_equal(clip.frames, np.stack(frames))
    np.testing.assert_allclose(clip.times_s, times_s, atol=1e-9)


@pytest.mark.parametrize("kind", ["h264 mp4", "vp9 webm", "ffv1", "h264 avi", "10 bits"])
def test_pixels_are_those_of_a_plain_full_decode(clips: Any, kind: str) -> None:
    data = encoded(clips, kind)
    with av.open(io.BytesIO(data)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    clip = decode(data, Middle(5))
    np.testing.assert_array_equal(clip.frames, np.stack(plain)[clip.source_indices])


def test_the_name_of_the_codec_and_container_are_reported(clips: Any, h264: bytes) -> None:
    assert (probe(h264).codec, probe(h264).container) == ("h264", "mp4")
    webm = probe(encoded(clips, "vp9 webm"))
    assert (webm.codec, webm.container) == ("vp9", "matroska")


def test_only_chosen_frames_are_converted_and_nothing_after_the_last(
    h264: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[float] = []
    original = AvFrame.rgb

    def counted(self: AvFrame) -> np.ndarray:
        converted.append(self.time_s)
        return original(self)

    created: list[float] = []
    construct = AvFrame.__init__

    def constructed(self: AvFrame, frame: Any, time_s: float, *rest: Any) -> None:
        created.append(time_s)
        construct(self, frame, time_s, *rest)

    monkeypatch.setattr(AvFrame, "rgb", counted)
    monkeypatch.setattr(AvFrame, "__init__", constructed)
    clip = decode(h264, Middle(3))
    assert converted == clip.times_s.tolist()
    assert len(created) == clip.source_indices[-1] + 1


def test_memory_is_that_of_the_chosen_frames(clips: Any) -> None:
    data = clips.encode(clips.numbered(30, 480, 640))
    tracemalloc.start()
    clip = decode(data, Uniform(2))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < clip.frames.nbytes + 2**19


def test_repeated_positions_repeat_the_frame(clips: Any) -> None:
    clip = decode(clips.encode(clips.numbered(3)), Middle(5))
    assert clip.source_indices.tolist() == clips.numbers(clip.frames) == [0, 1, 2, 2, 2]


def test_a_variable_rate_keeps_its_true_times(clips: Any) -> None:
    ticks = [0, 10, 20, 50, 51, 80, 90, 100, 200, 201, 300, 301]
    for container in ("mp4", "matroska"):
        data = clips.encode(clips.numbered(12), ticks=ticks, container=container)
        clip = decode(data, AllFrames())
        np.testing.assert_allclose(clip.times_s, np.array(ticks) / 100, atol=1e-3)
        assert clip.source_fps == pytest.approx(12 / clip.duration_s)
        assert 3.01 < clip.duration_s < 3.4
        chosen = decode(data, AtRate(2.0, 4, 64))
        assert clips.numbers(chosen.frames) == chosen.source_indices.tolist()


def test_avi_counts_the_chunks_of_repeated_frames(clips: Any) -> None:
    ticks = [0, 10, 20, 50, 60, 90]
    data = clips.encode(clips.numbered(6), codec="mpeg4", container="avi", ticks=ticks, rate=10)
    clip = decode(data, AllFrames())
    np.testing.assert_allclose(clip.times_s, np.array(ticks) / 100)
    assert [time_s for _, time_s, _ in iter_frames(data)] == clip.times_s.tolist()


def edit_list(data: bytes, start: int, num_frames: int) -> bytes:
    """Make the edit list of an MP4 at 30 fps show `num_frames` frames from `start`."""
    at = data.index(b"elst") + 12
    duration, media_time = struct.unpack_from(">II", data, at)
    with av.open(io.BytesIO(data)) as container:
        ticks = Fraction(1, 30) / container.streams.video[0].time_base
    shown = struct.pack(">II", duration * num_frames // 30, media_time + int(start * ticks))
    return data[:at] + shown + data[at + 8 :]


@pytest.mark.parametrize(("start", "num_frames"), [(0, 30), (5, 25), (7, 12), (0, 9)])
def test_an_edit_list_shows_what_it_says(
    clips: Any, h264: bytes, start: int, num_frames: int
) -> None:
    data = edit_list(h264, start, num_frames)
    clip = decode(data, AllFrames())
    assert clips.numbers(clip.frames) == list(range(start, start + num_frames))
    np.testing.assert_allclose(clip.times_s, np.arange(num_frames) / 30, atol=1e-4)
    assert probe(data).num_frames == num_frames
    assert len(list(iter_frames(data))) == num_frames


def test_a_packet_that_shows_nothing_is_not_a_frame(clips: Any) -> None:
    """A VP8 frame with a cleared show bit: ten packets, nine pictures."""

    def hide(index: int, packet: av.Packet) -> av.Packet:
        payload = bytearray(bytes(packet))
        if index == 4:
            payload[0] &= ~0x10
        return clips.clone(packet, bytes(payload))

    plain = clips.encode(clips.numbered(10), codec="libvpx", container="webm")
    data = clips.repack(plain, edit=hide)
    assert probe(data).num_frames == 10
    for policy in (AllFrames(), Uniform(4)):
        clip = decode(data, policy)
        shown = [0, 1, 2, 3, 5, 6, 7, 8, 9]
        assert clip.source_num_frames == 9
        assert clips.numbers(clip.frames) == [shown[i] for i in clip.source_indices]
        np.testing.assert_allclose(
            clip.times_s * 30, np.array(shown)[clip.source_indices], atol=0.05
        )


def test_timestamps_that_go_backwards_are_an_error(clips: Any) -> None:
    ticks = [0, 100, 50, 150, 200, 250, 300, 350, 400, 450]

    def shuffle(index: int, packet: av.Packet) -> av.Packet:
        packet.pts, packet.dts, packet.time_base = ticks[index], index, Fraction(1, 1000)
        return packet

    options = {"auto-alt-ref": "0"}
    plain = clips.encode(clips.numbered(10), codec="libvpx-vp9", container="webm", options=options)
    data = clips.repack(plain, edit=shuffle)
    with pytest.raises(ClipUnreadable, match=r"frame 2 is at 0.05 s, the one before it at 0.1 s"):
        decode(data, Uniform(8))
    with pytest.raises(ClipUnreadable, match="go backwards"):
        list(iter_frames(data))


def test_a_size_that_changes_is_an_error(clips: Any) -> None:
    small = clips.encode(clips.numbered(4, 32, 48), codec="libvpx", container="webm")
    payloads = []
    with av.open(io.BytesIO(small)) as container:
        payloads = [bytes(packet) for packet in container.demux(video=0) if packet.size]

    def swap(index: int, packet: av.Packet) -> av.Packet:
        return clips.clone(packet, payloads[index - 4] if index >= 4 else bytes(packet))

    large = clips.encode(clips.numbered(8), codec="libvpx", container="webm")
    data = clips.repack(large, edit=swap)
    with pytest.raises(ClipUnreadable, match="all frames of a clip must have one size"):
        decode(data, AllFrames())
    with pytest.raises(ClipUnreadable, match="all frames of a clip must have one size"):
        list(iter_frames(data))


def test_odd_sizes_stay_odd(clips: Any) -> None:
    frames = clips.numbered(4)[:, :33, :47]
    clip = decode(clips.encode(np.ascontiguousarray(frames), pix_fmt="yuv444p"), AllFrames())
    assert clip.frames.shape == (4, 33, 47, 3)


def test_gray_becomes_three_equal_channels(clips: Any) -> None:
    data = clips.encode(clips.numbered(4), codec="ffv1", container="matroska", pix_fmt="gray")
    frames = decode(data, AllFrames()).frames
    assert np.ptp(frames.astype(int), axis=3).max() == 0
    assert clips.numbers(frames) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("codec", "container", "pix_fmt"),
    [("ffv1", "matroska", "bgra"), ("qtrle", "mov", "argb"), ("apng", "apng", "rgba")],
)
def test_transparency_is_laid_over_black(
    clips: Any, codec: str, container: str, pix_fmt: str
) -> None:
    frames = np.zeros((3, 32, 32, 4), dtype=np.uint8)
    frames[:] = (200, 100, 50, 128)
    frames[:, :16] = (255, 255, 255, 0)
    data = clips.encode(frames, codec=codec, container=container, pix_fmt=pix_fmt)
    decoded = decode(data, AllFrames()).frames
    assert decoded[0, 0, 0].tolist() == [0, 0, 0]
    assert decoded[0, -1, 0].tolist() == [100, 50, 25]


def test_pixels_that_are_not_square_are_left_as_they_are(clips: Any) -> None:
    def widen(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    data = clips.encode(clips.numbered(4), setup=widen)
    info = probe(data)
    assert (info.width, info.height) == (64, 48)
    assert info.pixel_aspect == pytest.approx(4 / 3)
    assert decode(data, AllFrames()).frames.shape == (4, 48, 64, 3)


@pytest.mark.parametrize(("colorspace", "name"), [(1, "BT.709"), (5, "BT.601"), (9, "BT.2020")])
def test_colours_follow_the_tags_of_the_stream(clips: Any, colorspace: int, name: str) -> None:
    def tag(stream: av.VideoStream) -> None:
        stream.codec_context.colorspace = colorspace

    frames = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    frames[:] = (200, 30, 60)
    data = clips.encode(frames, pix_fmt="yuv444p", setup=tag)
    with av.open(io.BytesIO(data)) as container:
        picture = next(container.decode(video=0))
        y, u, v = (int(plane[5, 5]) for plane in picture.to_ndarray())
    kr, kb = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[colorspace]
    luma, cb, cr = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    expected = np.clip(np.array([red, green, blue]) * 255, 0, 255)
    np.testing.assert_allclose(decode(data, AllFrames()).frames[0, 5, 5], expected, atol=2)


def test_a_single_frame_is_a_clip(clips: Any) -> None:
    clip = decode(clips.encode(clips.numbered(1)), Uniform(8))
    assert clip.frames.shape[0] == clip.source_num_frames == 1
    assert clip.source_fps == pytest.approx(30)
    assert clip.duration_s == pytest.approx(1 / 30)


def pillow(frames: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in frames]
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:]}
    pictures[0].save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_still_picture_is_one_frame_of_one_second(clips: Any, kind: str) -> None:
    data = pillow(clips.numbered(20)[19:], kind)
    info, clip = probe(data), decode(data, Uniform(8))
    assert (info.codec, info.num_frames, info.fps) == (kind.lower(), 1, 1.0)
    assert clip.frames.shape == (1, 48, 64, 3)
    assert clips.numbers(clip.frames) == [19]
    assert (clip.duration_s, clip.times_s.tolist()) == (1.0, [0.0])


def test_an_animated_webp_keeps_its_times(clips: Any) -> None:
    durations = [40, 40, 100, 40, 500, 40, 40, 40]
    data = pillow(clips.numbered(8), "WEBP", duration=durations, lossless=True)
    clip = decode(data, AllFrames())
    np.testing.assert_allclose(clip.times_s, np.cumsum([0, *durations[:-1]]) / 1000)
    assert clip.duration_s == pytest.approx(sum(durations) / 1000)
    assert clips.numbers(clip.frames) == list(range(8))
    chosen = decode(data, Uniform(3))
    assert clips.numbers(chosen.frames) == chosen.source_indices.tolist()


def test_a_gif_keeps_its_times(clips: Any) -> None:
    durations = [40, 100, 40, 500, 40]
    data = pillow(clips.numbered(5), "GIF", duration=durations)
    clip = decode(data, AllFrames())
    np.testing.assert_allclose(clip.times_s, np.cumsum([0, *durations[:-1]]) / 1000)
    assert clips.numbers(clip.frames) == list(range(5))


def test_a_photo_is_upright_by_its_exif(clips: Any) -> None:
    upright = clips.numbered(1)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    stored = np.ascontiguousarray(np.rot90(upright[0]))
    frames = decode(pillow(stored[None], "JPEG", exif=exif, quality=95), AllFrames()).frames
    assert frames.shape == (1, 48, 64, 3)
    assert np.abs(frames.astype(int) - upright).mean() < 8


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_pictures_of_every_mode_become_rgb(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((16, 16), 200 * 257, dtype=np.uint16))
    else:
        picture = Image.new("RGB", (16, 16), (200, 200, 200))
        picture = picture.quantize(4) if mode == "P" else picture.convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    frames = decode(buffer.getvalue(), AllFrames()).frames
    assert frames.shape == (1, 16, 16, 3)
    if mode != "1":
        assert np.abs(frames.astype(int) - 200).max() <= 3


def test_pictures_make_a_clip_at_the_given_rate(clips: Any) -> None:
    images = [pillow(frame[None], "PNG") for frame in clips.numbered(9)]
    clip = decode_images(images, 12.0, Uniform(3))
    assert clips.numbers(clip.frames) == clip.source_indices.tolist() == [0, 4, 8]
    np.testing.assert_allclose(clip.times_s, [0, 4 / 12, 8 / 12])
    assert (clip.source_fps, clip.duration_s, clip.source_num_frames) == (12.0, 0.75, 9)
    assert decode_images(images, 12.0).num_frames == 9
    other = decode_images(images, 24.0, Uniform(3))
    assert other.clip_id != clip.clip_id == decode_images(images, 12.0).clip_id


def test_pictures_that_do_not_make_a_clip_are_refused(clips: Any) -> None:
    small, large = (pillow(clips.numbered(1, *size), "PNG") for size in ((32, 48), (48, 64)))
    with pytest.raises(ClipUnreadable, match="one size"):
        decode_images([small, large], 12.0)
    with pytest.raises(ClipEmpty):
        decode_images([], 12.0)
    with pytest.raises(ValueError, match="fps"):
        decode_images([small], 0.0)


def test_many_threads_decode_as_one(clips: Any, h264: bytes) -> None:
    files = [h264, encoded(clips, "vp9 webm"), encoded(clips, "gif"), encoded(clips, "mpeg4 mp4")]
    alone = [decode(data, Uniform(5)) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode(data, Uniform(5)), files * 6))
    for index, clip in enumerate(together):
        np.testing.assert_array_equal(clip.frames, alone[index % 4].frames)
        assert clip.clip_id == alone[index % 4].clip_id


def test_threads_of_the_decoder_change_nothing(h264: bytes) -> None:
    one, two = decode(h264, AllFrames()), decode(h264, AllFrames(), num_threads=2)
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.times_s, two.times_s)
