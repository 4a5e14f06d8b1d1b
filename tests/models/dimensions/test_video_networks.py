"""ViCLIP and UMT, written here: the reference's features, scores and decisions on equal weights."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from critic_models.dimensions import human_action, video_text
from critic_models.dimensions.human_action import HUMAN_ACTION
from critic_models.dimensions.networked import Ask, ClipFacts, Evidence
from critic_models.dimensions.networks import umt as umt_network
from critic_models.dimensions.networks.umt import Umt
from critic_models.dimensions.networks.viclip import ViClip
from critic_models.dimensions.preprocess import (
    CLIP_MEAN,
    CLIP_STD,
    centre_crop,
    clip_square_of_bytes,
    clip_square_of_floats,
    normalise,
    short_side_size,
    to_planes,
)
from critic_models.dimensions.runner import NetworkRunner
from critic_models.dimensions.video_text import OVERALL_CONSISTENCY, TEMPORAL_STYLE
from critic_models.video.sampling import Uniform
from golden_clips import GOLDEN_CLIPS, GoldenClip
from goldens import FEATURES, SCORES, golden
from seeded_networks import SMALL, fill, layout_digest


@pytest.fixture(scope="module")
def viclip() -> ViClip:
    network = ViClip(**SMALL["viclip_l_14"])
    fill(network)
    return network


@pytest.fixture(scope="module")
def umt() -> Umt:
    network = Umt(**SMALL["umt_l16_k400"])
    fill(network)
    return network


def facts_of(clip: GoldenClip, ask: Ask | None = None) -> ClipFacts:
    return ClipFacts(clip.num_frames, clip.height, clip.width, clip.fps, ask or Ask())


def video_feature(viclip: ViClip, prepared: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return video_text.update(viclip, prepared[None])[0]


def text_feature(viclip: ViClip, tokens: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return F.normalize(viclip.read_tokens(tokens), dim=-1)


@pytest.mark.parametrize(
    ("name", "network"), [("overall_consistency", ViClip), ("human_action", Umt)]
)
def test_a_network_has_the_tensors_of_the_official_checkpoint(
    name: str, network: type[torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = torch.empty(1, 16 * 14 * 14, 1024, device="meta")
    monkeypatch.setattr(umt_network, "position_table", lambda _: table)
    monkeypatch.setattr(torch.nn.MultiheadAttention, "_reset_parameters", lambda _: None)
    with torch.device("meta"):
        assert layout_digest(network()) == golden(name)["layout"]


class TestViClip:
    @pytest.mark.parametrize("name", ["odd", "even", "two", "nine"])
    def test_features_and_score(self, viclip: ViClip, name: str) -> None:
        expected = golden("overall_consistency")["cases"][name]
        clip = GOLDEN_CLIPS[name]
        (unit,) = video_text.units(facts_of(clip))
        video = video_feature(viclip, video_text.prepare(clip.frames()[list(unit)]))
        text = text_feature(viclip, expected["tokens"])
        np.testing.assert_allclose(video, expected["video"], atol=FEATURES)
        np.testing.assert_allclose(text, expected["text"], atol=FEATURES)
        reading = video_text.compute(Evidence(video[None], text, facts_of(clip)), "vbench")
        assert reading.raw == pytest.approx(expected["score"], abs=SCORES)

    def test_the_last_frame_is_repeated_in_a_short_clip(self) -> None:
        (unit,) = video_text.units(facts_of(GOLDEN_CLIPS["odd"]))
        assert unit == (0, 1, 2, 3, 4, 4, 4, 4)

    @pytest.mark.parametrize(
        "mutant", ["floats", "antialias", "bilinear", "squash", "bgr", "no 255", "linspace"]
    )
    def test_a_wrong_way_fails(self, viclip: ViClip, mutant: str) -> None:
        clip = GOLDEN_CLIPS["nine"]
        expected = golden("overall_consistency")["cases"]["nine"]
        (unit,) = video_text.units(facts_of(clip))
        indices = list(unit)
        if mutant == "linspace":
            indices = Uniform(8).indices(9, 24.0, np.empty(0)).tolist()
            assert indices != list(unit)
        frames = clip.frames()[indices]
        planes = to_planes(frames).float()
        size = short_side_size(planes.shape[-2], planes.shape[-1], 224)
        if mutant == "floats":
            wrong = clip_square_of_floats(frames)
        elif mutant == "bgr":
            wrong = clip_square_of_bytes(frames[..., ::-1])
        elif mutant == "linspace":
            wrong = clip_square_of_bytes(frames)
        else:
            # Enlarging does the same with and without antialiasing: make the frame smaller.
            if mutant == "antialias":
                frames, size = _large(), (224, 448)
                planes = to_planes(frames).float()
            resized = F.interpolate(
                planes,
                (224, 224) if mutant == "squash" else size,
                mode="bilinear" if mutant == "bilinear" else "bicubic",
                antialias=mutant == "antialias",
            )
            resized = resized.clamp(0, 255).round() * (255 if mutant == "no 255" else 1)
            wrong = normalise(centre_crop(resized, 224), CLIP_MEAN, CLIP_STD)
        found = video_feature(viclip, wrong)
        right = torch.tensor(expected["video"])
        if mutant == "antialias":
            right = video_feature(viclip, clip_square_of_bytes(frames))
        assert (found - right).abs().max() > 2 * FEATURES

    def test_a_text_is_read_at_its_end(self, viclip: ViClip) -> None:
        case = golden("overall_consistency")["cases"]["odd"]
        tokens = list(case["tokens"])
        end = tokens.index(max(tokens))
        padded = [*tokens[: end + 1], *([7] * (31 - end))]
        # What follows the end is not read; what comes before it is.
        np.testing.assert_allclose(text_feature(viclip, padded), case["text"], atol=FEATURES)
        tokens[1], tokens[2] = tokens[2], tokens[1]
        assert (text_feature(viclip, tokens) - torch.tensor(case["text"])).abs().max() > 1e-3

    def test_both_dimensions_share_one_reading(self) -> None:
        assert TEMPORAL_STYLE.reader == OVERALL_CONSISTENCY.reader

    def test_a_prompt_that_is_not_known_gives_no_number(self) -> None:
        runner = NetworkRunner([TEMPORAL_STYLE], lambda name: pytest.fail("loaded"))
        (scores,) = runner.measure([(GOLDEN_CLIPS["two"].clip(), Ask())])
        assert scores["temporal_style"].raw is None
        assert "prompt" in (scores["temporal_style"].reason or "")


def _large() -> np.ndarray:
    frames = GOLDEN_CLIPS["large"].frames()[:, :300, :600]
    return frames[[0, 1] * 4]


class TestUmt:
    def test_positions(self) -> None:
        expected = golden("human_action")["positions"]
        table = umt_network.position_table(SMALL["umt_l16_k400"]["width"])
        np.testing.assert_allclose(table[0, ::391, ::7].flatten(), expected, atol=1e-6)

    @pytest.mark.parametrize("name", ["odd", "nine"])
    def test_logits_and_decisions(self, umt: Umt, name: str) -> None:
        cases = golden("human_action")["cases"]
        clip = GOLDEN_CLIPS[name]
        (unit,) = human_action.units(facts_of(clip))
        with torch.inference_mode():
            logits = human_action.update(umt, human_action.prepare(clip.frames()[list(unit)])[None])
        np.testing.assert_allclose(logits[0, ::5], cases[f"{name}-0"]["logits"], atol=1e-4)
        for rank in (0, 4, 5, 399):
            case = cases[f"{name}-{rank}"]
            facts = facts_of(clip, Ask(prompt=f"A person is {case['action']}"))
            reading = human_action.compute(Evidence(logits, None, facts), "vbench")
            assert reading.raw == float(case["score"])
            assert reading.continuous is not None

    @pytest.mark.parametrize("mutant", ["bgr", "torch resize", "linspace", "no 255"])
    def test_a_wrong_way_fails(self, umt: Umt, mutant: str) -> None:
        clip = GOLDEN_CLIPS["nine"]
        (unit,) = human_action.units(facts_of(clip))
        frames = clip.frames()
        right = torch.tensor(golden("human_action")["cases"]["nine-0"]["logits"])
        if mutant == "linspace":
            indices = np.linspace(0, 8, 16).round().astype(int)
            wrong = human_action.prepare(frames[indices])
        elif mutant == "bgr":
            wrong = human_action.prepare(frames[list(unit)][..., ::-1])
        elif mutant == "no 255":
            wrong = human_action.prepare(frames[list(unit)]) * 255
        else:
            planes = to_planes(frames[list(unit)]).float()
            resized = F.interpolate(planes, short_side_size(129, 160, 256), mode="bilinear")
            wrong = normalise(
                centre_crop(resized, 224),
                human_action.IMAGENET_MEAN,
                human_action.IMAGENET_STD,
            )
        with torch.inference_mode():
            found = human_action.update(umt, wrong[None])[0, ::5]
        assert (found - right).abs().max() > 1e-3

    def test_five_are_considered_and_each_needs_its_probability(self) -> None:
        logits = torch.full((1, 400), -9.0)
        names = human_action.actions()
        logits[0, :6] = torch.tensor([5.0, 4.0, 3.0, 2.5, 1.735, 1.7])
        readings = [
            human_action.compute(
                Evidence(
                    logits, None, ClipFacts(16, 256, 256, 8.0, Ask(f"a person is {names[i]}"))
                ),
                "corrected",
            )
            for i in range(7)
        ]
        # The fifth has 0.8500 to four places and counts; the sixth is not considered.
        assert [each.raw for each in readings] == [1, 1, 1, 1, 1, 0, 0]
        assert readings[5].continuous == pytest.approx(1 / (1 + np.exp(-1.7)))

    def test_an_action_that_is_not_known(self) -> None:
        facts = ClipFacts(16, 256, 256, 8.0, Ask("a person is inventing time travel"))
        evidence = Evidence(torch.zeros(1, 400), None, facts)
        assert human_action.compute(evidence, "vbench").raw == 0.0
        corrected = human_action.compute(evidence, "corrected")
        assert corrected.raw is None
        assert "inventing time travel" in (corrected.reason or "")

    def test_where_the_action_comes_from(self) -> None:
        named = Ask("whatever", {"human_action": "Riding a Bike"})
        assert human_action.action_of(named, "corrected") == "riding a bike"
        prompt = Ask("A person is marching.")
        assert human_action.action_of(prompt, "corrected") == "marching"
        assert human_action.action_of(Ask("A person is side-kicking"), "vbench") == "side"
        assert len(human_action.actions()) == len(set(human_action.actions())) == 400

    def test_a_frame_that_has_the_size_is_not_resized(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(cv2, "resize", lambda *_, **__: pytest.fail("resized"))
        frames = np.zeros((16, 256, 300, 3), np.uint8)
        assert human_action.prepare(frames).shape == (16, 3, 224, 224)

    def test_the_runner_measures_it(self, umt: Umt) -> None:
        case = golden("human_action")["cases"]["odd-4"]
        runner = NetworkRunner([HUMAN_ACTION], lambda name: umt)
        ask = Ask(prompt=f"a person is {case['action']}")
        (scores,) = runner.measure([(GOLDEN_CLIPS["odd"].clip(), ask)])
        assert scores["human_action"].raw == 1.0
        assert 0.85 <= (scores["human_action"].continuous or 0) <= 1
