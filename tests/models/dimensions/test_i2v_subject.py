"""VBench-I2V's subject equals the reference's on equal weights, and wrong ways do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from critic_models.dimensions import i2v_subject
from critic_models.dimensions.i2v_subject import I2V_SUBJECT
from critic_models.dimensions.networked import Ask, ClipFacts, Evidence
from critic_models.dimensions.networks.dino import DinoViT
from critic_models.dimensions.runner import NetworkRunner
from critic_models.types import DimensionScore
from golden_clips import GOLDEN_CLIPS
from goldens import FEATURES, SCORES, golden
from seeded_networks import SMALL, fill

NAMES = ("odd", "even", "two", "nine")


@pytest.fixture(scope="module")
def dino() -> torch.nn.Module:
    return fill(DinoViT(**SMALL["dino_vitb16"]))


def picture_of(name: str) -> np.ndarray:
    return GOLDEN_CLIPS[golden("i2v_subject")["cases"][name]["picture"]].frames()[0]


def measured(dino: torch.nn.Module, name: str, picture: np.ndarray) -> DimensionScore:
    runner = NetworkRunner([I2V_SUBJECT], lambda _: dino)
    (scores,) = runner.measure([(GOLDEN_CLIPS[name].clip(), Ask(image=picture))])
    return scores["i2v_subject"]


@pytest.mark.parametrize("name", NAMES)
def test_score_and_features_are_the_references(dino: torch.nn.Module, name: str) -> None:
    expected = golden("i2v_subject")["cases"][name]
    score = measured(dino, name, picture_of(name))
    assert score.raw == pytest.approx(expected["score"], abs=SCORES)
    with torch.inference_mode():
        found = i2v_subject.read_picture(dino, picture_of(name))
        frame = i2v_subject.prepare(GOLDEN_CLIPS[name].frames()[:1])
        first = i2v_subject.update(dino, frame[None])[0]
    np.testing.assert_allclose(found[:24], expected["features"][0], atol=FEATURES)
    np.testing.assert_allclose(first[:24], expected["features"][1], atol=FEATURES)


@pytest.mark.parametrize("mutant", ["another picture", "bgr", "no antialiasing", "squash", "float"])
def test_a_wrong_way_fails(
    dino: torch.nn.Module, mutant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = golden("i2v_subject")["cases"]["odd"]["score"]
    picture = picture_of("odd")
    if mutant == "another picture":
        picture = GOLDEN_CLIPS["even"].frames()[0]
    elif mutant == "bgr":
        picture = np.ascontiguousarray(picture[..., ::-1])
    else:

        def wrong(given: np.ndarray) -> torch.Tensor:
            planes = torch.from_numpy(given).movedim(-1, 0)[None].float()
            size = (256, 256) if mutant == "squash" else (256, 504)
            planes = F.interpolate(
                planes, size, mode="bicubic", antialias=mutant != "no antialiasing"
            )
            square = i2v_subject.centre_crop(planes, 224)
            return i2v_subject.normalise(
                square, i2v_subject.IMAGENET_MEAN, i2v_subject.IMAGENET_STD
            )[0]

        monkeypatch.setattr(i2v_subject, "prepare_picture", wrong)
    score = measured(dino, "odd", picture).raw
    assert score is not None
    assert abs(score - expected) > SCORES


def test_the_rule() -> None:
    features = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]])
    text = torch.tensor([0.8, 0.6])
    reading = i2v_subject.compute(Evidence(features, text, ClipFacts(3, 8, 8, 8.0)), "corrected")
    # To the picture 0.8, 0.96 and 0; steps 0.6 and, below zero, 0.
    assert reading.raw == pytest.approx(0.4 * 0.96 + 0.3 * 0.3 + 0.3 * 0.0)
    assert reading.per_frame == pytest.approx((0.8, 0.96, 0.0))


def test_without_the_picture_there_is_no_number(dino: torch.nn.Module) -> None:
    runner = NetworkRunner([I2V_SUBJECT], lambda _: dino)
    (scores,) = runner.measure([(GOLDEN_CLIPS["odd"].clip(), Ask("a prompt"))])
    assert scores["i2v_subject"].raw is None
    assert "image" in (scores["i2v_subject"].reason or "")
