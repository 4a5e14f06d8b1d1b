"""Every network dimension gives the reference package's features and scores on equal weights.

The goldens are the reference's own numbers (`python benchmarks/vbench_goldens` makes them).
Each wrong way to compute a dimension that has been seen in the wild must fail the same comparison.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from critic_models.dimensions import (
    consistency,
    dynamic_degree,
    imaging_quality,
    motion_smoothness,
    subject_consistency,
)
from critic_models.dimensions.dimension import Compat
from critic_models.dimensions.dynamic_degree import DYNAMIC_DEGREE
from critic_models.dimensions.imaging_quality import IMAGING_QUALITY
from critic_models.dimensions.motion_smoothness import MOTION_SMOOTHNESS
from critic_models.dimensions.networked import Ask, ClipFacts, NetworkDimension, Reader
from critic_models.dimensions.networks.amt import AmtS
from critic_models.dimensions.networks.dino import DinoViT
from critic_models.dimensions.networks.musiq import Musiq
from critic_models.dimensions.networks.raft import Raft
from critic_models.dimensions.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    normalise,
    short_side_size,
    to_planes,
)
from critic_models.dimensions.runner import NetworkRunner
from critic_models.dimensions.subject_consistency import SUBJECT_CONSISTENCY
from critic_models.types import DimensionScore
from golden_clips import GOLDEN_CLIPS
from goldens import FEATURES, SCORES, golden
from seeded_networks import SMALL, fill, layout_digest


@pytest.fixture(scope="session")
def networks() -> dict[str, torch.nn.Module]:
    raft, amt = SMALL["raft_things"], SMALL["amt_s"]
    return {
        "dino_vitb16": fill(DinoViT(**SMALL["dino_vitb16"])),
        "musiq_spaq": fill(Musiq(**SMALL["musiq_spaq"])),
        "raft_things": fill(Raft(), raft["gain"]),
        "amt_s": fill(AmtS(), amt["gain"]),
    }


def measured(
    dimension: NetworkDimension,
    networks: dict[str, torch.nn.Module],
    *names: str,
    compat: Compat = "vbench",
) -> list[DimensionScore]:
    runner = NetworkRunner([dimension], networks.__getitem__, compat=compat)
    scores = runner.measure([(GOLDEN_CLIPS[name].clip(), Ask()) for name in names])
    return [each[dimension.name] for each in scores]


def features(
    reader: Reader, network: torch.nn.Module, name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the inputs of a clip's units, and what `update` makes of them."""
    clip = GOLDEN_CLIPS[name]
    frames = clip.frames()
    facts = ClipFacts(clip.num_frames, clip.height, clip.width, clip.fps)
    with torch.inference_mode():
        batch = torch.stack([reader.prepare(frames[list(u)]) for u in reader.units(facts)])
        return batch, reader.update(network, batch)


def weighted(scores: list[DimensionScore]) -> float:
    total = sum(each.weight or 0 for each in scores)
    return sum((each.raw or 0) * (each.weight or 0) for each in scores) / total


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("subject_consistency", DinoViT),
        ("imaging_quality", Musiq),
        ("dynamic_degree", Raft),
        ("motion_smoothness", AmtS),
    ],
)
def test_a_network_has_the_tensors_of_the_official_checkpoint(
    name: str, network: Callable[[], torch.nn.Module]
) -> None:
    with torch.device("meta"):
        assert layout_digest(network()) == golden(name)["layout"]


