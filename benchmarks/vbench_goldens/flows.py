"""Dimensions that read pairs and triples of frames: RAFT and AMT."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from seeded_networks import SMALL, fill, layout_digest
from stand_ins import (
    CPU,
    FakeCapture,
    numbers,
    path_of,
)


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


def _kept(out: dict[str, torch.Tensor], seen: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    seen.append(out["imgt_pred"])
    return out
