"""Both sides of the benchmark of dimensions: the same clip and the same weights, ours or VBench's.

Run by `dimension_worker.py` in an environment of either side. VBench's functions run unchanged;
only its decoders and what builds a network are replaced (see `vbench_goldens/stand_ins.py`), so
that neither decoding nor loading is timed. Networks have their full size.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

PROMPT = "a person is marching"
# A flow that stays within the picture, and a guess that is not clamped everywhere.
GAINS = {"raft_things": 0.3, "amt_s": 0.6}

Measured = Callable[[], float]


@dataclass(frozen=True)
class BenchClip:
    """A texture that moves a few pixels a frame, the same in every version of numpy."""

    num_frames: int
    height: int
    width: int
    fps: float = 8.0

    @cached_property
    def _frames(self) -> np.ndarray:
        chance = np.random.default_rng(0)
        small = chance.integers(0, 256, (-(-self.height // 8), -(-self.width // 8), 3))
        ground = small.repeat(8, 0).repeat(8, 1)[: self.height, : self.width].astype(np.uint8)
        return np.stack([np.roll(ground, (i, 2 * i), (0, 1)) for i in range(self.num_frames)])

    def frames(self) -> np.ndarray:
        """Return uint8 `[T, H, W, 3]`."""
        return self._frames


def ours(name: str, clip: BenchClip, device: torch.device) -> Measured:
    """Return what measures the clip with this project's networks, as VBench would."""
    from critic_models.dimensions.catalogue import NETWORK_DIMENSIONS
    from critic_models.dimensions.networked import Ask
    from critic_models.dimensions.runner import NetworkRunner
    from critic_models.video.frames import from_array
    from critic_models.video.sampling import AllFrames

    dimension = NETWORK_DIMENSIONS[name]
    network = _our_network(dimension.reader.network).to(device)
    runner = NetworkRunner([dimension], lambda _: network, device, "vbench")
    whole = from_array(clip.frames(), clip.fps, AllFrames())

    def measure() -> float:
        (scores,) = runner.measure([(whole, Ask(PROMPT))])
        score = scores[name]
        if score.raw is None:
            raise RuntimeError(score.reason)
        return _compared(name, score.raw, score.per_frame)

    return measure


def _our_network(name: str) -> torch.nn.Module:
    from critic_models.dimensions.networks import amt, clip, dino, musiq, raft, umt, viclip
    from seeded_networks import GAIN, fill

    plain = {
        "amt_s": amt.AmtS,
        "dino_vitb16": dino.DinoViT,
        "musiq_spaq": musiq.Musiq,
        "raft_things": raft.Raft,
        "umt_l16_k400": umt.Umt,
        "viclip_l_14": viclip.ViClip,
    }
    if name in plain:
        return fill(plain[name](), GAINS.get(name, GAIN))
    large = name == "laion_aesthetic"
    model = clip.open_clip().create_model(clip.VIT_L_14 if large else clip.VIT_B_32)
    read = clip.Clip(fill(model))
    if not large:
        return read
    rating = clip.AestheticClip(read)
    fill(rating.head, 4.0)
    return rating


def reference(name: str, clip: BenchClip, device: torch.device, dino: Path | None) -> Measured:
    """Return what measures the clip with VBench's own functions and networks."""
    import stand_ins
    from golden_clips import GOLDEN_CLIPS

    GOLDEN_CLIPS["bench"] = clip  # type: ignore[assignment]
    stand_ins.fake_decord()
    return _REFERENCES[name](stand_ins.path_of("bench"), device, dino)


def _compared(name: str, raw: float, series: Any) -> float:
    """Return what must be equal: of a boolean the lengths that it was decided by."""
    return float(np.mean(series)) if name == "dynamic_degree" else raw


def _subject_consistency(path: str, device: torch.device, dino: Path | None) -> Measured:
    from seeded_networks import fill
    from stand_ins import stand_in

    if dino is None:
        raise ModuleNotFoundError("--reference-dino names the folder of vision_transformer.py")
    stand_in("utils", trunc_normal_=torch.nn.init.trunc_normal_)
    sys.path.insert(0, str(dino))
    model = fill(importlib.import_module("vision_transformer").vit_base()).to(device)
    module = importlib.import_module("vbench.subject_consistency")
    return lambda: _of_one(module.subject_consistency(model, [path], device, False))


def _imaging_quality(path: str, device: torch.device, _: Path | None) -> Measured:
    from pictures import reference_musiq
    from seeded_networks import fill

    model = fill(reference_musiq()(pretrained=False)).to(device)
    module = importlib.import_module("vbench.imaging_quality")
    return lambda: _of_one(module.technical_quality(model, [path], device))


def _dynamic_degree(path: str, device: torch.device, _: Path | None) -> Measured:
    from seeded_networks import fill
    from stand_ins import FakeCapture

    module = importlib.import_module("vbench.dynamic_degree")
    module.cv2.VideoCapture = FakeCapture
    options = module.edict(small=False, mixed_precision=False, alternate_corr=False)
    dynamic = module.DynamicDegree.__new__(module.DynamicDegree)
    dynamic.device = device
    dynamic.model = fill(module.RAFT(options), GAINS["raft_things"]).to(device)
    # VBench stops once enough pairs move; a clip in which nothing does is read to its end.
    dynamic.check_move = lambda *_: False
    get_score = module.DynamicDegree.get_score
    lengths: list[float] = []
    dynamic.get_score = lambda *a: lengths.append(float(get_score(dynamic, *a))) or lengths[-1]

    def measure() -> float:
        lengths.clear()
        dynamic.infer(path)
        return _compared("dynamic_degree", 0.0, lengths)

    return measure


