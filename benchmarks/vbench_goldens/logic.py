"""What is computed from made-up findings: detections, decisions, totals."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from typing import Any

import numpy as np
import torch
from golden_detections import DetectedCase
from stand_ins import (
    CPU,
    path_of,
    stand_in,
)


def detected(arguments: argparse.Namespace) -> dict[str, Any]:
    """The five that read a detector or a captioner, on made-up detections."""
    stand_in("vbench.third_party.grit_model", DenseCaptioning=None)
    stand_in("vbench.third_party.tag2Text.tag2text", tag2text_caption=None)
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
