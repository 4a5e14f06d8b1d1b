"""Dimensions that read frames one by one: DINO, MUSIQ and CLIP."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import types
from functools import partial
from typing import Any

import torch
from golden_clips import GOLDEN_CLIPS
from PIL import Image
from seeded_networks import SMALL, fill, layout_digest
from stand_ins import (
    CPU,
    bare,
    numbers,
    path_of,
    read_features,
    stand_in,
)


def reference_dino(arguments: argparse.Namespace) -> tuple[torch.nn.Module, str]:
    """Return DINO's own network, cut down and filled, and the layout of the whole one."""
    stand_in("utils", trunc_normal_=torch.nn.init.trunc_normal_)
    sys.path.insert(0, str(arguments.dino))
    vit = importlib.import_module("vision_transformer")
    width, depth, heads = (SMALL["dino_vitb16"][key] for key in ("width", "depth", "num_heads"))
    model = vit.VisionTransformer(
        patch_size=16,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        mlp_ratio=4,
        qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    return fill(model), layout_digest(vit.vit_base())


def subject_consistency(arguments: argparse.Namespace) -> dict[str, Any]:
    model, layout = reference_dino(arguments)
    module = importlib.import_module("vbench.subject_consistency")
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
        "layout": layout,
        "cases": cases,
        "pooled": {"clips": ["odd", "two"], "score": pooled},
        "oracle": "vbench.subject_consistency; network: DINO's own vision_transformer.py",
    }


def i2v_subject(arguments: argparse.Namespace) -> dict[str, Any]:
    """The picture of each clip is the first frame of another one."""
    model, layout = reference_dino(arguments)
    module = importlib.import_module("vbench2_beta_i2v.i2v_subject")
    cases = {}
    for name, picture in (("odd", "large"), ("even", "even"), ("two", "three"), ("nine", "two")):
        first = Image.fromarray(GOLDEN_CLIPS[picture].frames()[0])
        module.Image.open = lambda path, first=first: first
        seen: list[torch.Tensor] = []
        _, results = module.i2v_subject(read_features(seen, model), [("", path_of(name))], CPU)
        features = torch.nn.functional.normalize(torch.cat(seen), dim=-1)
        cases[name] = {
            "picture": picture,
            "score": float(results[0]["video_results"]),
            "features": [numbers(each[:24]) for each in features],
        }
    return {
        "layout": layout,
        "cases": cases,
        "oracle": "vbench2_beta_i2v.i2v_subject; network: DINO's own vision_transformer.py",
    }


def reference_musiq() -> type[torch.nn.Module]:
    """Import MUSIQ alone: the package around it needs a dozen others."""
    for name in ("pyiqa", "pyiqa.archs", "pyiqa.utils", "pyiqa.data", "pyiqa.matlab_utils"):
        bare(name)
    padding = importlib.import_module("pyiqa.matlab_utils.padding")
    for name in ("ExactPadding2d", "exact_padding_2d"):
        setattr(sys.modules["pyiqa.matlab_utils"], name, getattr(padding, name))
    # One class: the mean opinion score is the output itself.
    stand_in(
        "pyiqa.archs.arch_util",
        dist_to_mos=lambda x: x,
        load_pretrained_network=None,
        get_url_from_name=None,
    )
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


def reference_clip(patch: int) -> Any:
    """Build OpenAI's CLIP, cut down."""
    stand_in("pkg_resources", packaging=importlib.import_module("packaging"))
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