def _motion_smoothness(path: str, device: torch.device, _: Path | None) -> Measured:
    from seeded_networks import fill
    from stand_ins import FakeCapture

    module = importlib.import_module("vbench.motion_smoothness")
    module.cv2.VideoCapture = FakeCapture
    config = Path(str(module.__file__)).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
    network = importlib.import_module("vbench.third_party.amt.networks.AMT-S").Model()
    fill(network, GAINS["amt_s"])
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "amt-s.pth"
        torch.save({"state_dict": network.state_dict()}, checkpoint)
        motion = module.MotionSmoothness(str(config), str(checkpoint), device)
    return lambda: float(motion.motion_score(path))


def _reference_clip(large: bool) -> torch.nn.Module:
    from seeded_networks import fill
    from stand_ins import stand_in

    stand_in("pkg_resources", packaging=importlib.import_module("packaging"))
    importlib.import_module("packaging.version")
    width, text, patch = (1024, 768, 14) if large else (768, 512, 32)
    return fill(
        importlib.import_module("clip.model").CLIP(
            embed_dim=text,
            image_resolution=224,
            vision_layers=24 if large else 12,
            vision_width=width,
            vision_patch_size=patch,
            context_length=77,
            vocab_size=49408,
            transformer_width=text,
            transformer_heads=text // 64,
            transformer_layers=12,
        )
    )


def _background_consistency(path: str, device: torch.device, _: Path | None) -> Measured:
    model = _reference_clip(large=False).to(device)
    module = importlib.import_module("vbench.background_consistency")
    return lambda: _of_one(module.background_consistency(model, None, [path], device, False))


def _aesthetic_quality(path: str, device: torch.device, _: Path | None) -> Measured:
    from seeded_networks import fill

    model = _reference_clip(large=True).to(device)
    head = fill(torch.nn.Linear(768, 1), 4.0).to(device)
    module = importlib.import_module("vbench.aesthetic_quality")
    return lambda: _of_one(module.laion_aesthetic(head, model, [path], device))


def _overall_consistency(path: str, device: torch.device, _: Path | None) -> Measured:
    from seeded_networks import fill
    from stand_ins import stand_in

    stand_in("pkg_resources", packaging=importlib.import_module("packaging"))
    importlib.import_module("packaging.version")
    spec = importlib.util.find_spec("clip")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("openai-clip, whose vocabulary ViCLIP reads")
    folder = Path(tempfile.mkdtemp(prefix="vbench-cache-"))
    os.environ["VBENCH_CACHE_DIR"] = str(folder)
    (folder / "ViCLIP").mkdir()
    name = "bpe_simple_vocab_16e6.txt.gz"
    shutil.copy(Path(spec.origin).parent / name, folder / "ViCLIP")
    module = importlib.import_module("vbench.overall_consistency")
    text = importlib.import_module("vbench.third_party.ViCLIP.viclip_text")
    tokenizer = text._Tokenizer(str(folder / "ViCLIP" / name))
    text._Tokenizer = lambda: tokenizer
    viclip = importlib.import_module("vbench.third_party.ViCLIP.viclip")
    model = fill(viclip.ViCLIP(tokenizer=tokenizer, pretrain=None)).to(device)
    info = {"prompt": PROMPT, "video_list": [path]}

    def measure() -> float:
        # VBench keeps what it made of a prompt for all later calls.
        module.get_text_features.__defaults__[0].clear()
        return _of_one(
            module.overall_consistency(model, [info], tokenizer, device, sample="middle")
        )

    return measure


def _human_action(path: str, device: torch.device, _: Path | None) -> Measured:
    from seeded_networks import fill
    from stand_ins import bare, stand_in

    stand_in("pkg_resources", packaging=importlib.import_module("packaging"))
    stand_in("clip")
    importlib.import_module("vbench.third_party.umt")
    bare("vbench.third_party.umt.datasets")
    module = importlib.import_module("vbench.human_action")
    umt = importlib.import_module("vbench.third_party.umt.models.modeling_finetune")
    umt.trunc_normal_ = lambda *_, **__: None
    model = fill(
        umt.vit_large_patch16_224(
            num_classes=400,
            all_frames=16,
            tubelet_size=1,
            use_mean_pooling=True,
            init_scale=0.001,
        )
    ).to(device)
    # It reads its checkpoint in the call that measures; here the weights are in place.
    model.load_state_dict = lambda *_, **__: None
    module.create_model = lambda *_, **__: model
    module.torch = types.SimpleNamespace(**{**vars(torch), "load": lambda *_, **__: {}})
    action = path.replace("bench", f"A {PROMPT[2:]}_bench-0")
    return lambda: _of_one(module.human_action("weights.pth", [action], device))


def _of_one(results: tuple[Any, Any]) -> float:
    return float(results[1][0]["video_results"])


_REFERENCES: dict[str, Callable[[str, torch.device, Path | None], Measured]] = {
    "aesthetic_quality": _aesthetic_quality,
    "background_consistency": _background_consistency,
    "dynamic_degree": _dynamic_degree,
    "human_action": _human_action,
    "imaging_quality": _imaging_quality,
    "motion_smoothness": _motion_smoothness,
    "overall_consistency": _overall_consistency,
    "subject_consistency": _subject_consistency,
}
CASES = tuple(_REFERENCES)
