"""Make the goldens of the dimensions: the reference package's own numbers, with seeded weights.

Run it where the reference package is installed (it needs an environment of its own), with this
repository's `models` and `tests/support` on the path:

    PYTHONPATH=models:tests/support python benchmarks/vbench_goldens.py --dino DIR [NAME …]

`--dino` names a folder that holds DINO's `vision_transformer.py`. The reference's functions run
unchanged; only what reads files is replaced, so that they see the clips of `golden_clips`: the
decoders `cv2.VideoCapture` and `decord.VideoReader`, and the functions that build a network. The
networks have the reference's layers; transformers have fewer of them, to keep the tests quick, and
the layout of the whole network is recorded as a digest of its tensors' names and shapes.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import itertools
import json
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden_clips import GOLDEN_CLIPS
from golden_detections import DetectedCase
from seeded_networks import SMALL, fill, layout_digest

OUT = Path(__file__).parents[1] / "tests" / "models" / "dimensions" / "goldens"
PACKAGES = ("vbench", "pyiqa", "openai-clip", "open_clip_torch", "torch", "torchvision", "numpy")
CPU = torch.device("cpu")


class FakeCapture:
    """Stands for `cv2.VideoCapture`: BGR frames of a golden clip."""

    def __init__(self, path: str) -> None:
        self.clip = GOLDEN_CLIPS[Path(path).stem]
        self.left = list(self.clip.frames()[..., ::-1])

    def get(self, what: int) -> float:
        return self.clip.fps

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.left.pop(0)) if self.left else (False, None)

    def release(self) -> None:
        pass


class FakeReader:
    """Stands for `decord.VideoReader`: RGB frames of a golden clip."""

    bridge = "native"

    def __init__(self, path: str, **options: Any) -> None:
        # The reference reads an action from a file's name: the clip's own name comes after it.
        self.clip = GOLDEN_CLIPS[Path(path).stem.split("-")[0].split("_")[-1]]

    def __len__(self) -> int:
        return self.clip.num_frames

    def get_avg_fps(self) -> float:
        return self.clip.fps

    def get_batch(self, indices: Any) -> Any:
        frames = self.clip.frames()[list(indices)]
        if FakeReader.bridge == "torch":
            return torch.from_numpy(frames)
        return types.SimpleNamespace(asnumpy=lambda: frames)


def fake_decord() -> None:
    module = types.ModuleType("decord")
    module.VideoReader, module.cpu = FakeReader, lambda *_: None  # type: ignore[attr-defined]
    module.bridge = types.SimpleNamespace(  # type: ignore[attr-defined]
        set_bridge=lambda name: setattr(FakeReader, "bridge", name)
    )
    sys.modules["decord"] = module


def stub(name: str, **members: Any) -> types.ModuleType:
    """Stand in for a module whose import fails, or that loads what is not needed."""
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def bare(name: str) -> types.ModuleType:
    """Make the modules of a package importable without running the package itself."""
    parent, _, last = name.rpartition(".")
    if parent:
        folder = Path(sys.modules[parent].__path__[0]) / last
    else:
        found = importlib.util.find_spec(name)
        assert found is not None
        folder = Path(str(found.origin)).parent
    return stub(name, __path__=[str(folder)])


def path_of(name: str) -> str:
    return f"{name}.mp4"


def read_features(seen: list[torch.Tensor], model: Any) -> Callable[..., torch.Tensor]:
    """Call a model and keep what it returned."""

    def call(*inputs: Any, **options: Any) -> torch.Tensor:
        out = model(*inputs, **options)
        seen.append(out.detach().clone())
        return out

    return call


def numbers(tensor: torch.Tensor) -> list[float]:
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def subject_consistency(arguments: argparse.Namespace) -> dict[str, Any]:
    stub("utils", trunc_normal_=torch.nn.init.trunc_normal_)
    sys.path.insert(0, str(arguments.dino))
    vit = importlib.import_module("vision_transformer")
    module = importlib.import_module("vbench.subject_consistency")
    width, depth, heads = (SMALL["dino_vitb16"][key] for key in ("width", "depth", "num_heads"))
    model = fill(
        vit.VisionTransformer(
            patch_size=16,
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            mlp_ratio=4,
            qkv_bias=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        )
    )
    cases = {}
    for name in ("odd", "even", "two", "three"):
        seen: list[torch.Tensor] = []
        _, results = module.subject_consistency(
            read_features(seen, model), [path_of(name)], CPU, False
        )
        features = torch.nn.functional.normalize(torch.cat(seen), dim=-1)
        cases[name] = {
            "score": results[0]["video_results"],
            "features": [numbers(each[:24]) for each in features],
        }
    pooled, _ = module.subject_consistency(
        model, [path_of(name) for name in ("odd", "two")], CPU, False
    )
    return {
        "layout": layout_digest(vit.vit_base()),
        "cases": cases,
        "pooled": {"clips": ["odd", "two"], "score": pooled},
        "oracle": "vbench.subject_consistency; network: DINO's own vision_transformer.py",
    }


def reference_musiq() -> type[torch.nn.Module]:
    """Import MUSIQ alone: the package around it needs a dozen others."""
    for name in ("pyiqa", "pyiqa.archs", "pyiqa.utils", "pyiqa.data", "pyiqa.matlab_utils"):
        bare(name)
    padding = importlib.import_module("pyiqa.matlab_utils.padding")
    for name in ("ExactPadding2d", "exact_padding_2d"):
        setattr(sys.modules["pyiqa.matlab_utils"], name, getattr(padding, name))
    # One class: the mean opinion score is the output itself.
    stub("pyiqa.archs.arch_util", dist_to_mos=lambda x: x, load_pretrained_network=None)
    return importlib.import_module("pyiqa.archs.musiq_arch").MUSIQ


def imaging_quality(arguments: argparse.Namespace) -> dict[str, Any]:
    musiq = reference_musiq()
    module = importlib.import_module("vbench.imaging_quality")
    model = fill(musiq(pretrained=False, num_layers=SMALL["musiq_spaq"]["depth"]))
    cases = {}
    for name in ("odd", "even", "two", "large"):
        seen: list[torch.Tensor] = []
        _, results = module.technical_quality(read_features(seen, model), [path_of(name)], CPU)
        cases[name] = {
            "score": results[0]["video_results"],
            "features": [numbers(each) for each in seen],
        }
    overall, _ = module.technical_quality(model, [path_of(n) for n in ("odd", "two")], CPU)
    return {
        "layout": layout_digest(musiq(pretrained=False)),
        "cases": cases,
        "pooled": {"clips": ["odd", "two"], "score": overall},
        "oracle": "vbench.imaging_quality; network: pyiqa.archs.musiq_arch",
    }


def dynamic_degree(arguments: argparse.Namespace) -> dict[str, Any]:
    module = importlib.import_module("vbench.dynamic_degree")
    module.cv2.VideoCapture = FakeCapture
    options = module.edict(small=False, mixed_precision=False, alternate_corr=False)
    dynamic = module.DynamicDegree.__new__(module.DynamicDegree)
    dynamic.device, dynamic.model = CPU, fill(module.RAFT(options), SMALL["raft_things"]["gain"])
    layout = layout_digest(dynamic.model)
    cases = {}
    get_score = module.DynamicDegree.get_score
    for name in ("odd", "even", "two", "three", "nine"):
        lengths: list[float] = []
        dynamic.get_score = lambda *a, s=lengths: s.append(get_score(dynamic, *a)) or s[-1]
        seen: list[torch.Tensor] = []
        model, dynamic.model = dynamic.model, read_flows(seen, dynamic.model)
        moves = dynamic.infer(path_of(name))
        dynamic.model = model
        # The loop ends as soon as enough pairs move: read the pairs that it left out.
        frames = dynamic.get_frames(path_of(name))
        for first, second in list(itertools.pairwise(frames))[len(lengths) :]:
            padded = module.InputPadder(first.shape).pad(first, second)
            with torch.no_grad():
                flow = dynamic.model(*padded, iters=20, test_mode=True)[1]
            seen.append(flow)
            lengths.append(get_score(dynamic, padded[0], flow))
        cases[name] = {
            "score": moves,
            "lengths": lengths,
            "parameters": dynamic.params,
            "features": [numbers(flow[0, :, ::17, ::19]) for flow in seen],
        }
    return {
        "layout": layout,
        "cases": cases,
        "oracle": "vbench.dynamic_degree with vbench.third_party.RAFT",
    }


def read_flows(seen: list[torch.Tensor], model: Any) -> Callable[..., Any]:
    def call(*inputs: Any, **options: Any) -> Any:
        coarse, flow = model(*inputs, **options)
        seen.append(flow)
        return coarse, flow

    return call


def motion_smoothness(arguments: argparse.Namespace) -> dict[str, Any]:
    module = importlib.import_module("vbench.motion_smoothness")
    module.cv2.VideoCapture = FakeCapture
    config = Path(str(module.__file__)).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
    network = importlib.import_module("vbench.third_party.amt.networks.AMT-S").Model()
    fill(network, SMALL["amt_s"]["gain"])
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "amt-s.pth"
        torch.save({"state_dict": network.state_dict()}, checkpoint)
        motion = module.MotionSmoothness(str(config), str(checkpoint), CPU)
    cases = {}
    get_diff = module.MotionSmoothness.get_diff
    for name in ("odd", "even", "three", "nine"):
        seen: list[torch.Tensor] = []
        model = motion.model
        motion.model = lambda *a, m=model, s=seen, **k: _kept(m(*a, **k), s)
        differences: list[float] = []
        motion.get_diff = lambda *a, s=differences: s.append(get_diff(motion, *a)) or s[-1]
        score = motion.motion_score(path_of(name))
        motion.model = model
        cases[name] = {
            "score": score,
            "differences": differences,
            "features": [numbers(each[0, :, ::17, ::19]) for each in seen],
        }
    return {
        "layout": layout_digest(network),
        "cases": cases,
        "oracle": "vbench.motion_smoothness with vbench.third_party.amt",
    }


def reference_clip(patch: int) -> Any:
    """Build OpenAI's CLIP, cut down."""
    stub("pkg_resources", packaging=importlib.import_module("packaging"))
    importlib.import_module("packaging.version")
    sizes = SMALL["clip"]
    clip = importlib.import_module("clip.model").CLIP(
        embed_dim=sizes["out"],
        image_resolution=224,
        vision_layers=sizes["depth"],
        vision_width=sizes["width"],
        vision_patch_size=patch,
        context_length=77,
        vocab_size=49408,
        transformer_width=sizes["text_width"],
        transformer_heads=1,
        transformer_layers=sizes["depth"],
    )
    return fill(clip)


