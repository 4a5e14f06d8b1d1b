"""Metrics by name: what is missing is said, and nothing stands in for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from critic_models.dimensions.networks.raft import Raft
from critic_models.dimensions.weights import WeightStore
from critic_models.metrics import METRICS
from critic_models.metrics.suite import ClipBytes, MetricSuite
from critic_models.video.frames import to_safetensors
from seeded_networks import fill

RAFT = ["metric.flow_magnitude", "metric.flow_consistency"]


def clip(num_frames: int, side: int, fps: float) -> ClipBytes:
    values = np.random.default_rng(1).integers(0, 256, (num_frames, side, side, 3), dtype=np.uint8)
    return ClipBytes(to_safetensors(values, fps))


def still(frame: np.ndarray) -> np.ndarray:
    return np.zeros((*frame.shape[:2], 2), np.float32)


class TestWithoutWeights:
    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("metric.clip_score", "clip-vit-b-32-openai.safetensors"),
            ("metric.hpsv2", "HPS_v2.1_compressed.pt"),
            ("metric.pickscore", "pickscore_v1/model.safetensors"),
            ("metric.flow_magnitude", "raft-things.pth"),
            ("metric.flow_consistency", "raft-things.pth"),
        ],
    )
    def test_the_file_is_named(self, tmp_path: Path, name: str, file: str) -> None:
        suite = MetricSuite(WeightStore(tmp_path))
        assert file in (suite.why_not(name) or "")
        gathered = suite.gather([name], clip(3, 32, 8.0))
        score = suite.read([name], gathered, "a ball")[name]
        assert (score.raw, score.value) == (None, None)
        assert file in (score.reason or "")
        assert suite.versions([name]) == {name: "unavailable"}

    def test_opencv_never_stands_in_for_raft(self, tmp_path: Path) -> None:
        suite = MetricSuite(WeightStore(tmp_path))
        names = [*RAFT, "metric.flow_magnitude.opencv"]
        scores = suite.read(names, suite.gather(names, clip(3, 32, 8.0)), None)
        assert [scores[name].raw is None for name in names] == [True, True, False]

    def test_every_metric_says_where_its_formula_comes_from(self) -> None:
        assert all(each.source and each.description for each in METRICS.values())


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> MetricSuite:
    folder = tmp_path_factory.mktemp("weights")
    torch.save(fill(Raft(), 0.3).state_dict(), folder / "raft-things.pth")
    return MetricSuite(WeightStore(folder))


class TestRaft:
    def test_a_pair_is_the_network_s_own_flow(self, suite: MetricSuite) -> None:
        source = clip(2, 124, 8.0)
        assert suite.why_not(RAFT[0]) is None
        gathered = suite.gather(RAFT[:1], source)
        frames = np.stack([each.frame for each in source.frames()])
        planes = torch.from_numpy(frames).movedim(-1, 1).float()
        padded = torch.nn.functional.pad(planes, (2, 2, 2, 2), mode="replicate")
        with torch.inference_mode():
            flow = fill(Raft(), 0.3)(padded[:1], padded[1:], 20)[0, :, 2:-2, 2:-2]
        expected = float(flow.square().sum(0).sqrt().mean()) / 124 * 8
        score = suite.read(RAFT[:1], gathered, None)[RAFT[0]]
        assert score.raw == pytest.approx(expected, rel=1e-4)
        assert score.raw != pytest.approx(expected / 8, rel=1e-2)

    def test_eight_frames_a_second_are_looked_at(
        self, suite: MetricSuite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(suite, "_raft", lambda network, a, b: still(a))
        pairs = suite.gather(RAFT[:1], clip(25, 124, 24.0)).pairs["raft"]
        assert [round(pair.took_s, 3) for pair in pairs] == [0.125] * 8

    def test_small_and_long_clips_have_reasons(
        self, suite: MetricSuite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "121" in suite.gather(RAFT, clip(3, 64, 8.0)).lacking["raft"]
        monkeypatch.setattr("critic_models.metrics.suite._MOST_RAFT_PAIRS", 1)
        monkeypatch.setattr(suite, "_raft", lambda network, a, b: still(a))
        assert "at most" in suite.gather(RAFT, clip(4, 124, 8.0)).lacking["raft"]
