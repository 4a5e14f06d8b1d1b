"""Dimensions that read whole clips: ViCLIP and UMT."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from seeded_networks import SMALL, fill, layout_digest
from stand_ins import (
    CPU,
    bare,
    numbers,
    path_of,
    read_features,
    stand_in,
)

PROMPTS = {
    "odd": "A beautiful coastal beach in spring, waves lapping on sand, zoom in",
    "even": "a cat",
    "two": "An astronaut   flying in SPACE &amp; time, " + "Van Gogh style, " * 12,
    "nine": "caf\u00e9 at dusk: 3 o'clock!",
}


def overall_consistency(arguments: argparse.Namespace) -> dict[str, Any]:
    packaging = importlib.import_module("packaging")
    importlib.import_module("packaging.version")
    stand_in("pkg_resources", packaging=packaging)
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
    stand_in("pkg_resources", packaging=importlib.import_module("packaging"))
    stand_in("clip")
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