def full_clip_layout(name: str) -> str:
    """Return the layout of open_clip's model, which its checkpoints have."""
    open_clip = importlib.import_module("open_clip")
    with torch.device("meta"):
        return layout_digest(open_clip.create_model(name, pretrained=None, device="meta"))


def background_consistency(arguments: argparse.Namespace) -> dict[str, Any]:
    model = reference_clip(32)
    module = importlib.import_module("vbench.background_consistency")
    cases = {}
    for name in ("odd", "even", "two", "three", "large"):
        seen: list[torch.Tensor] = []
        keeper = types.SimpleNamespace(encode_image=read_features(seen, model.encode_image))
        _, results = module.background_consistency(keeper, None, [path_of(name)], CPU, False)
        features = torch.nn.functional.normalize(torch.cat(seen), dim=-1)
        cases[name] = {
            "score": results[0]["video_results"],
            "features": [numbers(each[:24]) for each in features],
        }
    pooled, _ = module.background_consistency(
        model, None, [path_of(name) for name in ("odd", "two")], CPU, False
    )
    return {
        "layout": full_clip_layout("ViT-B-32-quickgelu"),
        "cases": cases,
        "pooled": {"clips": ["odd", "two"], "score": pooled},
        "oracle": "vbench.background_consistency with openai-clip; layout: open_clip",
    }


