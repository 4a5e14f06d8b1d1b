"""CLIPScore and its kin against arithmetic by hand and the libraries' own computation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from critic_models.dimensions.networks import clip as clip_module
from critic_models.metrics import networks, picture_text
from critic_models.metrics.networks import PictureText, towers_of_open_clip
from critic_models.metrics.suite import FRAMES_READ, ClipBytes, MetricOptions, MetricSuite
from critic_models.video.frames import to_safetensors
from PIL import Image
from safetensors.torch import save_file
from seeded_networks import fill

CPU = torch.device("cpu")
PROMPT = "a red ball falls"
needs_open_clip = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None,
    reason="open_clip is not installed: pip install 'critic-service[vbench]'",
)


def frames(num_frames: int = 5, size: tuple[int, int] = (90, 130)) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)


class TestByHand:
    def test_cosines(self) -> None:
        pictures = np.float32([[1, 0], [0.6, 0.8], [0, -1]])
        np.testing.assert_allclose(
            picture_text.cosines(pictures, np.float32([0, 1])), [0, 0.8, -1], atol=1e-7
        )

    def test_clip_score_cuts_each_frame_and_not_their_mean(self) -> None:
        reading = picture_text.clip_score(np.array([0.3, -0.1, 0.1]))
        assert reading.raw == pytest.approx(2.5 * 0.4 / 3)
        assert reading.raw != pytest.approx(2.5 * 0.3 / 3)
        assert picture_text.clip_score(np.array([0.9])).value == 1.0

    def test_hps_is_the_cosine(self) -> None:
        reading = picture_text.hps(np.array([0.2, 0.3]))
        assert (reading.raw, reading.value) == (pytest.approx(0.25), pytest.approx(0.625))

    def test_pickscore_is_scaled(self) -> None:
        reading = picture_text.pickscore(np.array([0.2, 0.24]), 100.0)
        assert (reading.raw, reading.value) == (pytest.approx(22), pytest.approx(0.22))

    def test_what_is_not_finite_is_no_number(self) -> None:
        assert picture_text.clip_score(np.array([np.nan])).raw is None


@pytest.fixture(scope="module")
def small() -> Any:
    """A small CLIP of open_clip with seeded weights."""
    package = clip_module.open_clip()
    model = package.CLIP(
        48,
        package.CLIPVisionCfg(layers=2, width=64, head_width=64, patch_size=32, image_size=224),
        package.CLIPTextCfg(vocab_size=49408, width=64, heads=1, layers=2),
        quick_gelu=True,
    )
    fill(model)
    return model


@needs_open_clip
class TestOpenClip:
    @staticmethod
    def network(model: Any) -> PictureText:
        tokenizer = clip_module.open_clip().SimpleTokenizer()
        return PictureText(towers_of_open_clip(model, tokenizer), "small", CPU)

    def test_it_is_open_clip_s_own_computation(self, small: Any) -> None:
        package = clip_module.open_clip()
        mean, std = package.OPENAI_DATASET_MEAN, package.OPENAI_DATASET_STD
        own = package.image_transform(224, is_train=False, mean=mean, std=std)
        given = frames()
        with torch.inference_mode():
            pictures = torch.stack([own(Image.fromarray(frame)) for frame in given])
            logits, _ = small.get_logits(pictures, package.SimpleTokenizer()([PROMPT]))
            expected = (logits[:, 0] / small.logit_scale.exp()).numpy()
        network = self.network(small)
        found = picture_text.cosines(network.read_frames(given), network.read_words(PROMPT))
        np.testing.assert_allclose(found, expected, atol=1e-6)

    @pytest.mark.parametrize("mutant", ["bgr", "squashed", "other words"])
    def test_a_wrong_way_fails(self, small: Any, mutant: str) -> None:
        network, given, prompt = self.network(small), frames(), PROMPT
        right = picture_text.cosines(network.read_frames(given), network.read_words(prompt))
        if mutant == "bgr":
            given = given[..., ::-1]
        elif mutant == "squashed":
            given = np.stack([np.asarray(Image.fromarray(f).resize((224, 224))) for f in given])
        else:
            prompt = "a blue ball"
        wrong = picture_text.cosines(network.read_frames(given), network.read_words(prompt))
        assert np.abs(wrong - right).max() > 1e-4

    def test_a_checkpoint_of_any_name(
        self, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package, path = clip_module.open_clip(), tmp_path / "own.safetensors"
        monkeypatch.setattr(package, "create_model", lambda name, pretrained: small)
        save_file(small.state_dict(), path)
        suite = MetricSuite(options=MetricOptions("ViT-B-16", path))
        assert suite.why_not("metric.clip_score") is None
        names = ["metric.clip_score"]
        gathered = suite.gather(names, ClipBytes(to_safetensors(frames(20), 8.0)))
        assert gathered.features["clip"].shape == (FRAMES_READ, 48)
        score = suite.read(names, gathered, PROMPT)["metric.clip_score"]
        assert score.raw is not None
        assert score.reason is None
        assert suite.versions(names)["metric.clip_score"].startswith("ViT-B-16/")
        without = suite.read(names, gathered, " ")["metric.clip_score"]
        assert (without.raw, without.value) == (None, None)
        assert "prompt" in (without.reason or "")

    def test_a_file_that_is_none_is_a_reason(self, tmp_path: Path) -> None:
        path = tmp_path / "own.safetensors"
        save_file({"x": torch.zeros(1)}, path)
        suite = MetricSuite(options=MetricOptions(clip_weights=path))
        names = ["metric.clip_score"]
        gathered = suite.gather(names, ClipBytes(to_safetensors(frames(), 8.0)))
        score = suite.read(names, gathered, PROMPT)["metric.clip_score"]
        assert score.raw is None
        assert "own.safetensors cannot be used" in (score.reason or "")
        assert suite.why_not("metric.clip_score") == score.reason

    def test_hps_reads_the_published_layout(
        self, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "HPS_v2.1_compressed.pt"
        torch.save({"state_dict": small.state_dict(), "epoch": 1}, path)
        monkeypatch.setattr(clip_module.open_clip(), "create_model", lambda name, pretrained: small)
        network = networks.open_clip_network("ViT-H-14", path, CPU, "state_dict")
        assert network.read_words(PROMPT) == pytest.approx(self.network(small).read_words(PROMPT))


@needs_open_clip
class TestPickScore:
    def test_it_is_transformers_own_computation(self, tmp_path: Path) -> None:
        from transformers import CLIPConfig, CLIPModel

        sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}
        config = CLIPConfig(
            text_config={**sizes, "num_attention_heads": 1, "vocab_size": 49408},
            vision_config={**sizes, "num_attention_heads": 1, "image_size": 224, "patch_size": 32},
            projection_dim=48,
        )
        model = fill(CLIPModel(config))
        folder = tmp_path / "pickscore_v1"
        model.save_pretrained(folder)
        network = networks.transformers_network(folder / "model.safetensors", CPU)
        given, towers = frames(), networks.towers_of_transformers(model)
        with torch.inference_mode():
            pictures = torch.stack([towers.prepare(frame) for frame in given])
            own = model(input_ids=towers.tokens(PROMPT), pixel_values=pictures).logits_per_image
        each = picture_text.cosines(network.read_frames(given), network.read_words(PROMPT))
        reading = picture_text.pickscore(each, network.scale)
        assert reading.raw == pytest.approx(float(own.mean()), abs=1e-5)
        unscaled = picture_text.pickscore(each, 1.0)
        assert unscaled.raw != pytest.approx(float(own.mean()), abs=1e-5)

    def test_a_half_checkpoint_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "pickscore_v1"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
        save_file({"logit_scale": torch.zeros(())}, folder / "model.safetensors")
        with pytest.raises(clip_module.CheckpointError, match="pickscore_v1"):
            networks.transformers_network(folder / "model.safetensors", CPU)