class TestSubjectConsistency:
    @pytest.mark.parametrize("clip", ["odd", "even", "two", "three"])
    def test_scores(self, networks: dict[str, torch.nn.Module], clip: str) -> None:
        expected = golden("subject_consistency")["cases"][clip]
        (score,) = measured(SUBJECT_CONSISTENCY, networks, clip)
        assert score.raw == pytest.approx(expected["score"], abs=SCORES)
        assert score.per_frame is not None
        assert len(score.per_frame) == GOLDEN_CLIPS[clip].num_frames - 1

    def test_features(self, networks: dict[str, torch.nn.Module]) -> None:
        expected = golden("subject_consistency")["cases"]["odd"]["features"]
        _, found = features(SUBJECT_CONSISTENCY.reader, networks["dino_vitb16"], "odd")
        np.testing.assert_allclose(found[:, :24], expected, atol=FEATURES)

    def test_over_clips_every_frame_counts_once(self, networks: dict[str, torch.nn.Module]) -> None:
        pooled = golden("subject_consistency")["pooled"]
        scores = measured(SUBJECT_CONSISTENCY, networks, *pooled["clips"])
        assert weighted(scores) == pytest.approx(pooled["score"], abs=SCORES)
        plain = sum(each.raw or 0 for each in scores) / len(scores)
        assert plain != pytest.approx(pooled["score"], abs=100 * SCORES)

    @pytest.mark.parametrize(
        "mutant", ["antialias", "bicubic", "squash", "bgr", "no 255", "bytes", "positions by size"]
    )
    def test_a_wrong_way_fails(
        self,
        networks: dict[str, torch.nn.Module],
        mutant: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        prepare = subject_consistency.prepare

        def wrong(frames: np.ndarray) -> torch.Tensor:
            if mutant == "bgr":
                return prepare(frames[..., ::-1])
            if mutant == "positions by size":
                return prepare(frames)
            planes = to_planes(frames)
            size = short_side_size(planes.shape[-2], planes.shape[-1], 224)
            if mutant == "squash":
                size = (224, 224)
            resized = F.interpolate(
                planes.float(),
                size,
                mode="bicubic" if mutant == "bicubic" else "bilinear",
                antialias=mutant == "antialias",
            )
            if mutant == "bytes":
                resized = resized.round()
            if mutant == "no 255":
                resized = resized * 255
            return normalise(resized, IMAGENET_MEAN, IMAGENET_STD)[0]

        if mutant == "positions by size":
            resample = F.interpolate

            def by_size(x: torch.Tensor, size: Any = None, **options: Any) -> torch.Tensor:
                factor = options.pop("scale_factor", None)
                if factor is not None:
                    size = tuple(int(s * f) for s, f in zip(x.shape[-2:], factor, strict=True))
                return resample(x, size, **options)

            monkeypatch.setattr(F, "interpolate", by_size)
        dimension = replaced(SUBJECT_CONSISTENCY, prepare=wrong)
        # Antialiasing only matters where a frame becomes smaller: all but the last are enlarged.
        clip = "large" if mutant == "antialias" else "odd"
        (score,) = measured(dimension, networks, clip)
        if mutant == "antialias":
            (right,) = measured(SUBJECT_CONSISTENCY, networks, clip)
            assert right.raw is not None
            assert score.raw != pytest.approx(right.raw, abs=SCORES)
            return
        expected = golden("subject_consistency")["cases"][clip]["score"]
        assert score.raw != pytest.approx(expected, abs=SCORES)

    def test_likeness_to_the_previous_frame_alone_fails(
        self, networks: dict[str, torch.nn.Module]
    ) -> None:
        _, found = features(SUBJECT_CONSISTENCY.reader, networks["dino_vitb16"], "odd")
        expected = golden("subject_consistency")["cases"]["odd"]["score"]
        assert consistency.frame_likeness(found).mean().item() == pytest.approx(expected, abs=1e-6)
        alone = (found[1:] * found[:-1]).sum(-1).clamp_min(0).mean()
        assert alone.item() != pytest.approx(expected, abs=1e-3)

    def test_opposite_frames_count_as_0_not_below(self) -> None:
        opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
        assert consistency.frame_likeness(opposite).tolist() == [0.0, 0.0]


class TestImagingQuality:
    @pytest.mark.parametrize("clip", ["odd", "even", "two", "large"])
    def test_scores(self, networks: dict[str, torch.nn.Module], clip: str) -> None:
        expected = golden("imaging_quality")["cases"][clip]
        (score,) = measured(IMAGING_QUALITY, networks, clip)
        assert score.raw == pytest.approx(expected["score"], abs=SCORES)
        assert score.per_frame is not None
        frames = [each for (each,) in expected["features"]]
        np.testing.assert_allclose(score.per_frame, frames, atol=FEATURES)

    def test_over_clips_the_mean_is_divided_by_100(
        self, networks: dict[str, torch.nn.Module]
    ) -> None:
        pooled = golden("imaging_quality")["pooled"]
        scores = measured(IMAGING_QUALITY, networks, *pooled["clips"])
        values = [each.value for each in scores]
        assert np.mean([v for v in values if v is not None]) == pytest.approx(
            pooled["score"], abs=SCORES
        )

    @pytest.mark.parametrize(
        "mutant", ["no limit", "rounded up", "antialias", "bgr", "no 255", "bicubic"]
    )
    def test_a_wrong_way_fails(self, networks: dict[str, torch.nn.Module], mutant: str) -> None:
        prepare = imaging_quality.prepare

        def wrong(frames: np.ndarray) -> torch.Tensor:
            if mutant == "bgr":
                return prepare(frames[..., ::-1])
            planes = to_planes(frames).float()
            height, width = planes.shape[-2:]
            scale = 512 / max(height, width)
            size = (int(scale * height), int(scale * width))
            if mutant == "rounded up":
                size = (size[0] + 1, 512)
            if mutant != "no limit":
                mode = "bicubic" if mutant == "bicubic" else "bilinear"
                planes = F.interpolate(planes, size, mode=mode, antialias=mutant == "antialias")
            return planes[0] if mutant == "no 255" else planes[0] / 255

        expected = golden("imaging_quality")["cases"]["large"]["score"]
        (score,) = measured(replaced(IMAGING_QUALITY, prepare=wrong), networks, "large")
        assert score.raw != pytest.approx(expected, abs=10 * SCORES)


class TestDynamicDegree:
    def test_a_clip_of_one_sampled_frame_beside_another(
        self, networks: dict[str, torch.nn.Module]
    ) -> None:
        one, pair = measured(DYNAMIC_DEGREE, networks, "two", "odd")
        assert one.raw == float(golden("dynamic_degree")["cases"]["two"]["score"])
        assert one.per_frame == ()
        assert pair.raw == 1.0

    @pytest.mark.parametrize("clip", ["odd", "three"])
    def test_scores(self, networks: dict[str, torch.nn.Module], clip: str) -> None:
        expected = golden("dynamic_degree")["cases"][clip]
        (score,) = measured(DYNAMIC_DEGREE, networks, clip)
        assert score.raw == float(expected["score"])
        assert score.per_frame is not None
        np.testing.assert_allclose(score.per_frame, expected["lengths"], rtol=SCORES)

    def test_flow(self, networks: dict[str, torch.nn.Module]) -> None:
        expected = golden("dynamic_degree")["cases"]["odd"]["features"]
        batch, _ = features(DYNAMIC_DEGREE.reader, networks["raft_things"], "odd")
        flow = dynamic_degree.pair_flow(networks["raft_things"], batch)
        found = flow[:, :, ::17, ::19].flatten(1)
        np.testing.assert_allclose(found, expected, atol=FEATURES)

    @pytest.mark.parametrize("clip", ["odd", "even", "two", "three", "nine"])
    def test_thresholds_and_sampling(self, clip: str) -> None:
        expected = golden("dynamic_degree")["cases"][clip]
        known = GOLDEN_CLIPS[clip]
        facts = ClipFacts(known.num_frames, known.height, known.width, known.fps)
        assert dynamic_degree.threshold(facts) == pytest.approx(expected["parameters"]["thres"])
        count = len(dynamic_degree.sampled(facts))
        assert dynamic_degree.pairs_needed(count) == expected["parameters"]["count_num"]
        assert len(dynamic_degree.units(facts)) == len(expected["lengths"])

    @pytest.mark.parametrize(
        "mutant", ["tenth", "two steps", "backwards", "bgr", "not padded evenly"]
    )
    def test_a_wrong_way_fails(self, networks: dict[str, torch.nn.Module], mutant: str) -> None:
        raft = networks["raft_things"]
        batch, right = features(DYNAMIC_DEGREE.reader, raft, "odd")
        if mutant == "tenth":
            wrong = dynamic_degree.fastest(dynamic_degree.pair_flow(raft, batch), 0.1)
        elif mutant == "two steps":
            padded, _ = dynamic_degree.pad_to_multiple(batch[0].float(), 8)
            wrong = dynamic_degree.fastest(raft(padded[:1], padded[1:], 2), 0.05)
        elif mutant == "backwards":
            wrong = dynamic_degree.update(raft, batch.flip(1))
        elif mutant == "bgr":
            wrong = dynamic_degree.update(raft, batch.flip(2))
        else:
            below = F.pad(batch[0].float(), (0, 5, 0, 3), mode="replicate")
            wrong = dynamic_degree.fastest(raft(below[:1], below[1:], 20), 0.05)
        expected = golden("dynamic_degree")["cases"]["odd"]["lengths"]
        assert right.tolist() == pytest.approx(expected, rel=SCORES)
        assert wrong.tolist() != pytest.approx(expected, rel=10 * SCORES)


class TestMotionSmoothness:
    @pytest.mark.parametrize("clip", ["odd", "even", "three"])
    def test_scores(self, networks: dict[str, torch.nn.Module], clip: str) -> None:
        expected = golden("motion_smoothness")["cases"][clip]
        (score,) = measured(MOTION_SMOOTHNESS, networks, clip)
        assert score.raw == pytest.approx(expected["score"], abs=SCORES)
        assert score.per_frame is not None
        # A value on the edge between two gray levels may fall to the other side.
        np.testing.assert_allclose(score.per_frame, expected["differences"], atol=255 * SCORES)

    def test_features(self, networks: dict[str, torch.nn.Module]) -> None:
        expected = golden("motion_smoothness")["cases"]["even"]["features"]
        batch, _ = features(MOTION_SMOOTHNESS.reader, networks["amt_s"], "even")
        padded, _ = motion_smoothness.pad_to_multiple(batch[0, ::2].float(), 16)
        with torch.inference_mode():
            found = networks["amt_s"](padded[:1] / 255, padded[1:] / 255)
        np.testing.assert_allclose(found[:, :, ::17, ::19].flatten(1), expected, atol=FEATURES)

    @pytest.mark.parametrize("mutant", ["rounded", "bgr", "not cropped", "mean of the two"])
    def test_a_wrong_way_fails(self, networks: dict[str, torch.nn.Module], mutant: str) -> None:
        clip = "even"
        amt = networks["amt_s"]
        batch, right = features(MOTION_SMOOTHNESS.reader, amt, clip)
        padded, (top, left) = motion_smoothness.pad_to_multiple(batch[0].float(), 16)
        with torch.inference_mode():
            if mutant == "mean of the two":
                guess = padded[::2].mean(0, keepdim=True) / 255
            elif mutant == "bgr":
                guess = amt(padded[:1].flip(1) / 255, padded[2:].flip(1) / 255).flip(1)
            else:
                guess = amt(padded[:1] / 255, padded[2:] / 255)
        levels = guess[0] * 255
        levels = levels.round() if mutant == "rounded" else levels.floor()
        real = padded[1]
        if mutant != "not cropped":
            inner = (..., slice(top, top + 171), slice(left, left + 133))
            levels, real = levels[inner], real[inner]
        wrong = (levels - real).abs().double().mean()
        expected = golden("motion_smoothness")["cases"][clip]["differences"]
        assert right.tolist() == pytest.approx(expected, abs=255 * SCORES)
        assert abs(wrong.item() - expected[0]) / 255 > 10 * SCORES


def test_opencv_s_absolute_difference_is_ours() -> None:
    chance = np.random.default_rng(0)
    first, second = (chance.integers(0, 256, (9, 11, 3), dtype=np.uint8) for _ in range(2))
    ours = np.abs(first.astype(float) - second).mean()
    assert ours == pytest.approx(np.mean(cv2.absdiff(first, second)), abs=1e-12)


def replaced(dimension: NetworkDimension, **changes: Any) -> NetworkDimension:
    return dataclasses.replace(dimension, reader=dataclasses.replace(dimension.reader, **changes))