def aesthetic_quality(arguments: argparse.Namespace) -> dict[str, Any]:
    model = reference_clip(14)
    module = importlib.import_module("vbench.aesthetic_quality")
    head = fill(torch.nn.Linear(SMALL["clip"]["out"], 1), 4.0)
    cases = {}
    for name in ("odd", "even", "two"):
        seen: list[torch.Tensor] = []

        class Keeper:
            def __call__(self, x: torch.Tensor, s: list[torch.Tensor] = seen) -> torch.Tensor:
                s.append(head(x))
                return s[-1]

            def eval(self) -> None:
                pass

        _, results = module.laion_aesthetic(Keeper(), model, [path_of(name)], CPU)
        cases[name] = {
            "score": results[0]["video_results"],
            "features": numbers(torch.cat(seen)),
        }
    return {
        "layout": full_clip_layout("ViT-L-14-quickgelu"),
        "cases": cases,
        "oracle": "vbench.aesthetic_quality with openai-clip; layout: open_clip",
    }


def appearance_style(arguments: argparse.Namespace) -> dict[str, Any]:
    model = reference_clip(32)
    module = importlib.import_module("vbench.appearance_style")
    cases = {}
    for name, style in (("odd", "Van Gogh style"), ("even", "watercolor painting")):
        info = {"auxiliary_info": {"appearance_style": style}, "video_list": [path_of(name)]}
        _, results = module.appearance_style(model, [info], CPU)
        cases[name] = {
            "style": style,
            "score": float(results[0]["video_results"]),
            "features": results[0]["frame_results"],
        }
    infos = [
        {"auxiliary_info": {"appearance_style": "Van Gogh style"}, "video_list": [path_of(n)]}
        for n in ("odd", "even")
    ]
    pooled, _ = module.appearance_style(model, infos, CPU)
    return {
        "cases": cases,
        "pooled": {"clips": ["odd", "even"], "style": "Van Gogh style", "score": pooled},
        "logit_scale": model.logit_scale.exp().item(),
        "oracle": "vbench.appearance_style with openai-clip",
    }


