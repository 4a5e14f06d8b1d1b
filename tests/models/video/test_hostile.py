"""Files that are cut, damaged, lying, or no video at all."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from critic_models.errors import ClipEmpty, ClipError, ClipTooLarge, ClipUnreadable, CriticError
from critic_models.video.avfile import AvFile
from critic_models.video.decode import decode, decode_images, iter_frames, probe
from critic_models.video.isobmff import check_tables
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits, Deadline
from critic_models.video.sampling import AllFrames, Uniform
from critic_models.video.sniff import KINDS, FileKind, sniff
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image


def noise(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Noise, so that every packet has about the same length."""
    chance = np.random.default_rng(0)
    return chance.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


def faststart(clips: Any, frames: np.ndarray) -> bytes:
    """An MP4 whose index stands before its pictures; FFmpeg writes those only to a real file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as output:
            stream = output.add_stream("libx264", rate=30)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            for frame in frames:
                output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            output.mux(stream.encode())
        return path.read_bytes()


def webp(frames: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=40)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def files(clips: Any) -> dict[str, bytes]:
    frames = noise(12)
    encode = clips.encode
    return {
        "mp4": encode(frames),
        "faststart": faststart(clips, frames),
        "fragmented": encode(frames, muxer={"movflags": "frag_keyframe+empty_moov"}),
        "mkv": encode(frames, container="matroska"),
        "webm": encode(frames, codec="libvpx-vp9", container="webm"),
        "avi": encode(frames, codec="mpeg4", container="avi"),
        "gif": encode(frames, codec="gif", container="gif", pix_fmt="rgb8"),
        "apng": encode(frames, codec="apng", container="apng", pix_fmt="rgb24"),
        "webp": webp(frames),
    }


FILES = ("mp4", "faststart", "fragmented", "mkv", "webm", "avi", "gif", "apng", "webp")


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(files: dict[str, bytes], name: str) -> None:
    assert decode(files[name], AllFrames()).num_frames == 12


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_file_is_an_error_and_never_a_shorter_clip(
    files: dict[str, bytes], name: str, share: float
) -> None:
    cut = files[name][: int(len(files[name]) * share)]
    for read in (
        lambda: decode(cut, Uniform(2)),
        lambda: probe(cut),
        lambda: list(iter_frames(cut)),
    ):
        with pytest.raises(ClipUnreadable) as caught:
            read()
        assert "frames" in caught.value.message
        assert caught.value.details["frames_read"] < 12


@pytest.mark.parametrize("name", ["faststart", "mkv", "avi"])
def test_the_error_counts_the_frames(files: dict[str, bytes], name: str) -> None:
    cut = files[name][: int(len(files[name]) * 0.6)]
    with pytest.raises(ClipUnreadable, match=r"\d+ of 12 frames") as caught:
        decode(cut, AllFrames())
    assert 0 < caught.value.details["frames_read"] < 12
    assert caught.value.details["frames_claimed"] == 12


def test_bytes_appended_to_a_file_do_not_make_it_cut(files: dict[str, bytes]) -> None:
    assert decode(files["mp4"] + b"written by a tool", AllFrames()).num_frames == 12


def test_damage_in_the_middle_is_an_error(files: dict[str, bytes]) -> None:
    damaged = bytearray(files["faststart"])
    with av.open(io.BytesIO(damaged)) as container:
        sixth = list(container.demux(video=0))[5].pos
    damaged[sixth : sixth + 8] = b"\xff" * 8
    with pytest.raises(ClipUnreadable, match="damaged") as caught:
        decode(bytes(damaged), AllFrames())
    assert 0 < caught.value.details["frames_read"] < 12


def test_a_lost_key_frame_is_an_error(clips: Any) -> None:
    plain = clips.encode(clips.numbered(20), options={"g": "10", "bf": "0"})
    data = clips.repack(plain, edit=lambda index, packet: packet if index else None)
    with pytest.raises(ClipUnreadable, match="0 of 20 frames"):
        decode(data, Uniform(4))


NOT_VIDEO = {
    "text": b"A cat plays the piano.\n" * 20,
    "playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/secret.ts\n",
    "concat script": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n",
    "manifest": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "vector picture": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "archive": b"PK\x03\x04" + b"\x00" * 60,
    "sound": b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 40,
    "transport stream": (b"G@\x00\x10" + b"\x00" * 184) * 8,
    "raw h264": b"\x00\x00\x00\x01\x67\x64\x00\x0a" + b"\x00" * 60,
    "zeros": b"\x00" * 4096,
}


@pytest.mark.parametrize("name", NOT_VIDEO)
def test_what_is_no_video_never_reaches_a_demuxer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*arguments: object, **options: object) -> None:
        pytest.fail("a demuxer was opened")

    monkeypatch.setattr(av, "open", opened)
    with pytest.raises(ClipUnreadable, match="allowed are") as caught:
        decode(NOT_VIDEO[name], Uniform(8))
    assert caught.value.details["allowed"] == [kind.name for kind in KINDS]


def test_every_file_is_opened_by_its_own_demuxer_and_no_protocol(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []
    real = av.open

    def recorded(file: Any, **options: Any) -> Any:
        assert isinstance(file, io.BytesIO)
        seen.append((options["format"], options["options"]["protocol_whitelist"]))
        return real(file, **options)

    monkeypatch.setattr(av, "open", recorded)
    for name in FILES:
        decode(files[name], Uniform(2))
    assert set(seen) == {(d, "") for d in ("mov", "matroska", "avi", "gif", "apng")}


def test_no_demuxer_can_open_another_file(clips: Any, tmp_path: Path) -> None:
    """Even a playlist demuxer, which no kind of file leads to, would find every protocol shut."""
    target = tmp_path / "secret.ts"
    target.write_bytes(clips.encode(noise(6), container="mpegts"))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n".encode()
    shown = {"protocol_whitelist": "file", "allowed_extensions": "ALL", "extension_picky": "0"}
    with av.open(io.BytesIO(playlist), format="hls", options=shown) as container:
        assert len(list(container.decode(video=0))) == 6
    with pytest.raises(ClipError):
        AvFile(playlist, FileKind("hls", "hls"), DEFAULT_LIMITS, 1).packet_timeline(
            Deadline(DEFAULT_LIMITS)
        )


def test_sound_alone_is_an_error() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=44100)
        for index in range(5):
            silence = np.zeros((1, 1024), dtype=np.float32)
            sound = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 44100, index * 1024
            output.mux(stream.encode(sound))
        output.mux(stream.encode())
    with pytest.raises(ClipUnreadable, match="no video stream, only audio"):
        decode(buffer.getvalue(), Uniform(8))


def test_sound_beside_the_pictures_does_no_harm(clips: Any) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        video, audio = output.add_stream("libx264", rate=30), output.add_stream("aac", rate=44100)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index, frame in enumerate(clips.numbered(10)):
            output.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            silence = np.zeros((1, 1024), dtype=np.float32)
            sound = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 44100, index * 1024
            output.mux(audio.encode(sound))
        output.mux(video.encode())
        output.mux(audio.encode())
    clip = decode(buffer.getvalue(), AllFrames())
    assert clips.numbers(clip.frames) == list(range(10))


def test_no_bytes_are_an_error_of_their_own() -> None:
    for read in (probe, lambda data: decode(data, Uniform(8)), iter_frames):
        with pytest.raises(ClipEmpty, match="no bytes"):
            read(b"")


LIMITS: dict[str, dict[str, float]] = {
    "max_bytes": {"max_bytes": 100},
    "max_pixels_per_frame": {"max_pixels_per_frame": 48 * 64 - 1},
    "max_side": {"max_side": 63},
    "max_source_frames": {"max_source_frames": 11},
    "max_duration_s": {"max_duration_s": 0.3},
    "max_decoded_bytes": {"max_decoded_bytes": 2 * 48 * 64 * 3 - 1},
    "max_decode_s": {"max_decode_s": -1.0},
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("limit", LIMITS)
def test_every_limit_holds_for_every_kind(files: dict[str, bytes], name: str, limit: str) -> None:
    limits = ClipLimits(**LIMITS[limit])  # type: ignore[arg-type]
    with pytest.raises(ClipTooLarge) as caught:
        decode(files[name], Uniform(2), limits)
    details = caught.value.details
    assert details["limit"] == limit
    assert details["allowed"] == LIMITS[limit][limit]
    assert details["found"] is None or details["found"] > details["allowed"]
    if limit != "max_decoded_bytes":
        with pytest.raises(ClipTooLarge):
            list(iter_frames(files[name], limits))
        with pytest.raises(ClipTooLarge):
            probe(files[name], limits)


@pytest.mark.parametrize("name", FILES)
def test_a_limit_that_is_just_met_passes(files: dict[str, bytes], name: str) -> None:
    limits = ClipLimits(
        max_bytes=len(files[name]),
        max_pixels_per_frame=48 * 64,
        max_side=64,
        min_side=48,
        max_source_frames=12,
        max_decoded_bytes=2 * 48 * 64 * 3,
    )
    assert decode(files[name], Uniform(2), limits).num_frames == 2


def test_a_frame_that_is_too_small_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(ClipError, match="at least 49") as caught:
        decode(files["mp4"], Uniform(2), ClipLimits(min_side=49))
    assert caught.value.details == {"limit": "min_side", "allowed": 49, "found": 48}


def test_the_message_of_a_limit_is_a_plain_sentence() -> None:
    with pytest.raises(ClipTooLarge) as caught:
        DEFAULT_LIMITS.check("max_duration_s", 700.0)
    assert caught.value.message == "The clip lasts 700 s; at most 600 s are allowed."


def test_a_deadline_passes_until_it_is_over() -> None:
    deadline = Deadline(ClipLimits(max_decode_s=0.05))
    deadline.check()
    time.sleep(0.06)
    with pytest.raises(ClipTooLarge, match="was stopped"):
        deadline.check()


def test_the_time_that_the_reader_of_a_stream_takes_is_not_decoding(
    files: dict[str, bytes],
) -> None:
    limits = ClipLimits(max_decode_s=1.0)
    for position, _, _ in iter_frames(files["mp4"], limits):
        if position in (2, 5):
            time.sleep(0.6)
    assert position == 11


def test_damaged_files_print_nothing(
    files: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    for name in FILES:
        with pytest.raises(ClipError):
            decode(files[name][: len(files[name]) // 2], Uniform(2))
    assert capfd.readouterr() == ("", "")


def test_pictures_share_one_limit_of_bytes(clips: Any) -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise(1)[0]).save(buffer, "PNG")
    images = [buffer.getvalue()] * 4
    with pytest.raises(ClipTooLarge) as caught:
        decode_images(images, 8.0, limits=ClipLimits(max_bytes=len(images[0]) * 3))
    assert caught.value.details["limit"] == "max_bytes"
    with pytest.raises(ClipTooLarge):
        decode_images([webp(noise(3))], 8.0)


def claim(data: bytes, table: bytes, offset: int, values: tuple[int, ...]) -> bytes:
    at = data.index(table) + offset
    return data[:at] + struct.pack(f">{len(values)}I", *values) + data[at + 4 * len(values) :]


def test_tables_that_claim_too_much_never_reach_a_demuxer(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = {
        "sizes": claim(files["mp4"], b"stsz", 8, (1, 80_000_000)),
        "fragments": claim(files["fragmented"], b"trun", 8, (40_000_000,)),
        "another handler": claim(files["mp4"], b"stsz", 8, (1, 80_000_000)).replace(
            b"vide", b"meta"
        ),
    }
    monkeypatch.setattr(av, "open", lambda *_, **__: pytest.fail("a demuxer was opened"))
    for data in lies.values():
        with pytest.raises(ClipTooLarge) as caught:
            probe(data)
        assert caught.value.details["found"] > caught.value.details["allowed"]


def test_plain_sound_may_have_many_samples() -> None:
    """PCM in MOV is a sample per moment: a minute has millions, in a table of one line."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mov") as output:
        stream = output.add_stream("pcm_s16le", rate=48000, layout="mono")
        silence = np.zeros((1, 4800), dtype=np.int16)
        sound = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        sound.sample_rate, sound.pts = 48000, 0
        output.mux(stream.encode(sound))
        output.mux(stream.encode())
    many = claim(buffer.getvalue(), b"stsz", 12, (2_880_000,))
    check_tables(many, DEFAULT_LIMITS)
    with pytest.raises(ClipTooLarge, match="claims 2880000 samples"):
        check_tables(many.replace(b"soun", b"text"), DEFAULT_LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + b"\x00\x00\x00\x08free" * 2_000_000,
        b"RIFF\xff\xff\xff\x7fWEBP" + b"JUNK\x00\x00\x00\x00" * 2_000_000,
    ],
    ids=["boxes", "chunks"],
)
def test_millions_of_empty_parts_do_not_hold_up_the_process(data: bytes) -> None:
    start_s = time.perf_counter()
    with pytest.raises(ClipTooLarge, match="more than 200000"):
        decode(data, Uniform(2))
    assert time.perf_counter() - start_s < 3


