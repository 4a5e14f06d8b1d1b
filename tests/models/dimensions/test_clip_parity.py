"""The dimensions that read CLIP: through open_clip they equal the reference's, which has OpenAI's.

How frames are prepared is tested without open_clip; the rest is skipped where it is not installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from critic_models.dimensions.aesthetic_quality import AESTHETIC_QUALITY
from critic_models.dimensions.appearance_style import APPEARANCE_STYLE
from critic_models.dimensions.background_consistency import BACKGROUND_CONSISTENCY
from critic_models.dimensions.dimension import Compat
from critic_models.dimensions.networked import Ask, NetworkDimension
from critic_models.dimensions.networks import clip as clip_module
from critic_models.dimensions.networks.clip import (
    VIT_B_32,
    VIT_L_14,
    AestheticClip,
    Clip,
    PackageMissing,
    tokens_of,
)
from critic_models.dimensions.preprocess import (
    CLIP_MEAN,
    CLIP_STD,
    centre_crop,
    clip_square_of_bytes,
    clip_square_of_floats,
    clip_square_of_pictures,
    normalise,
    short_side_size,
    to_planes,
)
from critic_models.dimensions.runner import NetworkRunner
from critic_models.types import DimensionScore
from golden_clips import GOLDEN_CLIPS
from goldens import SCORES, golden
from seeded_networks import SMALL, fill, layout_digest

needs_open_clip = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None,
    reason="open_clip_torch is the optional extra `vbench`",
)


def small_clip(patch: int, quick_gelu: bool = True) -> Clip:
    package = clip_module.open_clip()
    sizes = SMALL["clip"]
    model = package.CLIP(
        sizes["out"],
        package.CLIPVisionCfg(
            layers=sizes["depth"], width=sizes["width"], patch_size=patch, image_size=224
        ),
        package.CLIPTextCfg(
            vocab_size=49408, width=sizes["text_width"], heads=1, layers=sizes["depth"]
        ),
        quick_gelu=quick_gelu,
    )
    fill(model)
    return Clip(model)


def measured(
    dimension: NetworkDimension,
    network: torch.nn.Module,
    names: list[str],
    asks: list[Ask] | None = None,
    compat: Compat = "vbench",
) -> list[DimensionScore]:
    runner = NetworkRunner([dimension], lambda name: network, compat=compat)
    given = asks or [Ask()] * len(names)
    clips = [(GOLDEN_CLIPS[n].clip(), ask) for n, ask in zip(names, given, strict=True)]
    return [each[dimension.name] for each in runner.measure(clips)]


def weighted(scores: list[DimensionScore]) -> float:
    total = sum(each.weight or 0 for each in scores)
    return sum((each.raw or 0) * (each.weight or 0) for each in scores) / total


@needs_open_clip
class TestBackgroundConsistency:
    @pytest.fixture(scope="class")
    def network(self) -> Clip:
        return small_clip(32)

    def test_scores_and_features(self, network: Clip) -> None:
        document = golden("background_consistency")
        names = list(document["cases"])
        for name, score in zip(
            names, measured(BACKGROUND_CONSISTENCY, network, names), strict=True
        ):
            case = document["cases"][name]
            assert score.raw == pytest.approx(case["score"], abs=SCORES)
            frames = GOLDEN_CLIPS[name].frames()
            with torch.inference_mode():
                found = network(clip_square_of_floats(frames))[:, :24]
            np.testing.assert_allclose(found, case["features"], atol=1e-5)

    def test_over_clips_every_frame_counts_once(self, network: Clip) -> None:
        pooled = golden("background_consistency")["pooled"]
        scores = measured(BACKGROUND_CONSISTENCY, network, pooled["clips"])
        assert weighted(scores) == pytest.approx(pooled["score"], abs=SCORES)

    def test_without_quickgelu_it_fails(self, network: Clip) -> None:
        twin = small_clip(32, quick_gelu=False)
        assert layout_digest(twin) == layout_digest(network)
        expected = golden("background_consistency")["cases"]["odd"]["score"]
        (score,) = measured(BACKGROUND_CONSISTENCY, twin, ["odd"])
        assert score.raw != pytest.approx(expected, abs=10 * SCORES)

    @pytest.mark.parametrize(
        "mutant", ["bytes", "half", "antialias", "bilinear", "squash", "bgr", "no 255"]
    )
    def test_a_wrong_way_fails(self, network: Clip, mutant: str) -> None:
        name = "large"
        frames = GOLDEN_CLIPS[name].frames()
        planes = to_planes(frames).float()
        if mutant == "bytes":
            wrong = clip_square_of_bytes(frames)
        elif mutant in ("bgr", "half"):
            wrong = clip_square_of_floats(frames[..., ::-1] if mutant == "bgr" else frames)
        else:
            resized = F.interpolate(
                planes,
                (224, 224) if mutant == "squash" else short_side_size(307, 605, 224),
                mode="bilinear" if mutant == "bilinear" else "bicubic",
                antialias=mutant == "antialias",
            )
            resized = centre_crop(resized * (255 if mutant == "no 255" else 1), 224)
            wrong = normalise(resized, CLIP_MEAN, CLIP_STD)
        with torch.inference_mode():
            found = network(wrong)
        if mutant == "half":
            found = found.half().float()
        # Features are compared: a score of nearly constant features hides half of these.
        expected = torch.tensor(golden("background_consistency")["cases"][name]["features"])
        assert (found[:, :24] - expected).abs().max() > 2e-5


@needs_open_clip
class TestAestheticQuality:
    def test_scores(self) -> None:
        network = AestheticClip(small_clip(14), SMALL["clip"]["out"])
        fill(network.head, 4.0)
        for name, case in golden("aesthetic_quality")["cases"].items():
            (score,) = measured(AESTHETIC_QUALITY, network, [name])
            assert score.raw == pytest.approx(case["score"], abs=SCORES)
            assert score.per_frame is not None
            np.testing.assert_allclose(np.array(score.per_frame) * 10, case["features"], atol=1e-5)


@needs_open_clip
class TestAppearanceStyle:
    @pytest.fixture(scope="class")
    def network(self) -> Clip:
        return small_clip(32)

    def test_scores(self, network: Clip) -> None:
        document = golden("appearance_style")
        for name, case in document["cases"].items():
            ask = Ask(auxiliary={"appearance_style": case["style"]})
            (score,) = measured(APPEARANCE_STYLE, network, [name], [ask])
            assert score.raw == pytest.approx(case["score"], abs=SCORES)
            assert score.per_frame is not None
            np.testing.assert_allclose(score.per_frame, case["features"], atol=SCORES)
            # Seeded weights have a small scale: the cosine itself is far from the reference's.
            (corrected,) = measured(APPEARANCE_STYLE, network, [name], [ask], "corrected")
            assert corrected.raw == pytest.approx(
                case["score"] * 100 / document["logit_scale"], abs=1e-4
            )
            assert corrected.raw != pytest.approx(case["score"], abs=1e-3)

    def test_over_clips_every_frame_counts_once(self, network: Clip) -> None:
        pooled = golden("appearance_style")["pooled"]
        asks = [Ask(auxiliary={"appearance_style": pooled["style"]})] * 2
        scores = measured(APPEARANCE_STYLE, network, pooled["clips"], asks)
        assert weighted(scores) == pytest.approx(pooled["score"], abs=SCORES)

    def test_prepared_as_other_dimensions_do_it_fails(self, network: Clip) -> None:
        frames = GOLDEN_CLIPS["even"].frames()
        with torch.inference_mode():
            right = network(clip_square_of_pictures(frames))
            wrong = network(clip_square_of_bytes(frames))
        assert (right - wrong).abs().max() > 1e-4


@needs_open_clip
class TestOpenClip:
    def test_tokens_are_viclip_s(self) -> None:
        for case in golden("overall_consistency")["cases"].values():
            assert tokens_of(case["prompt"], 32) == case["tokens"]

    @pytest.mark.parametrize(
        ("name", "model"), [("background_consistency", VIT_B_32), ("aesthetic_quality", VIT_L_14)]
    )
    def test_the_layout_is_that_of_open_clip_s_checkpoint(self, name: str, model: str) -> None:
        with torch.device("meta"):
            built = clip_module.open_clip().create_model(model, pretrained=None, device="meta")
        assert layout_digest(built) == golden(name)["layout"]


class TestWithoutThePackage:
    def test_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "open_clip", None)
        monkeypatch.setitem(sys.modules, "torchvision", None)
        with pytest.raises(PackageMissing, match=r"critic-service\[vbench\]"):
            clip_module.open_clip()


class TestPreparing:
    def test_three_ways_are_three(self) -> None:
        frames = GOLDEN_CLIPS["large"].frames()[:1]
        floats, as_bytes, pictures = (
            f(frames)
            for f in (clip_square_of_floats, clip_square_of_bytes, clip_square_of_pictures)
        )
        assert floats.shape == as_bytes.shape == pictures.shape == (1, 3, 224, 224)
        # Rounding to bytes moves a value by half a level, or cuts off an overshoot.
        assert 0 < (floats - as_bytes).abs().mean() < 0.05
        # PIL is antialiased.
        assert (floats - pictures).abs().max() > 0.1

    def test_a_half_pixel_of_a_crop_is_rounded_to_even(self) -> None:
        rows = torch.arange(9.0).view(1, 9, 1).expand(3, 9, 9)
        assert centre_crop(rows, 4)[0, :, 0].tolist() == [2, 3, 4, 5]
        assert centre_crop(rows[:, :7, :7], 4)[0, :, 0].tolist() == [2, 3, 4, 5]

    def test_the_longer_side_is_rounded_down(self) -> None:
        assert short_side_size(130, 203, 224) == (224, 349)
        assert short_side_size(203, 130, 224) == (349, 224)
        assert short_side_size(100, 100, 224) == (224, 224)