PROMPTS = {
    "odd": "A beautiful coastal beach in spring, waves lapping on sand, zoom in",
    "even": "a cat",
    "two": "An astronaut   flying in SPACE &amp; time, " + "Van Gogh style, " * 12,
    "nine": "caf\u00e9 at dusk: 3 o'clock!",
}


def overall_consistency(arguments: argparse.Namespace) -> dict[str, Any]:
    packaging = importlib.import_module("packaging")
    importlib.import_module("packaging.version")
    stub("pkg_resources", packaging=packaging)
    clip_folder = Path(str(importlib.util.find_spec("clip").origin)).parent  # type: ignore[union-attr]
    vocabulary = clip_folder / "bpe_simple_vocab_16e6.txt.gz"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VBENCH_CACHE_DIR"] = folder
        (Path(folder) / "ViCLIP").mkdir()
        shutil.copy(vocabulary, Path(folder) / "ViCLIP")
        module = importlib.import_module("vbench.overall_consistency")
        text = importlib.import_module("vbench.third_party.ViCLIP.viclip_text")
        vision = importlib.import_module("vbench.third_party.ViCLIP.viclip_vision")
        viclip = importlib.import_module("vbench.third_party.ViCLIP.viclip")
        tokenizer = text._Tokenizer(str(Path(folder) / "ViCLIP" / vocabulary.name))
    text._Tokenizer = lambda: tokenizer
    whole = layout_digest(viclip.ViCLIP(tokenizer=tokenizer, pretrain=None))
    sizes = SMALL["viclip_l_14"]
    model = viclip.ViCLIP.__new__(viclip.ViCLIP)
    torch.nn.Module.__init__(model)
    model.max_txt_l = 32
    model.vision_encoder = vision.VisionTransformer(
        224, 14, sizes["width"], sizes["depth"], sizes["num_heads"], output_dim=sizes["out"]
    )
    model.text_encoder = text.CLIP_TEXT(
        sizes["out"],
        32,
        49408,
        sizes["text_width"],
        sizes["text_heads"],
        sizes["text_depth"],
        0,
    )
    model.temp = torch.nn.Parameter(torch.ones([]))
    fill(model)
    cases = {}
    for name, prompt in PROMPTS.items():
        info = {"prompt": prompt, "video_list": [path_of(name)]}
        _, results = module.overall_consistency(model, [info], tokenizer, CPU, sample="middle")
        frames = module.read_frames_decord_by_fps(path_of(name), num_frames=8, sample="middle")
        video = module.get_vid_features(model, module.clip_transform(224)(frames)[None])
        cases[name] = {
            "prompt": prompt,
            "score": results[0]["video_results"],
            "tokens": model.text_encoder.tokenize(prompt, context_length=32)[0].tolist(),
            "video": numbers(video[0]),
            "text": numbers(module.get_text_features(model, prompt, tokenizer)[0]),
        }
    return {
        "layout": whole,
        "cases": cases,
        "oracle": "vbench.overall_consistency with vbench.third_party.ViCLIP",
    }


