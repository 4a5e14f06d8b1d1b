"""One clip: what is measured of it equals what its dimensions and its critic say by themselves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from critic_models.dimensions.measure import DIMENSIONS, measure_stream
from critic_models.dimensions.networks.raft import Raft
from critic_models.dimensions.weights import WeightStore
from critic_models.evaluation.manifest import WorkClip
from critic_models.evaluation.measuring import sampled
from critic_models.evaluation.setup import Setup
from critic_models.judging import Judge
from critic_models.video.frames import to_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.load import load_clip
from critic_models.video.sampling import AllFrames, AtRate, Middle, Sampling, Uniform
from evaluated_clips import evaluate_folder, setup_of, write_clip
from golden_clips import GOLDEN_CLIPS
from seeded_networks import SMALL, fill


def test_weights_free_dimensions_are_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "a.mp4", 1)
    data = (tmp_path / "a.mp4").read_bytes()
    monkeypatch.setattr("critic_models.evaluation.measuring.load_clip", None)
    row = setup_of(*DIMENSIONS).measurer(tmp_path).measure(WorkClip("a.mp4", "x"), list(DIMENSIONS))
    assert row.scores == measure_stream(data, list(DIMENSIONS))
    assert (row.num_bytes, row.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (row.num_frames, row.failure, row.prompt) == (4, None, "x")


def test_a_network_is_loaded_once_and_asked_for_what_a_clip_is_for(tmp_path: Path) -> None:
    store = WeightStore(tmp_path / "weights")
    store.folder.mkdir()
    raft = fill(Raft(), SMALL["raft_things"]["gain"])
    state = {f"module.{name}": tensor for name, tensor in raft.state_dict().items()}
    torch.save(state, store.path("raft_things"))
    golden_clip = GOLDEN_CLIPS["odd"]
    data = to_safetensors(golden_clip.frames(), golden_clip.fps)
    (tmp_path / "odd.mp4").write_bytes(data)
    names = ("temporal_flickering", "dynamic_degree", "subject_consistency")
    setup = Setup(names, store.folder, ("cpu",), "vbench")
    assert setup.measurable() == names[:2]
    assert "dino_vitbase16_pretrain.pth" in setup.unavailable()["subject_consistency"]
    measurer = setup.measurer(tmp_path)
    row = measurer.measure(WorkClip("odd.mp4"), names[:2])
    store.path("raft_things").unlink()
    again = measurer.measure(WorkClip("odd.mp4"), names[:2])
    assert again == row
    assert list(row.scores) == list(names[:2])
    goldens = Path(__file__).parents[1] / "dimensions" / "goldens"
    golden = json.loads((goldens / "dynamic_degree.json").read_text())["cases"]["odd"]
    assert row.scores["dynamic_degree"].raw == float(golden["score"])
    np.testing.assert_allclose(
        row.scores["dynamic_degree"].per_frame or (), golden["lengths"], rtol=1e-6
    )
    alone = measure_stream(data, names[:1])["temporal_flickering"]
    assert row.scores["temporal_flickering"] == alone


@pytest.mark.parametrize("policy", [Uniform(3), Middle(8), AtRate(3.0), AllFrames()])
def test_sampling_all_frames_is_decoding_with_the_policy(tmp_path: Path, policy: Sampling) -> None:
    write_clip(tmp_path / "a.mp4", 2, num_frames=11)
    expected = load_clip(tmp_path / "a.mp4", policy)
    found = sampled(load_clip(tmp_path / "a.mp4", AllFrames()), policy)
    for field in dataclasses.fields(expected):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))


def test_a_critic_judges_in_the_same_pass(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    for index in range(2):
        write_clip(folder / f"a red ball-{index}.mp4", index, num_frames=9)
    criteria = ["sharpness", "text_alignment"]
    names = ("temporal_flickering", *(f"critic:{name}" for name in criteria))
    setup = setup_of(*names, devices=("cpu",), critic="critic-nano")
    summary = evaluate_folder(folder, tmp_path / "out", setup)
    assert summary.is_complete
    measurer = setup.measurer(folder)
    judge = Judge.load("critic-nano", "cpu")
    assert measurer.fingerprint == judge.fingerprint
    found = []
    for index in range(2):
        key = f"a red ball-{index}.mp4"
        row = measurer.measure(WorkClip(key, "a red ball"), names)
        clip = judge.prepare(load_clip(folder / key, judge.sampling))
        (answers,) = judge.run([judge.pointwise(clip, "a red ball", criteria)])
        assert not isinstance(answers, Exception)
        for name, score in judge.scores(answers).items():
            assert row.scores[f"critic:{name}"].raw == score.raw
            assert row.scores[f"critic:{name}"].value == score.value
        found.append(row.scores["critic:sharpness"].value)
    assert summary.figures["critic:sharpness"].number == sum(found) / 2
    # Without a prompt there is a reason, and no number, for what needs one.
    row = measurer.measure(WorkClip("a red ball-0.mp4"), names)
    assert row.scores["critic:text_alignment"].raw is None
    assert "prompt" in (row.scores["critic:text_alignment"].reason or "")
    # Two questions share a forward, which moves the last bits of either.
    assert row.scores["critic:sharpness"].value == pytest.approx(found[0], abs=1e-6)


def test_a_clip_beyond_a_limit_has_reasons_alone(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 1)
    measurer = setup_of(limits=ClipLimits(max_source_frames=3)).measurer(tmp_path)
    row = measurer.measure(WorkClip("a.mp4"), ["temporal_flickering"])
    assert "3 are allowed" in (row.failure or "")
    score = row.scores["temporal_flickering"]
    assert (score.raw, score.weight, score.reason) == (None, None, row.failure)
    assert row.num_bytes is not None
