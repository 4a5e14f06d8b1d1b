"""One pass for all dimensions, without holding the clip; names that are not there are refused."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError

import critic_models.dimensions as dimensions
import numpy as np
import pytest
from critic_models.dimensions import (
    DIMENSIONS,
    measure,
    measure_frames,
    measure_stream,
    opencv_flow,
)
from critic_models.dimensions import measure as measure_module
from critic_models.errors import ClipTooLarge, ClipUnreadable, UnknownName
from critic_models.video import load
from critic_models.video.decode import decode
from critic_models.video.encode import encode_mp4
from critic_models.video.frames import from_array, to_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.reader import TimedFrame
from critic_models.video.sampling import AllFrames

Pan = Callable[..., np.ndarray]
ALL = list(DIMENSIONS)


def test_a_stream_gives_what_the_whole_clip_gives(pan: Pan) -> None:
    data = encode_mp4(pan(np.arange(8) * 2.0), 24.0)
    assert measure_stream(data, ALL) == measure(decode(data, AllFrames()), ALL)
    frames = pan(np.arange(8) * 2.0)
    raw = to_safetensors(frames, 24.0)
    assert measure_stream(raw, ALL) == measure(from_array(frames, 24.0, AllFrames()), ALL)


def test_all_dimensions_share_one_decode_and_one_flow(
    pan: Pan, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode_mp4(pan(np.arange(6) * 2.0), 24.0)
    decoded, flows = [], []
    iter_frames, optical_flow = load.iter_frames, opencv_flow.OpticalFlow.__call__
    monkeypatch.setattr(load, "iter_frames", lambda *a: decoded.append(1) or iter_frames(*a))
    monkeypatch.setattr(
        opencv_flow.OpticalFlow, "__call__", lambda *a: flows.append(1) or optical_flow(*a)
    )
    scores = measure_stream(data, ALL)
    assert all(score.raw is not None for score in scores.values())
    assert (len(decoded), len(flows)) == (1, 5)


def test_flicker_alone_needs_no_flow(pan: Pan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        opencv_flow.OpticalFlow, "__call__", lambda *_: pytest.fail("flow was computed")
    )
    frames = from_array(pan(np.arange(4) * 2.0), 24.0, AllFrames())
    assert measure(frames, ["temporal_flickering"])["temporal_flickering"].raw is not None


def test_a_stream_is_never_held(pan: Pan) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def stream() -> Iterator[TimedFrame]:
        nonlocal most
        for index in range(20):
            frame = pan([index * 2.0], 32, 48)[0].copy()
            alive.append(weakref.ref(frame))
            most = max(most, sum(reference() is not None for reference in alive))
            yield TimedFrame(index, index / 24, frame)

    scores = measure_frames(stream(), ALL)
    assert scores["temporal_flickering"].num_frames == 20
    assert most <= 3


def test_scores_come_in_the_order_asked_for_and_once(pan: Pan) -> None:
    clip = from_array(pan(np.arange(4) * 2.0), 24.0, AllFrames())
    names = ["temporal_flickering", "opencv_flow_magnitude", "temporal_flickering"]
    assert list(measure(clip, names)) == names[:2]
    assert measure(clip, []) == {}


def test_a_name_that_is_not_there_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UnknownName, match="'motion_smoothness'") as caught:
        measure_stream(b"never looked at", ["temporal_flickering", "motion_smoothness"])
    assert caught.value.details == {"unknown": ["motion_smoothness"], "known": ALL}
    assert all(name in caught.value.message for name in ALL)


def test_a_clip_that_cannot_be_read_is_an_error(pan: Pan) -> None:
    data = encode_mp4(pan(np.arange(6) * 2.0), 24.0)
    with pytest.raises(ClipUnreadable):
        measure_stream(data[:-40], ALL)
    with pytest.raises(ClipTooLarge):
        measure_stream(data, ALL, ClipLimits(max_source_frames=5))


def test_frames_that_are_not_kept_may_exceed_what_may_be_kept(pan: Pan) -> None:
    data = encode_mp4(pan(np.arange(6) * 2.0), 24.0)
    limits = ClipLimits(max_decoded_bytes=2 * 128 * 192 * 3)
    with pytest.raises(ClipTooLarge):
        decode(data, AllFrames(), limits)
    assert measure_stream(data, ["temporal_flickering"], limits)["temporal_flickering"].raw


def test_facts_are_there_and_cannot_be_changed() -> None:
    assert list(DIMENSIONS) == sorted(DIMENSIONS)
    for name, dimension in DIMENSIONS.items():
        assert dimension.name == name
        assert dimension.description
        assert dimension.source
        assert not dimension.needs_weights
        assert dimension.range[0] < dimension.range[1]
        with pytest.raises(FrozenInstanceError):
            dimension.higher_is_better = not dimension.higher_is_better  # type: ignore[misc]
    with pytest.raises(TypeError):
        DIMENSIONS["other"] = DIMENSIONS[ALL[0]]  # type: ignore[index]


def test_only_vbench_s_own_number_has_vbench_s_name() -> None:
    named = [n for n, d in DIMENSIONS.items() if d.source.startswith("VBench")]
    assert named == ["temporal_flickering"]
    others = set(DIMENSIONS) - set(named)
    assert all(name.startswith("opencv_") for name in others)


def test_the_public_names_are_sorted_and_exist() -> None:
    assert dimensions.__all__ == sorted(
        dimensions.__all__, key=lambda name: (not name.isupper(), name)
    )
    assert all(hasattr(dimensions, name) for name in dimensions.__all__)
    assert measure_module is measure