def human_action(arguments: argparse.Namespace) -> dict[str, Any]:
    stub("pkg_resources", packaging=importlib.import_module("packaging"))
    stub("clip")
    importlib.import_module("vbench.third_party.umt")
    # Its readers of data sets need an older numpy; its transforms do not.
    bare("vbench.third_party.umt.datasets")
    module = importlib.import_module("vbench.human_action")
    umt = importlib.import_module("vbench.third_party.umt.models.modeling_finetune")
    options: dict[str, Any] = {
        "num_classes": 400,
        "all_frames": 16,
        "tubelet_size": 1,
        "use_mean_pooling": True,
        "init_scale": 0.001,
    }
    umt.trunc_normal_ = lambda *_, **__: None
    whole = layout_digest(umt.vit_large_patch16_224(**options))
    sizes = SMALL["umt_l16_k400"]
    small = umt.VisionTransformer(
        patch_size=16,
        embed_dim=sizes["width"],
        depth=sizes["depth"],
        num_heads=sizes["num_heads"],
        qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        **options,
    )
    table = small.pos_embed.detach().clone()
    fill(small)
    seen: list[torch.Tensor] = []
    small.forward = read_features(seen, small.forward)
    module.create_model = lambda *_, **__: small
    names = module.build_dict()
    cases: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(Path(folder) / "umt.pth")
        torch.save(small.state_dict(), checkpoint)
        for clip in ("odd", "nine"):
            seen.clear()
            module.human_action(checkpoint, [f"a person is marching_{clip}-0.mp4"], CPU)
            order = seen[0][0].argsort(descending=True).tolist()
            logits = numbers(seen[0][0])
            for rank in (0, 4, 5, 399):
                action = names[str(order[rank])]
                path = f"A person is {action}_{clip}-0.mp4"
                _, results = module.human_action(checkpoint, [path], CPU)
                cases[f"{clip}-{rank}"] = {
                    "clip": clip,
                    "action": action,
                    "score": results[0]["video_results"],
                }
            cases[f"{clip}-0"]["logits"] = logits[::5]
    return {
        "layout": whole,
        "cases": cases,
        "positions": numbers(table[0, ::391, ::7]),
        "oracle": "vbench.human_action with vbench.third_party.umt",
    }


def detected(arguments: argparse.Namespace) -> dict[str, Any]:
    """The five that read a detector or a captioner, on made-up detections."""
    stub("vbench.third_party.grit_model", DenseCaptioning=None)
    stub("vbench.third_party.tag2Text.tag2text", tag2text_caption=None)
    modules = {
        name: importlib.import_module(f"vbench.{name}")
        for name in ("object_class", "multiple_objects", "color", "spatial_relationship", "scene")
    }

    class Grit:
        def __init__(self, frames: Any, captioned: bool) -> None:
            self.frames, self.captioned = list(frames), captioned

        def run_caption_tensor(self, frame: Any) -> Any:
            found = self.frames.pop(0)
            names = [each.name for each in found]
            said = [each.caption if self.captioned else each.name for each in found]
            return [(s, list(d.box), names) for s, d in zip(said, found, strict=True)], None

    class Tagger:
        def __init__(self, captions: list[str]) -> None:
            self.captions = captions

        def generate(self, *_: Any, **__: Any) -> Any:
            return self.captions, None

    cases: dict[str, Any] = {}
    for seed in range(40):
        case = DetectedCase(seed)
        found: dict[str, Any] = {}
        for name, module in modules.items():
            model: Any = Grit(case.detections(), name == "color")
            if name == "scene":
                model = Tagger(case.captions())
            info = {**case.info(name), "video_list": [path_of("odd")]}
            try:
                overall, results = getattr(module, name)(model, [info], CPU)
            except ZeroDivisionError:
                found[name] = None
                continue
            found[name] = {"raw": float(results[0]["video_results"]), "overall": float(overall)}
        cases[str(seed)] = found
    return {"cases": cases, "oracle": "vbench's own functions with made-up detections"}


