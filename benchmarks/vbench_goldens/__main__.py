"""Make the goldens of the dimensions: the reference package's own numbers, with seeded weights.

Run it where the reference package is installed (it needs an environment of its own), with this
repository's `models` and `tests/support` on the path:

    PYTHONPATH=models:tests/support python benchmarks/vbench_goldens --dino DIR [NAME …]

`--dino` names a folder that holds DINO's `vision_transformer.py`. The reference's functions run
unchanged; only what reads files is replaced, so that they see the clips of `golden_clips`: the
decoders `cv2.VideoCapture` and `decord.VideoReader`, and the functions that build a network. The
networks have the reference's layers; transformers have fewer of them, to keep the tests quick, and
the layout of the whole network is recorded as a digest of its tensors' names and shapes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flows
import logic
import pictures
import torch
import videos
from golden_clips import GOLDEN_CLIPS
from stand_ins import declare_missing_operators, fake_decord

OUT = Path(__file__).parents[2] / "tests" / "models" / "dimensions" / "goldens"
PACKAGES = ("vbench", "pyiqa", "openai-clip", "open_clip_torch", "torch", "torchvision", "numpy")

MAKERS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "subject_consistency": pictures.subject_consistency,
    "i2v_subject": pictures.i2v_subject,
    "imaging_quality": pictures.imaging_quality,
    "dynamic_degree": flows.dynamic_degree,
    "motion_smoothness": flows.motion_smoothness,
    "background_consistency": pictures.background_consistency,
    "aesthetic_quality": pictures.aesthetic_quality,
    "appearance_style": pictures.appearance_style,
    "overall_consistency": videos.overall_consistency,
    "human_action": videos.human_action,
    "detected": logic.detected,
    "rules": logic.rules,
}


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