def test_a_codec_that_nobody_needs_is_refused(clips: Any) -> None:
    data = clips.encode(noise(3), codec="cinepak", container="avi", pix_fmt="rgb24")
    with pytest.raises(ClipUnreadable, match="cinepak is not accepted"):
        decode(data, Uniform(2))


def test_a_header_that_lies_about_size_is_caught_by_the_decoder(clips: Any) -> None:
    """The container claims 16 x 16, the stream inside has 128 x 128."""
    data = clips.encode(noise(3, 128, 128), codec="libvpx", container="webm")
    limits = ClipLimits(max_pixels_per_frame=64 * 64)
    width, height = b"\xb0\x82\x00\x80", b"\xba\x82\x00\x80"
    lying = data.replace(width, b"\xb0\x82\x00\x10").replace(height, b"\xba\x82\x00\x10")
    for liar in {data, lying}:
        with pytest.raises(ClipError):
            decode(liar, AllFrames(), limits)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_bytes_raise_nothing_but_clip_errors(
    files: dict[str, bytes], name: str, seed: int
) -> None:
    chance = random.Random(seed)
    data = bytearray(files[name])
    for _ in range(chance.randint(1, 6)):
        reach = chance.choice([64, 600, len(data)])
        data[chance.randrange(min(len(data), reach))] = chance.randrange(256)
    del data[chance.choice([chance.randrange(len(data)), len(data)]) :]
    limits = ClipLimits(max_pixels_per_frame=1 << 18, max_decode_s=5)
    for read in (
        lambda: decode(bytes(data), Uniform(3), limits),
        lambda: probe(bytes(data), limits),
        lambda: list(iter_frames(bytes(data), limits)),
    ):
        try:
            result = read()
        except CriticError:
            continue
        assert result is not None


@given(st.binary(max_size=300))
def test_sniffing_any_bytes_names_a_kind_or_refuses(data: bytes) -> None:
    try:
        kind = sniff(data)
    except (ClipEmpty, ClipUnreadable):
        return
    assert kind in KINDS


@given(st.sampled_from([b"\x1aE\xdf\xa3", b"\x00\x00\x00\x18ftyp", b"GIF89a"]), st.binary())
def test_a_right_beginning_with_any_rest_raises_nothing_but_clip_errors(
    beginning: bytes, rest: bytes
) -> None:
    with pytest.raises(ClipError):
        decode(beginning + rest, Uniform(2))