def rules(arguments: argparse.Namespace) -> dict[str, Any]:
    """Decisions of dynamic degree on made-up lengths, and the script of the totals."""
    module = importlib.import_module("vbench.dynamic_degree")
    dynamic = module.DynamicDegree.__new__(module.DynamicDegree)
    chance = np.random.default_rng(0)
    decisions = []
    for _ in range(60):
        count = int(chance.integers(2, 30))
        height, width = (int(each) for each in chance.integers(128, 700, 2))
        dynamic.set_params(frame=torch.zeros(1, 3, height, width), count=count)
        lengths = (chance.random(count - 1) * 1.3 * dynamic.params["thres"]).tolist()
        moves = dynamic.check_move(lengths)
        decisions.append([count, height, width, lengths, moves])
    document: dict[str, Any] = {"cases": {}, "decisions": decisions}
    if arguments.scripts is not None:
        sys.path.insert(0, str(arguments.scripts))
        script = importlib.import_module("cal_final_score")
        rows = [chance.random(len(script.TASK_INFO)).round(4).tolist() for _ in range(20)]
        rows += [[0.0] * len(script.TASK_INFO), [1.0] * len(script.TASK_INFO)]
        document["tasks"] = [name.replace(" ", "_") for name in script.TASK_INFO]
        document["totals"] = []
        for row in rows:
            norm = script.get_nomalized_score(dict(zip(script.TASK_INFO, row, strict=True)))
            quality, semantic = script.get_quality_score(norm), script.get_semantic_score(norm)
            total = script.get_final_score(quality, semantic)
            document["totals"].append([row, quality, semantic, total])
    document["oracle"] = "vbench.dynamic_degree; VBench's scripts/cal_final_score.py"
    return document


def _kept(out: dict[str, torch.Tensor], seen: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    seen.append(out["imgt_pred"])
    return out


MAKERS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "subject_consistency": subject_consistency,
    "imaging_quality": imaging_quality,
    "dynamic_degree": dynamic_degree,
    "motion_smoothness": motion_smoothness,
    "background_consistency": background_consistency,
    "aesthetic_quality": aesthetic_quality,
    "appearance_style": appearance_style,
    "overall_consistency": overall_consistency,
    "human_action": human_action,
    "detected": detected,
    "rules": rules,
}


def declare_missing_operators() -> None:
    """Let torchvision import beside a torch that its compiled part does not fit."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_library"] = library


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MAKERS))
    parser.add_argument("--dino", type=Path, help="folder of DINO's vision_transformer.py")
    parser.add_argument("--scripts", type=Path, help="VBench's folder scripts, for the totals")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [each for each in sys.modules if each.startswith("torchvision")]:
            del sys.modules[name]
        declare_missing_operators()
    fake_decord()
    OUT.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or MAKERS:
        golden = MAKERS[name](arguments)
        seen = {case.get("clip", key) for key, case in golden["cases"].items()}
        golden["clips"] = {
            clip: GOLDEN_CLIPS[clip].digest() for clip in sorted(seen & GOLDEN_CLIPS.keys())
        }
        golden["versions"] = {package: version(package) for package in PACKAGES}
        path = OUT / f"{name}.json"
        path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
        print(name, path.stat().st_size)
        for clip, case in golden["cases"].items():
            print("  ", clip, case.get("score"))


if __name__ == "__main__":
    main()
